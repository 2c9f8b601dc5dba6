package main

import (
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/preflight"
	"fanbench/loadgen/scenario"
)

// planCommand prints the timetable.
type planCommand struct {
	workloadFlags
}

// planLines is how much of the timetable is printed.
const planLines = 10

// Run prints what a run would do.
func (c *planCommand) Run(s streams) error {
	asked, seed, err := c.read("")
	if err != nil {
		return err
	}
	p, err := plan.New(asked, seed)
	if err != nil {
		return usage(err)
	}
	need := preflight.Need{Connections: p.Connections(), Workers: asked.Workers, InFlight: asked.Phases.Ramp.InFlight,
		Target: netip.AddrFrom4([4]byte{127, 0, 0, 1})}

	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", asked.Question)
	fmt.Fprintf(&b, "workload     %s\n", asked.Workload)
	fmt.Fprintf(&b, "connections  %s\n", population(p))
	if asked.Deflate {
		fmt.Fprintf(&b, "compression  permessage-deflate is offered\n")
	}
	fmt.Fprintf(&b, "workers      %d, at most %d connections and %d descriptors each\n", asked.Workers, need.PerWorker(), need.Descriptors())
	fmt.Fprintf(&b, "memory       about %d MiB, if both ends of the connections are on this host\n", max(1, preflight.MemoryBytes(need)>>20))
	if asked.Workload == scenario.Connect {
		fmt.Fprintf(&b, "measure      %v: connections are held, nothing is published\n", asked.Phases.Measure)
	} else {
		phases(&b, p)
	}
	_, err = fmt.Fprint(s.out, b.String())
	return err
}

// population says who connects.
func population(p *plan.Plan) string {
	s := p.Scenario()
	switch s.Workload {
	case scenario.Fanout:
		return fmt.Sprintf("%d: %s in %s, %s", p.Connections(), count(s.Connections, "subscriber"), count(s.Rooms, "room"), count(s.Publishers, "publisher"))
	case scenario.Echo:
		return fmt.Sprintf("%d, each with its own messages back", p.Connections())
	default:
		return fmt.Sprintf("%d, held open", p.Connections())
	}
}

// phases prints how much each phase publishes, and the beginning of the
// timetable of the measured one.
func phases(b *strings.Builder, p *plan.Plan) {
	s := p.Scenario()
	if s.ClosedLoop() {
		for _, ph := range []struct {
			name string
			d    time.Duration
		}{{"warm-up", s.Phases.WarmUp}, {"measure", s.Phases.Measure}} {
			fmt.Fprintf(b, "%-12s %v: %s in flight on each connection, as fast as they come back\n", ph.name, ph.d, count(s.Window, "message"))
		}
		fmt.Fprintf(b, "drain        up to %v\n", s.Phases.Drain)
		return
	}
	fmt.Fprintf(b, "warm-up      %v: %s\n", s.Phases.WarmUp, volume(p, plan.WarmUp))
	fmt.Fprintf(b, "measure      %v: %s\n", s.Phases.Measure, volume(p, plan.Measure))
	fmt.Fprintf(b, "drain        up to %v\n", s.Phases.Drain)

	n := p.Publications(plan.Measure)
	lines := min(n, planLines)
	fmt.Fprintf(b, "\npublications of measure, first %d of %d:\n", lines, n)
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "due\tpublisher\troom\tsequence\tdeliveries")
	for k := range lines {
		at := p.At(plan.Measure, k)
		fmt.Fprintf(table, "%v\t%d\t%d\t%d\t%d\n", at.Due, at.Publisher, at.Room, at.Sequence, receivers(p, at.Room))
	}
	table.Flush() // a strings.Builder takes everything
}

// volume is a phase's publications and deliveries.
func volume(p *plan.Plan, ph plan.Phase) string {
	n := p.Publications(ph)
	deliveries := 0
	for k := range n {
		deliveries += receivers(p, p.At(ph, k).Room)
	}
	return fmt.Sprintf("%d publications, %d deliveries", n, deliveries)
}

// receivers is how many deliveries one publication becomes.
func receivers(p *plan.Plan, room int) int {
	if p.Scenario().Workload == scenario.Echo {
		return 1
	}
	return p.RoomSubscribers(room)
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
