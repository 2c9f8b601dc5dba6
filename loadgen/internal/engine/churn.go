package engine

import (
	"time"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/plan"
)

// patienceBeat is how often one that is about to leave is asked whether it has
// everything.
const patienceBeat = 2 * time.Millisecond

// churn has a receiver's subscribers leave and come back, on the plan's
// timetable.
//
// A subscriber leaves in two steps, so that nothing hides in what is excluded.
// When its time comes, all that is due until then is owed to it, and it stays a
// member until something has arrived of each publisher as late as that: for
// good, if the target has forgotten it. Then it writes its Close frame. What was
// owed and never came is lost; what is due between the first step and its return
// is excluded unless it arrives.
type churn struct {
	plan    *plan.Plan
	at      int64 // the measured phase's start, CLOCK_MONOTONIC in nanoseconds
	next    int   // entry of the plan's timetable
	asked   int64 // when the leavers were asked last
	leavers []leaver
}

// A leaver is a subscriber between the two steps.
type leaver struct {
	slot       int32
	generation uint32
	owed       []uint32 // by publisher: the first sequence that is not
	back       int64
}

func newChurn(p *plan.Plan, at int64) *churn {
	if p.Churns() == 0 {
		return nil
	}
	return &churn{plan: p, at: at}
}

// nextLeave is when advanceChurn has something to do, -1 for never.
func (r *receiver) nextLeave() int64 {
	ch := r.churn
	next := int64(-1)
	if ch.next < ch.plan.Churns() {
		_, leave, _ := ch.plan.Churn(ch.next)
		next = ch.at + int64(leave)
	}
	if len(ch.leavers) > 0 {
		next = earliest(next, ch.asked+int64(patienceBeat))
	}
	return next
}

// advanceChurn takes both steps for those whose time has come.
func (r *receiver) advanceChurn(now int64) {
	ch := r.churn
	for ; ch.next < ch.plan.Churns(); ch.next++ {
		id, leave, back := ch.plan.Churn(ch.next)
		if ch.at+int64(leave) > now {
			break
		}
		// One that is away leaves nobody.
		if c := r.subscriber(id); c != nil && c.state == open {
			ch.leavers = append(ch.leavers, leaver{
				slot: c.slot, generation: c.generation, owed: r.dueFrom(c, now), back: ch.at + int64(back),
			})
		}
	}
	ch.asked = now
	staying := ch.leavers[:0]
	for _, l := range ch.leavers {
		c := &r.conns[l.slot]
		switch {
		case c.generation != l.generation || c.state != open: // ended meanwhile
		case !r.hasReceived(c, l.owed):
			staying = append(staying, l)
		default:
			r.goAway(c, l)
		}
	}
	ch.leavers = staying
}

// subscriber finds the connection of a plan's number, nil if it is not this
// receiver's.
func (r *receiver) subscriber(id int) *conn {
	i := id - r.share.Connections[0].ID // subscribers stand first, in one block
	if i < 0 || i%r.several != r.number || i/r.several >= len(r.conns) {
		return nil
	}
	if c := &r.conns[i/r.several]; r.share.Connections[i].ID == id {
		return c
	}
	return nil
}

// hasReceived: something has arrived of each publisher as late as all that is
// owed.
func (r *receiver) hasReceived(c *conn, owed []uint32) bool {
	for slot, end := range owed {
		if r.account.Next(int(c.cell)+slot) < end {
			return false
		}
	}
	return true
}

// goAway begins the closing handshake of one that leaves.
func (r *receiver) goAway(c *conn, l leaver) {
	r.absent(c, absence{left: true, from: l.owed, back: l.back})
	r.counts.open--
	r.counts.closed++
	r.counts.left++
	r.counts.away++
	c.state = leaving
	r.sayClose(c, ws.StatusNormalClosure)
}
