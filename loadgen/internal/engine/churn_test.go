package engine

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/stamp"
	"fanbench/loadgen/scenario"
	"fanbench/server/frame"
)

// churningOf is a fan-out whose subscribers come and go for as long as measure.
func churningOf(t *testing.T, measure time.Duration) scenario.Scenario {
	t.Helper()
	s := scenarioOf(t, "workload", "fanout", "connections", "20", "rooms", "2", "publishers", "4",
		"rate", "400/s", "size", "128B", "churn.rate", "20/s")
	s.Phases.Measure, s.Loops = measure, 2
	return s
}

// numbered is pathOf with the connection's number in the plan.
func numbered(c plan.Connection) string { return fmt.Sprintf("%s?id=%d", pathOf(c), c.ID) }

// settledMembers waits until a run's publications have left, all that churn are
// back and no more than owed is outstanding, and settles: the account of all
// workers together, as far as the tests look at it.
func settledMembers(t *testing.T, owed *atomic.Int64, engines ...*Engine) (sum Account) {
	t.Helper()
	var closing []Closing
	for _, e := range engines {
		eventually(t, "publications to leave", e.Sent)
		eventually(t, "members to come back", func() bool { return e.Tick().Open == len(e.share.Connections) })
		closing = append(closing, e.Closing()...)
	}
	eventually(t, "deliveries", func() bool {
		var outstanding uint64
		for _, e := range engines {
			outstanding += e.Outstanding(closing)
		}
		return outstanding == uint64(owed.Load()) // not before the target has handled all
	})
	for i, a := range settle(engines...) {
		balanced(t, a)
		if i == 0 {
			sum = a
			continue
		}
		l, of := &sum.Ledger, &a.Ledger
		for _, c := range []struct{ sum, of *uint64 }{
			{&l.Planned, &of.Planned}, {&l.Sent, &of.Sent}, {&l.Unsent, &of.Unsent}, {&l.Expected, &of.Expected}, {&l.Delivered, &of.Delivered}, {&l.Lost, &of.Lost},
			{&l.LostUp, &of.LostUp}, {&l.LostDown, &of.LostDown}, {&l.Excluded, &of.Excluded},
			{&l.Duplicated, &of.Duplicated}, {&l.Reordered, &of.Reordered},
			{&sum.Left, &a.Left}, {&sum.Joined, &a.Joined}, {&sum.Reconnects, &a.Reconnects}, {&sum.FailedReturns, &a.FailedReturns},
		} {
			*c.sum += *c.of
		}
		sum.Failures = append(sum.Failures, a.Failures...)
	}
	return sum
}

// TestChurn: subscribers leave with 1000 and come back as new ones. What they
// missed meanwhile is excluded, nothing is lost and the two counts agree,
// however many workers share the plan.
func TestChurn(t *testing.T) {
	theirs, ours := secured(t)
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("ws, %d workers", workers), func(t *testing.T) { churns(t, workers, script{}, nil) })
		t.Run(fmt.Sprintf("wss, %d workers", workers), func(t *testing.T) { churns(t, workers, script{tls: theirs}, ours) })
	}
}

func churns(t *testing.T, workers int, behaviour script, over *TLS) {
	s := churningOf(t, 1500*time.Millisecond)
	s.Workers = workers
	target := startPeer(t, behaviour)
	var engines []*Engine
	for worker := range workers {
		config := configOf(t, s, worker, target.address())
		config.TLS = over
		if worker > 0 {
			config.Epoch = engines[0].config.Epoch
		}
		engines = append(engines, startEngine(t, config))
		ramped(t, engines[worker])
	}
	phase(t, plan.WarmUp, allDelivered, engines...)
	at := clock.Now()
	for _, e := range engines {
		e.Begin(plan.Measure, at)
	}
	a := settledMembers(t, new(atomic.Int64), engines...)
	balanced(t, a)
	l := a.Ledger
	sent := uint64(engines[0].config.Plan.Publications(plan.WarmUp) + engines[0].config.Plan.Publications(plan.Measure))
	if l.Sent != sent || l.Expected != 10*l.Sent || l.Lost != 0 || l.Excluded == 0 || l.Duplicated+l.Reordered != 0 || len(a.Failures) != 0 {
		t.Errorf("ledger %+v of %d publications, failures %+v", l, sent, a.Failures)
	}
	if a.Left == 0 || a.Left > uint64(s.Churns()) || a.Joined != a.Left || a.FailedReturns != 0 || a.Reconnects != 0 {
		t.Errorf("%d left of %d planned, %d joined, %d returns failed", a.Left, s.Churns(), a.Joined, a.FailedReturns)
	}
	var closes uint64
	target.each(func(c *peerConn) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, code := range c.closes {
			if code == ws.StatusNormalClosure {
				closes++
			}
		}
	})
	if closes != a.Left {
		t.Errorf("the target saw %d Close frames with 1000, want %d", closes, a.Left)
	}
}

