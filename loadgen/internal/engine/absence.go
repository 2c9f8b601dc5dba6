package engine

import (
	"math"
	"time"

	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
)

// joining is how long after the 101 answer a target has to make a member of a
// subscriber: what falls due later is expected again.
const joining = 100 * time.Millisecond

// never is an instant that does not come.
const never = math.MaxInt64

// An absence is a stretch for which a connection may not have been a member of
// its room. Only those that had one have an entry in the receiver's table.
type absence struct {
	left bool // by the plan's churn; else the target ended the connection
	// from is, by publisher of the room, the first sequence that it may miss.
	from []uint32
	// until: what is due then is expected again, CLOCK_MONOTONIC in
	// nanoseconds; never while it is away.
	until int64
	back  int64 // when one that left is to come back
}

// absent notes that a connection is no member any more.
func (r *receiver) absent(c *conn, a absence) {
	a.until = never
	r.away.absences[c.slot] = append(r.away.absences[c.slot], a)
}

// lastAbsence of a connection, nil if it had none.
func (r *receiver) lastAbsence(c *conn) *absence {
	all := r.away.absences[c.slot]
	if len(all) == 0 {
		return nil
	}
	return &all[len(all)-1]
}

// present notes that a connection is a member from an instant on.
func (r *receiver) present(c *conn, at int64) {
	if a := r.lastAbsence(c); a != nil {
		a.until = at
	}
}

// cellsOf is how many publishers' publications a connection receives.
func (r *receiver) cellsOf(c *conn) int {
	return cellsOf(r.reader.plan, r.share.Connections[r.index[c.slot]])
}

// publisher that a connection's cell is about.
func (r *receiver) publisherOf(c *conn, slot int) int {
	return int(c.room) + slot*r.reader.plan.Rooms()
}

// arrivedBefore is, by publisher, the first sequence behind all that arrived.
func (r *receiver) arrivedBefore(c *conn) (from []uint32) {
	for slot := range r.cellsOf(c) {
		from = append(from, r.account.Next(int(c.cell)+slot))
	}
	return from
}

// dueFrom is, by publisher, the first sequence that is due at an instant or
// later.
func (r *receiver) dueFrom(c *conn, at int64) (from []uint32) {
	for slot := range r.cellsOf(c) {
		from = append(from, r.sequenceAt(r.publisherOf(c, slot), at))
	}
	return from
}

// sequenceAt is a publisher's first sequence that is due at an instant or
// later. A closed loop has no due times, and its connections do not come back.
func (r *receiver) sequenceAt(publisher int, at int64) uint32 {
	p := r.reader.plan
	switch measure, warmUp := r.began[plan.Measure], r.began[plan.WarmUp]; {
	case at == never:
		return math.MaxUint32
	case measure != 0 && at >= measure:
		return uint32(p.DueBefore(plan.Measure, publisher, time.Duration(at-measure)))
	case warmUp != 0 && at >= warmUp:
		return uint32(p.DueBefore(plan.WarmUp, publisher, time.Duration(at-warmUp)))
	}
	return 0
}

// absencesOf are those of one cell of a connection, as the ledger has them.
func (r *receiver) absencesOf(c *conn, slot int) (list []ledger.Absence) {
	for _, a := range r.away.absences[c.slot] {
		end := r.sequenceAt(r.publisherOf(c, slot), a.until)
		list = append(list, ledger.Absence{
			Span: ledger.Span{First: a.from[slot], End: max(end, a.from[slot])},
			Left: a.left,
		})
	}
	return list
}
