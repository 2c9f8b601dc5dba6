package engine

import (
	"fmt"
	"net/netip"
	"testing"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
	"fanbench/server/servertest"
)

// TestReferenceServer runs each workload against the project's own server.
func TestReferenceServer(t *testing.T) {
	for _, c := range []struct {
		name     string
		scenario scenario.Scenario
		want     result.Ledger // of a workload with a timetable
	}{
		{"fan-out", fanoutOf(t, 200, 10, 10), result.Ledger{Expected: 3000, Delivered: 3000}},
		{"paced echo", echoOf(t, 20), result.Ledger{Expected: 150, Delivered: 150}},
		{"closed-loop echo", closedLoopOf(t, 20, 2), result.Ledger{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := servertest.Start(t, servertest.Loops(1))
			config := configOf(t, c.scenario, 0, netip.MustParseAddrPort(server.Addr))
			config.Path = func(c plan.Connection) string {
				switch c.Role {
				case plan.Publisher:
					return fmt.Sprintf("/rooms/%d?self=0", c.Room)
				case plan.Subscriber:
					return fmt.Sprintf("/rooms/%d", c.Room)
				}
				return "/echo"
			}
			e := startEngine(t, config)
			ramped(t, e)
			phase(t, plan.WarmUp, allDelivered, e)
			phase(t, plan.Measure, allDelivered, e)
			a := settle(e)[0]
			balanced(t, a)
			if c.want == (result.Ledger{}) {
				c.want.Expected, c.want.Delivered = a.Ledger.Sent, a.Ledger.Sent
			}
			same(t, a.Ledger, c.want)
		})
	}
}