// firstLeaves is when each connection leaves for the first time.
func firstLeaves(p *plan.Plan) map[string]time.Duration {
	first := map[string]time.Duration{}
	for k := range p.Churns() {
		id, leave, _ := p.Churn(k)
		if _, known := first[fmt.Sprint(id)]; !known {
			first[fmt.Sprint(id)] = leave
		}
	}
	return first
}

// dueOf is when a message's publication is due since the measured phase's start,
// and false for one of the warm-up.
func dueOf(p *plan.Plan, message []byte) (due time.Duration, measured bool) {
	s, verdict := stamp.Find(message)
	if verdict != stamp.Sound {
		return 0, false
	}
	overall := int(s.Sequence)*p.Publishers() + s.Publisher
	k := overall - p.Publications(plan.WarmUp)
	if k < 0 {
		return 0, false
	}
	return p.At(plan.Measure, k).Due, true
}

// TestChurnHidesNoLoss: what a target loses of members that leave later is lost
// to the last one, however often they leave.
func TestChurnHidesNoLoss(t *testing.T) {
	var swallowed atomic.Int64
	s := churningOf(t, 1500*time.Millisecond)
	p, err := plan.New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	leaves := firstLeaves(p)
	target := startPeer(t, script{swallow: func(member *peerConn, message []byte) bool {
		due, measured := dueOf(p, message)
		// Every seventh of those that are owed when the member leaves.
		if leave, leaver := leaves[member.id]; !leaver || !measured || due >= leave || due/time.Millisecond%7 != 0 {
			return false
		}
		swallowed.Add(1)
		return true
	}})
	config := configOf(t, s, 0, target.address())
	config.Path = numbered
	e := startEngine(t, config)
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	e.Begin(plan.Measure, e.config.Epoch)
	eventually(t, "publications to leave", e.Sent)
	a := settledMembers(t, &swallowed, e)
	lost := uint64(swallowed.Load())
	balanced(t, a)
	if l := a.Ledger; lost == 0 || l.Lost != lost || l.LostUp != lost || a.Left == 0 {
		t.Errorf("ledger %+v with %d swallowed, %d left", l, lost, a.Left)
	}
}

// TestForgottenMemberStays: a target that stops delivering to a member does not
// hide behind its leaving.
func TestForgottenMemberStays(t *testing.T) {
	var swallowed atomic.Int64
	s := churningOf(t, 1500*time.Millisecond)
	p, err := plan.New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	const since = 200 * time.Millisecond
	forgotten := ""
	for id, leave := range firstLeaves(p) {
		if leave > 2*since && (forgotten == "" || id < forgotten) {
			forgotten = id
		}
	}
	target := startPeer(t, script{swallow: func(member *peerConn, message []byte) bool {
		due, measured := dueOf(p, message)
		if !measured || due < since || member.id != forgotten {
			return false
		}
		swallowed.Add(1)
		return true
	}})
	config := configOf(t, s, 0, target.address())
	config.Path = numbered
	e := startEngine(t, config)
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	e.Begin(plan.Measure, e.config.Epoch)
	eventually(t, "publications to leave", e.Sent)
	a := settledMembers(t, &swallowed, e)
	lost := uint64(swallowed.Load())
	balanced(t, a)
	if l := a.Ledger; lost == 0 || l.LostUp != lost || l.LostDown != 0 || a.Left == 0 {
		t.Errorf("ledger %+v with %d swallowed of connection %s", l, lost, forgotten)
	}
}

