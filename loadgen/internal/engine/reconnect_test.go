package engine

import (
	"crypto/tls"
	"math"
	"net"
	"testing"
	"time"

	"fanbench/loadgen/internal/plan"
)

func TestBackOff(t *testing.T) {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	for _, c := range []struct {
		failed  int
		ceiling time.Duration
	}{
		{0, first}, {1, 2 * first}, {2, 4 * first}, {5, 32 * first}, {6, most}, {31, most}, {32, most}, {1000, most},
	} {
		for random, want := range map[uint64]time.Duration{0: 0, 1 << 63: c.ceiling / 2, math.MaxUint64: c.ceiling - 1} {
			if got := backOff(first, most, c.failed, random); got != want {
				t.Errorf("after %d failures, random %#x: %v, want %v", c.failed, random, got, want)
			}
		}
	}
	if got := backOff(time.Second, time.Second, 0, math.MaxUint64); got != time.Second-1 {
		t.Errorf("with first equal to most: %v", got)
	}
}

// restart ends a peer and all its connections as a crash does, and starts
// another in its place.
func (p *peer) restart(t *testing.T, s script) *peer {
	t.Helper()
	address := p.listener.Addr().String()
	p.stop()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if s.tls != nil {
		listener = tls.NewListener(listener, s.tls)
	}
	next := &peer{listener: listener, script: s, rooms: map[string][]*peerConn{}}
	next.wait.Go(next.accept)
	t.Cleanup(next.stop)
	return next
}

// TestReconnect: the target is away for a while. All come back, publishers too;
// what was sent and not received is lost while down, what could not be sent is
// unsent, and nothing is lost while up.
func TestReconnect(t *testing.T) {
	t.Run("ws", func(t *testing.T) { reconnects(t, script{}, nil) })
	t.Run("wss", func(t *testing.T) {
		theirs, ours := secured(t)
		reconnects(t, script{tls: theirs}, ours)
	})
}

func reconnects(t *testing.T, behaviour script, over *TLS) {
	s := scenarioOf(t, "workload", "fanout", "connections", "20", "rooms", "2", "publishers", "4", "rate", "400/s", "size", "128B",
		"reconnect.first", "20ms", "reconnect.most", "100ms")
	s.Phases.Measure, s.Loops = 1500*time.Millisecond, 2
	target := startPeer(t, behaviour)
	config := configOf(t, s, 0, target.address())
	config.TLS = over
	e := startEngine(t, config)
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	e.Begin(plan.Measure, e.config.Epoch)
	all := e.config.Plan.Connections()
	eventually(t, "deliveries", func() bool { return e.Tick().Delivered > 1000 })
	target.stop()
	eventually(t, "failed returns", func() bool { return settle(e)[0].FailedReturns > 20 })
	target.restart(t, behaviour)
	eventually(t, "all to come back", func() bool { return e.Tick().Open == all })
	eventually(t, "publications to leave", e.Sent)
	eventually(t, "deliveries", func() bool { return e.Outstanding(e.Closing()) == 0 })
	closing := e.Closing()
	a := e.Settle(closing)
	balanced(t, a)
	l := a.Ledger
	if l.Expected != 10*l.Sent || l.LostUp != 0 || l.Excluded != 0 || l.Lost != l.LostDown || l.Duplicated+l.Reordered != 0 {
		t.Errorf("ledger %+v", l)
	}
	if l.Unsent == 0 || len(closing[0].Holes) == 0 {
		t.Errorf("%d unsent, closing counts %+v", l.Unsent, closing)
	}
	if int(a.Reconnects) < all || a.Lost != 0 || len(a.Outages) != 2 || a.Histograms[Recovery].Count() != int64(a.Reconnects) {
		t.Errorf("%d reconnects of %d, %d lost, outages %+v, %d recoveries", a.Reconnects, all, a.Lost, a.Outages, a.Histograms[Recovery].Count())
	}
	for _, o := range a.Outages {
		if o.To <= o.From {
			t.Errorf("outage %+v", o)
		}
	}
}

// TestNoReconnect: without a back-off nobody comes back.
func TestNoReconnect(t *testing.T) {
	target := startPeer(t, script{})
	e := startEngine(t, configOf(t, fanoutOf(t, 5, 1, 1), 0, target.address()))
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	target.restart(t, script{})
	eventually(t, "the end of all", func() bool { return e.Tick().Closed == 6 })
	e.Begin(plan.Measure, e.config.Epoch)
	eventually(t, "publications to be given up", e.Sent)
	a := settle(e)[0]
	balanced(t, a)
	if a.Ledger.Sent != 50 || a.Ledger.Unsent != 100 || a.Reconnects+a.FailedReturns != 0 || a.Lost != 0 || len(a.Outages) != 0 {
		t.Errorf("%+v", a)
	}
}
