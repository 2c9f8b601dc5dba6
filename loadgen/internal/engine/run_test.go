package engine

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
)

// TestMain fails the suite on a goroutine that an engine left behind. The pool
// that the reference server's gnet starts when it is loaded has no end.
func TestMain(m *testing.M) {
	if err := awaitStamps(); err != nil {
		log.Fatal(err)
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
	)
}

// patience bounds every wait for a state; no test asserts how long one took.
const patience = 20 * time.Second

// scenarioOf builds a scenario from keys and values.
func scenarioOf(t testing.TB, settings ...string) scenario.Scenario {
	t.Helper()
	var options []scenario.Option
	for i := 0; i < len(settings); i += 2 {
		options = append(options, scenario.Set(settings[i], settings[i+1], settings[i]))
	}
	s, err := scenario.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	s.Workers, s.Loops = 1, 1
	if s.Workload != scenario.Connect {
		s.Phases.WarmUp, s.Phases.Measure = 50*time.Millisecond, 100*time.Millisecond
	}
	return s
}

// fanoutOf is a small fan-out: 50 publications to warm up and 100 measured.
func fanoutOf(t *testing.T, connections, rooms, publishers int) scenario.Scenario {
	t.Helper()
	return scenarioOf(t, "workload", "fanout", "connections", fmt.Sprint(connections), "rooms", fmt.Sprint(rooms),
		"publishers", fmt.Sprint(publishers), "rate", "1000/s", "size", "128B")
}

// echoOf is an echo, paced like fanoutOf.
func echoOf(t *testing.T, connections int) scenario.Scenario {
	t.Helper()
	return scenarioOf(t, "workload", "echo", "connections", fmt.Sprint(connections), "rate", "1000/s", "size", "128B")
}

// closedLoopOf is an echo that keeps a window in flight on each connection.
func closedLoopOf(t *testing.T, connections, window int) scenario.Scenario {
	t.Helper()
	return scenarioOf(t, "workload", "echo", "connections", fmt.Sprint(connections), "rate", "0/s",
		"window", fmt.Sprint(window), "latency-from", "sent", "size", "128B")
}

func pathOf(c plan.Connection) string {
	switch c.Role {
	case plan.Publisher:
		return fmt.Sprintf("/publish/%d", c.Room)
	case plan.Subscriber:
		return fmt.Sprintf("/room/%d", c.Room)
	}
	return "/echo"
}

// configOf is a configuration of one worker of a scenario against an address.
func configOf(t testing.TB, s scenario.Scenario, worker int, address netip.AddrPort) Config {
	t.Helper()
	p, err := plan.New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Plan: p, Worker: worker, RunID: 0xdecade, Address: address, Host: address.String(), Path: pathOf,
		Epoch: clock.Now(), InFlight: 64,
	}
}

func startEngine(t testing.TB, c Config) *Engine {
	t.Helper()
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// eventually waits for a state.
func eventually(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// ramped opens all connections of an engine.
func ramped(t *testing.T, e *Engine) {
	t.Helper()
	ramp := e.Ramp(context.Background())
	if ramp.Opened != ramp.Requested {
		t.Fatalf("opened %d of %d connections: %+v", ramp.Opened, ramp.Requested, ramp.Failures)
	}
	if got := ramp.Connect.Count(); got != int64(ramp.Opened) {
		t.Fatalf("%d connect times for %d connections", got, ramp.Opened)
	}
}

// phase runs one phase on all engines until its publications have left and
// settled says so of their ticks together.
func phase(t *testing.T, ph plan.Phase, settled func(sum Tick) bool, engines ...*Engine) {
	t.Helper()
	at := clock.Now() + int64(10*time.Millisecond)
	for _, e := range engines {
		e.Begin(ph, at)
	}
	for _, e := range engines {
		eventually(t, "publications to leave", e.Sent)
	}
	var sum Tick
	eventually(t, "deliveries", func() bool {
		sum = Tick{}
		for _, e := range engines {
			tick := e.Tick()
			sum.Expected += tick.Expected
			sum.Delivered += tick.Delivered
			sum.Duplicated += tick.Duplicated
			sum.Missing += tick.Missing
			sum.Corrupt += tick.Corrupt
			sum.Misrouted += tick.Misrouted
			sum.Open += tick.Open
		}
		return settled(sum)
	})
}

// allDelivered is when nothing is outstanding.
func allDelivered(sum Tick) bool { return sum.Delivered == sum.Expected }

// settle ends a run: all engines' closing counts to each.
func settle(engines ...*Engine) []Account {
	var closing []Closing
	for _, e := range engines {
		closing = append(closing, e.Closing()...)
	}
	var accounts []Account
	for _, e := range engines {
		accounts = append(accounts, e.Settle(closing))
	}
	return accounts
}

// balanced checks what must hold of every account.
func balanced(t *testing.T, a Account) {
	t.Helper()
	l := a.Ledger
	if !l.GapsAgree {
		t.Errorf("the two counts of what was lost disagree: %+v", l)
	}
	if l.Expected != l.Delivered+l.Lost+l.Excluded || l.Lost != l.LostUp+l.LostDown {
		t.Errorf("expected %d, delivered %d, lost %d = %d up + %d down, excluded %d",
			l.Expected, l.Delivered, l.Lost, l.LostUp, l.LostDown, l.Excluded)
	}
	if l.Planned != l.Sent+l.Unsent {
		t.Errorf("planned %d, sent %d, unsent %d", l.Planned, l.Sent, l.Unsent)
	}
	if got := a.ExactStamps + a.BoundStamps + a.MissingStamps; got != l.MeasuredDelivered {
		t.Errorf("%d arrivals by kind of stamp, %d measured deliveries", got, l.MeasuredDelivered)
	}
	for name, want := range map[string]uint64{
		Delivery: l.MeasuredDelivered, SentDelivery: l.MeasuredDelivered, ReadLag: l.MeasuredDelivered,
		Blocked: l.MeasuredSent,
	} {
		if got := a.Histograms[name].Count(); got != int64(want) {
			t.Errorf("histogram %s has %d values, want %d", name, got, want)
		}
		if n := a.Histograms[name].Negative(); n != 0 && name != SentDelivery {
			t.Errorf("histogram %s has %d negative values", name, n)
		}
	}
}
