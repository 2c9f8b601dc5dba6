package engine

import (
	"math"
	"runtime/debug"
	"slices"
	"time"

	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/result"
)

// reading is what one thread shows of itself: its counters as they stand, and
// the histograms that it gave away.
type reading struct {
	arrivals   arrivals
	deliveries ledger.Counts
	missing    uint64
	departures departures
	cpu        time.Duration
}

// gather reads every thread, receivers first, then the sender. What they have
// recorded since the last time is added to the totals and, if that is not nil,
// to interval. The lock is held.
func (e *Engine) gather(interval *histograms) []reading {
	var readings []reading
	for _, r := range e.receivers {
		var now reading
		r.call(func() {
			now = reading{arrivals: r.counts, deliveries: r.account.Counts(), missing: r.account.Missing(), cpu: cpu()}
			r.recorded, e.spare = e.spare, r.recorded
			if r.window != nil {
				now.departures = r.window.counts
				r.window.recorded, e.spareSends = e.spareSends, r.window.recorded
			}
		})
		e.spare = e.absorb(e.spare, interval)
		e.spareSends = e.absorb(e.spareSends, interval)
		readings = append(readings, now)
	}
	var now reading
	e.sender.call(func() {
		now = reading{departures: e.sender.counts, cpu: cpu()}
		e.sender.recorded, e.spareSends = e.spareSends, e.sender.recorded
	})
	e.spareSends = e.absorb(e.spareSends, interval)
	return append(readings, now)
}

// absorb adds a thread's recordings and returns them emptied.
func (e *Engine) absorb(handed, interval *histograms) *histograms {
	e.totals.merge(handed)
	if interval != nil {
		interval.merge(handed)
	}
	handed.reset()
	return handed
}

// Tick reads the engine as it runs. The histograms in it hold until the next
// Tick.
func (e *Engine) Tick() Tick {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.interval.reset()
	var t Tick
	for _, one := range e.gather(e.interval) {
		t.Open += int(one.arrivals.open)
		t.Failed += int(one.arrivals.failed)
		t.Away += int(one.arrivals.away)
		t.Closed += one.arrivals.closed
		t.Sent += one.departures.sent
		t.Unsent += one.departures.unsent
		t.Expected += one.departures.expected
		t.Delivered += one.deliveries.Delivered
		t.Duplicated += one.deliveries.Duplicated
		t.Reordered += one.deliveries.Reordered
		t.Missing += one.missing
		t.Corrupt += one.arrivals.corrupt
		t.Misrouted += one.arrivals.misrouted
		t.Loops = append(t.Loops, one.cpu)
	}
	t.RunDelays = e.runDelays()
	t.Histograms = e.interval.recorded()
	return t
}

// Settle closes the account, once the drain is over. closing has the counts of
// every worker's publishers. What came of a publisher that is not among them,
// because its worker was lost, counts as expected as far as it arrived.
func (e *Engine) Settle(closing []Closing) Account {
	e.release()
	e.mu.Lock()
	defer e.mu.Unlock()
	sent := e.sequences(closing)
	var a Account
	agree := true
	readings := e.gather(nil)
	for i, r := range e.receivers {
		r.call(func() {
			agree = r.settle(sent, &a) && agree
			a.Failures = result.AddFailures(a.Failures, r.failures...)
			r.settled = true
			a.LoopCPU = append(a.LoopCPU, readings[i].cpu-r.atBegin)
		})
	}
	e.sender.call(func() {
		a.SenderScheduling = e.sender.before.way
		a.LoopCPU = append(a.LoopCPU, readings[len(readings)-1].cpu-e.sender.atBegin)
	})
	a.Ledger.GapsAgree = agree
	a.Histograms = e.totals.named()
	e.countDepartures(&a, readings)
	e.countPauses(&a)
	return a
}

// unknownClosing stands for the count of a publisher whose worker was lost.
var unknownClosing = ledger.Closing{End: math.MaxUint32}

// sequences are the closing counts by publisher.
func (e *Engine) sequences(closing []Closing) []ledger.Closing {
	sent := make([]ledger.Closing, e.config.Plan.Publishers())
	for i := range sent {
		sent[i] = unknownClosing
	}
	for _, c := range closing {
		if c.Publisher >= 0 && c.Publisher < len(sent) {
			sent[c.Publisher] = c.sequences()
		}
	}
	return sent
}

// closingOf is the closing count for a connection's cell of an account.
func (r *receiver) closingOf(account *ledger.Ledger, c *conn, slot int, sent []ledger.Closing) ledger.Closing {
	closing := sent[r.publisherOf(c, slot)]
	if closing.End == unknownClosing.End {
		closing.End = account.Next(int(c.cell) + slot)
	}
	return closing
}

// settle adds a receiver's part of the account and reports whether the two
// counts of what was missed agree.
func (r *receiver) settle(sent []ledger.Closing, a *Account) (agree bool) {
	l := &a.Ledger
	counts := r.account.Counts()
	expected, missed := r.balance(sent)
	l.Expected += expected
	l.LostUp += missed.Up
	l.LostDown += missed.Down
	l.Lost += missed.Up + missed.Down
	l.Excluded += missed.Excluded
	l.Delivered += counts.Delivered
	l.Reordered += counts.Reordered
	l.Duplicated += counts.Duplicated
	l.Late += counts.Late
	r.counts.add(a)
	r.settleApart(sent, a)
	a.Outages = append(a.Outages, r.away.recorded...)
	a.Lost += uint64(len(r.away.outages))
	a.ClockSteps = max(a.ClockSteps, r.wall.Steps())
	return missed.Surplus == 0 && expected-counts.Delivered == missed.Up+missed.Down+missed.Excluded
}

