package engine

import (
	"runtime/debug"
	"slices"
	"time"

	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
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
	t := Tick{Delivery: e.interval[delivery], ReadLag: e.interval[readLag], SendLag: e.interval[sendLag]}
	for _, one := range e.gather(e.interval) {
		t.Open += int(one.arrivals.open)
		t.Failed += int(one.arrivals.failed)
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
	return t
}

// Settle closes the account, once the drain is over. closing has the counts of
// every worker's publishers. What came of a publisher that is not among them,
// because its worker was lost, counts as expected as far as it arrived.
func (e *Engine) Settle(closing []Closing) Account {
	e.mu.Lock()
	defer e.mu.Unlock()
	sent := make([]uint64, e.config.Plan.Publishers())
	for i := range sent {
		sent[i] = unknownClosing
	}
	for _, c := range closing {
		if c.Publisher >= 0 && c.Publisher < len(sent) {
			sent[c.Publisher] = c.WarmUp + c.Measure
		}
	}

	var a Account
	agree := true
	records := make([]record, e.timetable.total)
	var all failures
	readings := e.gather(nil)
	for i, r := range e.receivers {
		r.call(func() {
			agree = r.settle(sent, &a) && agree
			all.merge(r.failures...)
			mergeRecords(records, r.records)
			a.LoopCPU = append(a.LoopCPU, readings[i].cpu-r.atBegin)
		})
	}
	e.sender.call(func() {
		a.SenderPriority = e.sender.raised
		a.LoopCPU = append(a.LoopCPU, readings[len(readings)-1].cpu-e.sender.atBegin)
	})
	a.Failures = all.sorted()
	a.Ledger.GapsAgree = agree
	a.Histograms = e.totals.named()
	a.Publications = e.publications(records)
	e.countDepartures(&a, readings)
	e.countPauses(&a)
	return a
}

// unknownClosing stands for the count of a publisher whose worker was lost.
const unknownClosing = 1<<64 - 1

// settle adds a receiver's part of the account and reports whether the two
// counts of what was lost agree.
func (r *receiver) settle(sent []uint64, a *Account) (agree bool) {
	l := &a.Ledger
	counts, p := r.account.Counts(), r.reader.plan
	var expected, lost, surplus uint64
	for i := range r.conns {
		c := &r.conns[i]
		if c.state != open && c.state != departed {
			continue // never a member
		}
		for slot := range cellsOf(p, r.share.Connections[r.index[i]]) {
			cell := int(c.cell) + slot
			due := sent[int(c.room)+slot*p.Rooms()]
			if due == unknownClosing {
				due = r.account.Next(cell)
			}
			missed, beyond := r.account.Settle(cell, due)
			expected, lost, surplus = expected+due, lost+missed, surplus+beyond
			if c.state == open {
				l.LostUp += missed
			} else {
				l.LostDown += missed
			}
		}
	}
	l.Expected += expected
	l.Lost += lost
	l.Delivered += counts.Delivered
	l.Reordered += counts.Reordered
	l.Duplicated += counts.Duplicated
	l.Late += counts.Late
	r.counts.add(a)
	a.ClockSteps = max(a.ClockSteps, r.wall.Steps())
	return surplus == 0 && expected-counts.Delivered == lost
}

// add adds a receiver's counters to the account.
func (n arrivals) add(a *Account) {
	a.Ledger.Corrupt += n.corrupt
	a.Ledger.Misrouted += n.misrouted
	a.Ledger.Foreign += n.foreign
	a.Ledger.Unknown += n.unknown
	a.Ledger.MeasuredDelivered += n.measured
	a.ClosedByTarget += n.byTarget
	a.ExactStamps += n.exact
	a.BoundStamps += n.bound
	a.MissingStamps += n.missing
	a.ClampedStamps += n.clamped
	a.FilledBuffers += n.filled
	a.FilledConnections += n.filledConns
	a.Reads += n.reads
	a.ReadBytes += n.readBytes
	a.ToPublishers += n.toPublishers
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

func mergeRecords(sum, more []record) {
	for i, m := range more {
		s := &sum[i]
		switch {
		case m.count == 0:
		case s.count == 0:
			*s = m
		default:
			*s = record{min(s.first, m.first), max(s.last, m.last), s.count + m.count}
		}
	}
}

// publications lists what arrived of a fan-out.
func (e *Engine) publications(records []record) []PublicationRecord {
	if e.config.Plan.Scenario().Workload != scenario.Fanout {
		return nil
	}
	var list []PublicationRecord
	for publisher, start := range e.timetable.records {
		n := int32(e.timetable.limit[publisher] - e.timetable.first[publisher])
		for i, rec := range records[start : start+n] {
			if rec.count > 0 {
				list = append(list, PublicationRecord{
					Publisher: publisher, Sequence: uint64(e.timetable.first[publisher]) + uint64(i),
					First: rec.first, Last: rec.last, Count: rec.count,
				})
			}
		}
	}
	return list
}
