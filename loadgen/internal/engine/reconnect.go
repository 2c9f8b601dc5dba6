package engine

import (
	"container/heap"
	"math/bits"
	"math/rand/v2"
	"time"

	"fanbench/loadgen/internal/clock"
)

// away is about a receiver's connections that have been open and are not, or
// were not for a time. Those that stay open from the ramp to the end cost
// nothing here.
type away struct {
	first, most time.Duration // of the back-off; most 0: nobody reconnects
	jitter      *rand.PCG

	absences map[int32][]absence // by slot, oldest first
	outages  map[int32]outage    // by slot: ended by the target, and not open again
	returns  returns

	since    int64 // when the first of the outages under way began
	recorded []Outage
}

// An outage is a connection's, from its loss to its being open again.
type outage struct {
	since    int64
	attempts int // that have failed
}

func newAway(c Config, number int) away {
	s := c.Plan.Scenario()
	return away{
		first: s.Reconnect.First, most: s.Reconnect.Most,
		jitter:   rand.NewPCG(c.Plan.Seed(), uint64(c.Worker)<<32|uint64(number)),
		absences: map[int32][]absence{},
		outages:  map[int32]outage{},
	}
}

// backOff draws how long to wait before an attempt, when so many have failed:
// full jitter, which spreads those that were lost at one instant best. random
// is uniform over all its values.
func backOff(first, most time.Duration, failed int, random uint64) time.Duration {
	ceiling := most
	if failed < 32 && first < most>>failed {
		ceiling = first << failed
	}
	wait, _ := bits.Mul64(random, uint64(ceiling))
	return time.Duration(wait)
}

// dropped takes the news that a connection has ended which was to stay open.
func (r *receiver) dropped(c *conn) {
	if r.ending || r.mirror != nil || c.marks&apart != 0 {
		return
	}
	if n := r.cellsOf(c); n > 0 {
		r.absent(c, absence{from: r.arrivedBefore(c)})
	}
	r.lost(c, clock.Now())
}

// lost begins an outage, if connections come back from one.
func (r *receiver) lost(c *conn, now int64) {
	if r.away.most == 0 {
		return
	}
	if len(r.away.outages) == 0 {
		r.away.since = now
	}
	r.away.outages[c.slot] = outage{since: now}
}

// vacated has a connection come back whose descriptor is closed.
func (r *receiver) vacated(c *conn) {
	if r.ending || r.mirror != nil {
		return
	}
	if _, lost := r.away.outages[c.slot]; lost {
		r.retry(c)
	} else if a := r.lastAbsence(c); a != nil && a.left {
		heap.Push(&r.away.returns, comeback{max(a.back, clock.Now()), c.slot})
	}
}

// retry has a connection attempt to come back after its back-off.
func (r *receiver) retry(c *conn) {
	a := &r.away
	wait := backOff(a.first, a.most, a.outages[c.slot].attempts, a.jitter.Uint64())
	heap.Push(&a.returns, comeback{clock.Now() + int64(wait), c.slot})
}

// stayedAway takes the news that a connection could not come back. For one that
// had left by its own will the target's part begins here.
func (r *receiver) stayedAway(c *conn) {
	if r.ending {
		return
	}
	r.counts.notReturned++
	o, lost := r.away.outages[c.slot]
	if !lost {
		r.counts.away--
		now := clock.Now()
		r.present(c, now)
		r.absent(c, absence{from: r.dueFrom(c, now)})
		r.lost(c, now)
		if r.away.most == 0 {
			return
		}
		o = r.away.outages[c.slot]
	}
	o.attempts++
	r.away.outages[c.slot] = o
	r.retry(c)
}

// rejoined takes the news that a connection is open again.
func (r *receiver) rejoined(c *conn) {
	r.present(c, r.at+int64(joining))
	o, lost := r.away.outages[c.slot]
	if !lost {
		r.counts.returned++
		r.counts.away--
		return
	}
	r.counts.reconnected++
	r.recorded.record(recovery, r.at-o.since)
	delete(r.away.outages, c.slot)
	if len(r.away.outages) == 0 {
		r.away.recorded = append(r.away.recorded, Outage{From: r.away.since, To: r.at})
	}
}

// comeBack begins what may begin of the connections whose time has come.
func (r *receiver) comeBack(now int64) {
	for n := 0; n < burst && r.nextReturn() >= 0 && r.away.returns[0].at <= now; n++ {
		next := heap.Pop(&r.away.returns).(comeback)
		r.connect(int(next.slot))
	}
}

// nextReturn is when comeBack has something to begin, -1 for not before an
// event.
func (r *receiver) nextReturn() int64 {
	if len(r.away.returns) == 0 || r.dialer.full() {
		return -1
	}
	return r.away.returns[0].at
}

// A comeback is when a connection is to be opened again.
type comeback struct {
	at   int64 // CLOCK_MONOTONIC, nanoseconds
	slot int32
}

// returns is a heap, the earliest first.
type returns []comeback

func (r returns) Len() int           { return len(r) }
func (r returns) Less(i, j int) bool { return r[i].at < r[j].at }
func (r returns) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *returns) Push(x any)        { *r = append(*r, x.(comeback)) }

func (r *returns) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}