// balance counts what each connection that was ever a member is short of.
func (r *receiver) balance(sent []ledger.Closing) (expected uint64, missed ledger.Settlement) {
	for i := range r.conns {
		c := &r.conns[i]
		if c.marks&joined == 0 || c.marks&apart != 0 {
			continue
		}
		for slot := range r.cellsOf(c) {
			closing := r.closingOf(r.account, c, slot, sent)
			s := r.account.Settle(int(c.cell)+slot, closing, r.absencesOf(c, slot))
			expected += closing.Sent()
			missed.Up += s.Up
			missed.Down += s.Down
			missed.Excluded += s.Excluded
			missed.Surplus += s.Surplus
		}
	}
	return expected, missed
}

// Outstanding is how many deliveries are still expected of what the closing
// counts say was sent: those that no absence accounts for.
func (e *Engine) Outstanding(closing []Closing) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	sent := e.sequences(closing)
	var sum uint64
	for _, r := range e.receivers {
		r.call(func() {
			_, missed := r.balance(sent)
			sum += missed.Up
		})
	}
	return sum
}

// add adds a receiver's counters to the account.
func (n arrivals) add(a *Account) {
	a.Ledger.Corrupt += n.corrupt
	a.Ledger.Misrouted += n.misrouted
	a.Ledger.Foreign += n.foreign
	a.Ledger.Unknown += n.unknown
	a.Ledger.MeasuredDelivered += n.measured
	a.ClosedByTarget += n.byTarget
	a.Left += n.left
	a.Joined += n.returned
	a.Reconnects += n.reconnected
	a.FailedReturns += n.notReturned
	a.ExactStamps += n.exact
	a.BoundStamps += n.bound
	a.MissingStamps += n.missing
	a.ClampedStamps += n.clamped
	a.SlowExactStamps += n.slowExact
	a.FilledBuffers += n.filled
	a.FilledConnections += n.filledConns
	a.Reads += n.reads
	a.ReadBytes += n.readBytes
	a.ToPublishers += n.toPublishers
	a.Glued += n.glued
	if n.firstAt != 0 && (a.FirstArrival == 0 || n.firstAt < a.FirstArrival) {
		a.FirstArrival = n.firstAt
	}
	a.LastArrival = max(a.LastArrival, n.finalAt)
}

// countDepartures accounts for this worker's publications: planned by the
// timetable, or in a closed loop whatever was begun.
func (e *Engine) countDepartures(a *Account, readings []reading) {
	l := &a.Ledger
	for _, one := range readings {
		l.Sent += one.departures.sent
		l.Unsent += one.departures.unsent
		l.MeasuredSent += one.departures.measuredSent
	}
	if closedLoop(e.config.Plan) {
		l.Planned = l.Sent + l.Unsent
		l.MeasuredPlanned = l.MeasuredSent
		return
	}
	l.MeasuredPlanned = uint64(e.share.Publications(plan.Measure))
	l.Planned = uint64(e.share.Publications(plan.WarmUp)) + l.MeasuredPlanned
	l.Unsent = l.Planned - l.Sent
}

func (e *Engine) countPauses(a *Account) {
	var now debug.GCStats
	debug.ReadGCStats(&now)
	a.GCPauses = now.NumGC - e.pauses.NumGC
	a.GCPauseTotal = now.PauseTotal - e.pauses.PauseTotal
	if n := min(int(a.GCPauses), len(now.Pause)); n > 0 { // the most recent stand first
		a.GCPauseMax = slices.Max(now.Pause[:n])
	}
}

// Records are what this worker's subscribers received of the publications from
// to to−1 of a fan-out's measured phase. They are final after Settle.
func (e *Engine) Records(from, to int) []PublicationRecord {
	sum := make([]PublicationRecord, to-from)
	for _, r := range e.receivers {
		r.call(func() { MergeRecords(sum, r.records[from:to]) })
	}
	return sum
}

// MergeRecords adds others' records of the same publications to sum.
func MergeRecords(sum, more []PublicationRecord) {
	for i, m := range more {
		s := &sum[i]
		switch {
		case m.Count == 0:
		case s.Count == 0:
			*s = m
		default:
			*s = PublicationRecord{min(s.First, m.First), Middle(s.Middle, m.Middle, s.Count, m.Count), max(s.Last, m.Last), s.Count + m.Count}
		}
	}
}

// Middle puts two groups' middle deliveries together, see
// [PublicationRecord]; 0 stands for a group of which less than half arrived.
func Middle(a, b int64, arrivedA, arrivedB uint32) int64 {
	switch {
	case a == 0:
		return b
	case b == 0:
		return a
	}
	share := float64(arrivedB) / float64(arrivedA+arrivedB)
	return a + int64(float64(b-a)*share)
}