// TestLeavingStepByStep drives one subscriber through the closing handshake:
// what arrives before the target's Close frame is delivered.
func TestLeavingStepByStep(t *testing.T) {
	r, c, there := openConn(t)
	batches := reads(r, 1)
	r.ending = false
	r.began[plan.Measure] = 1
	r.churn = &churn{plan: r.reader.plan, at: 1}
	leaver := leaver{slot: c.slot, generation: c.generation, owed: r.dueFrom(c, 1+int64(3*time.Millisecond)), back: 1}
	if leaver.owed[0] != 3 {
		t.Fatalf("owed before 3 ms: %d publications, want 3", leaver.owed[0])
	}
	r.churn.leavers = append(r.churn.leavers, leaver)
	r.arrive(c, batches[0])
	r.arrive(c, batches[1])
	if r.advanceChurn(1); c.state != open {
		t.Fatal("left without what it is owed")
	}
	r.arrive(c, batches[2])
	r.advanceChurn(1)
	if c.state != leaving || r.counts.left != 1 || len(r.churn.leavers) != 0 {
		t.Fatalf("state %d, %d left", c.state, r.counts.left)
	}
	var parser frame.Parser
	m, _, ok, err := parser.Next(&frame.Config{}, readAll(there))
	if code, _, _ := frame.ParseClose(m.Payload); !ok || err != nil || m.Op != ws.OpClose || code != ws.StatusNormalClosure {
		t.Fatalf("wrote %v with %d, want a Close frame with 1000", m.Op, code)
	}
	r.arrive(c, append(batches[3], frame.AppendClose(nil, ws.StatusNormalClosure, "")...))
	r.arrive(c, batches[4])
	if got := r.account.Counts().Delivered; c.state != departed || got != 4 || len(r.failures) != 0 {
		t.Fatalf("state %d, %d delivered, failures %+v", c.state, got, r.failures)
	}
	r.lose(c, 0)
	if c.fd != gone || r.nextReturn() < 0 {
		t.Errorf("descriptor %d, next return %d", c.fd, r.nextReturn())
	}
}

// TestUnansweredClose: a target that does not answer a Close frame is counted,
// and its subscriber comes back all the same.
func TestUnansweredClose(t *testing.T) {
	r, c, _ := openConn(t)
	r.ending = false
	r.churn = &churn{plan: r.reader.plan, at: 1}
	r.goAway(c, leaver{slot: c.slot, owed: []uint32{0}, back: 1})
	r.expireParting(r.parting[0].until)
	if c.fd != gone || r.nextReturn() < 0 {
		t.Errorf("descriptor %d, next return %d", c.fd, r.nextReturn())
	}
	wantFailure(t, r.failures, bucketCloseTimeout, 1, "5s")
}

// TestStaleEvent: an event of a descriptor that is closed does not reach the one
// that has its place.
func TestStaleEvent(t *testing.T) {
	r, c, there := openConn(t)
	if err := unix.Shutdown(there, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	old := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: c.slot, Pad: int32(c.generation)}
	c.generation++
	if r.event(old); c.state != open || c.fd == gone {
		t.Fatalf("state %d, descriptor %d", c.state, c.fd)
	}
	old.Pad = int32(c.generation)
	eventually(t, "the end", func() bool { r.event(old); return c.fd == gone })
}

// TestReturnRefused: a subscriber that left and is not let in again misses what
// follows through the target.
func TestReturnRefused(t *testing.T) {
	var gone atomic.Bool
	s := churningOf(t, 1500*time.Millisecond)
	target := startPeer(t, script{answer: func(key string) []byte {
		if gone.Load() {
			return []byte("HTTP/1.1 503 Service Unavailable\r\n\r\n")
		}
		return switching(key)
	}})
	e := startEngine(t, configOf(t, s, 0, target.address()))
	ramped(t, e)
	gone.Store(true)
	phase(t, plan.WarmUp, allDelivered, e)
	e.Begin(plan.Measure, e.config.Epoch)
	eventually(t, "publications to leave", e.Sent)
	eventually(t, "deliveries", func() bool { return e.Outstanding(e.Closing()) == 0 && e.Tick().Away == 0 })
	a := settle(e)[0]
	balanced(t, a)
	l := a.Ledger
	if l.LostUp != 0 || l.LostDown == 0 || l.Excluded == 0 || a.Joined != 0 || a.FailedReturns != a.Left {
		t.Errorf("ledger %+v, %d left, %d joined, %d returns failed", l, a.Left, a.Joined, a.FailedReturns)
	}
	if len(a.Failures) != 1 || !strings.Contains(a.Failures[0].First, "503") {
		t.Errorf("failures %+v", a.Failures)
	}
}
