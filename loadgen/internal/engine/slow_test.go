package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
	"fanbench/server/servertest"
)

// throttledOf is a fan-out of 100 KiB/s to each of 20 subscribers.
func throttledOf(t *testing.T, settings ...string) scenario.Scenario {
	t.Helper()
	s := scenarioOf(t, append([]string{"workload", "fanout", "connections", "20", "rooms", "1", "publishers", "2",
		"rate", "100/s", "size", "1KiB"}, settings...)...)
	s.Phases.Measure = time.Second
	return s
}

// throttledEngine runs it against the reference server, which closes whoever is
// 16 KiB behind and pings every 200 ms.
func throttledEngine(t *testing.T, s scenario.Scenario) (*Engine, *servertest.Server) {
	t.Helper()
	server := servertest.Start(t, servertest.Loops(1), servertest.MaxBacklog(16<<10), servertest.SndBuf(8<<10),
		servertest.PingInterval(200*time.Millisecond))
	config := configOf(t, s, 0, netip.MustParseAddrPort(server.Addr))
	config.Path = func(c plan.Connection) string {
		if c.Role == plan.Publisher {
			return fmt.Sprintf("/rooms/%d?self=0", c.Room)
		}
		return fmt.Sprintf("/rooms/%d", c.Room)
	}
	e := startEngine(t, config)
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	phase(t, plan.Measure, allDelivered, e)
	return e, server
}

// TestSlowReaders are closed as slow, in a bucket of their own; the others get
// all, and neither's deliveries are among the other's.
func TestSlowReaders(t *testing.T) {
	for _, pace := range []string{"10KiB/s", "0B/s"} {
		t.Run(pace, func(t *testing.T) {
			s := throttledOf(t, "slow.share", "10%", "slow.buffer", "4KiB", "slow.pace", pace)
			e, server := throttledEngine(t, s)
			eventually(t, "slow ones to be closed", func() bool { return server.Connections() == e.config.Plan.Connections()-2 })
			a := settle(e)[0]
			balanced(t, a)
			l := a.Ledger
			if l.Expected != 18*l.Sent || l.Lost != 0 || l.Delivered != l.Expected || a.ClosedByTarget != 0 {
				t.Errorf("ledger %+v, %d closed by the target", l, a.ClosedByTarget)
			}
			got := a.Slow
			if got.Subscribers != 2 || got.Ended != 2 || got.Expected != 2*l.Sent || got.Missing == 0 || got.Expected != got.Delivered+got.Missing {
				t.Errorf("slow %+v", got)
			}
			n := a.Histograms[SlowDelivery].Count()
			if n > int64(got.Delivered) || pace != "0B/s" && n == 0 || a.SlowExactStamps > uint64(n) {
				t.Errorf("%d delivery latencies of %d slow deliveries, %d exact", n, got.Delivered, a.SlowExactStamps)
			}
			wantFailure(t, a.Failures, bucketSlow, 2, "")
		})
	}
}

// TestSlowReadersOverTLS: the pace is kept under TLS too, where one read of the
// socket may hold several messages or none.
func TestSlowReadersOverTLS(t *testing.T) {
	theirs, ours := secured(t)
	// 100 KiB to each within a second: a slow one needs ten, and the target's
	// buffer holds what waits.
	s := throttledOf(t, "slow.share", "10%", "slow.buffer", "4KiB", "slow.pace", "10KiB/s")
	config := configOf(t, s, 0, startPeer(t, script{tls: theirs}).address())
	config.TLS = ours
	e := startEngine(t, config)
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	phase(t, plan.Measure, allDelivered, e)
	eventually(t, "a slow reader's delivery", func() bool {
		n := uint64(0)
		for _, r := range e.receivers {
			r.call(func() { n += r.slow.account.Counts().Delivered })
		}
		return n > 0
	})
	a := settle(e)[0]
	balanced(t, a)
	if l := a.Ledger; l.Expected != 18*l.Sent || l.Lost != 0 || l.Delivered != l.Expected || a.ClosedByTarget != 0 || len(a.Failures) != 0 {
		t.Errorf("ledger %+v, %d closed by the target, failures %+v", l, a.ClosedByTarget, a.Failures)
	}
	got := a.Slow
	if got.Subscribers != 2 || got.Ended != 0 || got.Expected != 2*a.Ledger.Sent || got.Delivered == 0 || got.Missing == 0 || got.Expected != got.Delivered+got.Missing {
		t.Errorf("slow %+v", got)
	}
	if n := a.Histograms[SlowDelivery].Count(); got.Duplicated+got.Reordered != 0 || n == 0 || n > int64(got.Delivered) {
		t.Errorf("slow %+v, %d latencies", got, n)
	}
}

// TestSilentPeers are found out by a target that pings.
func TestSilentPeers(t *testing.T) {
	s := throttledOf(t, "silent.share", "15%")
	s.Rate, s.Size = 20, 64
	e, _ := throttledEngine(t, s)
	eventually(t, "silent ones to be ended", func() bool { return e.Tick().Open == e.config.Plan.Connections()-3 })
	a := settle(e)[0]
	balanced(t, a)
	if l := a.Ledger; l.Expected != 17*l.Sent || l.Delivered != l.Expected || a.ClosedByTarget != 0 {
		t.Errorf("ledger %+v, %d closed by the target", l, a.ClosedByTarget)
	}
	if a.Silent != (result.Apart{Subscribers: 3, Ended: 3}) {
		t.Errorf("silent %+v", a.Silent)
	}
	wantFailure(t, a.Failures, bucketSilent, 3, "")
}

// TestPaceIsKept: a slow reader takes what its bucket holds and no more.
func TestPaceIsKept(t *testing.T) {
	r, c, there := openConn(t)
	c.marks = slow
	r.slow.pace = 1000
	r.slow.add(c.slot)
	r.slow.account, r.recorded = ledger.New(1), newHistograms(slowDelivery)
	if _, errno := send(int32(there), reads(r, glued)[0]); errno != 0 {
		t.Fatal(errno)
	}
	now := int64(1)
	for beat, want := range []uint64{0, 50, 100, 200, 300} {
		r.readSlowly(now)
		if r.counts.readBytes != want {
			t.Fatalf("beat %d: %d bytes read, want %d", beat, r.counts.readBytes, want)
		}
		if beat > 0 && r.stamped != shared { // with what was left
			t.Errorf("beat %d: the stamp of a part read is %d, want %d", beat, r.stamped, shared)
		}
		r.readSlowly(now + 1) // not yet
		now += int64(slowBeat)
		if beat >= 2 {
			now += int64(10 * slowBeat) // a stall saves up two beats, not ten
		}
	}
	r.slow.pace = 1e6
	if r.readSlowly(now); r.stamped != own {
		t.Errorf("the stamp of all that was left is %d, want %d", r.stamped, own)
	}
}
