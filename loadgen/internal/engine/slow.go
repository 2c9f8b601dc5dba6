package engine

import (
	"time"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/ledger"
)

const (
	// slowBeat is the time between two reads of a slow subscriber.
	slowBeat = 50 * time.Millisecond
	// releaseTime is how long the ends of released connections have to arrive.
	releaseTime = 250 * time.Millisecond
)

// slowReaders are a receiver's subscribers that read at the scenario's pace. A
// small receive buffer and a paced reader are what a target sees of a thin link
// or a busy machine: its own buffers fill.
type slowReaders struct {
	pace    float64 // bytes per second
	readers []slowReader
	next    int64 // beat, CLOCK_MONOTONIC in nanoseconds
	last    int64 // beat; 0 before the first
	account *ledger.Ledger

	released bool // reads like all others, and nothing counts
}

// A slowReader is a token bucket of bytes, as deep as two beats fill it.
type slowReader struct {
	slot   int32
	tokens float64
}

// add has a connection read at the pace; at pace 0 it does not read at all.
func (s *slowReaders) add(slot int32) {
	if s.pace > 0 {
		s.readers = append(s.readers, slowReader{slot: slot})
	}
}

// readSlowly lets each slow subscriber read what it may, once a beat.
func (r *receiver) readSlowly(now int64) {
	s := &r.slow
	if now < s.next {
		return
	}
	gained := 0.0
	if s.last > 0 {
		gained = s.pace * time.Duration(now-s.last).Seconds()
	}
	s.last, s.next = now, now+int64(slowBeat)
	deepest := max(1, 2*s.pace*slowBeat.Seconds())
	for i := range s.readers {
		reader := &s.readers[i]
		reader.tokens = min(deepest, reader.tokens+gained)
		if c := &r.conns[reader.slot]; c.state == open && reader.tokens >= 1 {
			reader.tokens -= float64(r.readAtMost(c, int(reader.tokens)))
		}
	}
}

// readAtMost reads so many bytes of a connection, or less.
func (r *receiver) readAtMost(c *conn, bytes int) int {
	r.inlet.vector.SetLen(min(bytes, len(r.inlet.buffer)))
	n := r.read(c)
	r.inlet.vector.SetLen(len(r.inlet.buffer))
	return n
}

// abstains keeps an open connection from being read because of an event. ending
// says that the target has ended it: then a slow one reads all that is left,
// which holds nobody back any more, and a silent one is over.
func (r *receiver) abstains(c *conn, ending bool) bool {
	if r.slow.released {
		return false
	}
	if c.marks&silent == 0 {
		return !ending
	}
	if ending {
		r.endedByTarget(c, bucketSilent, "ended by the target")
		r.end(c, 0)
	}
	return true
}

// release has all that were held back read what is there. A connection that the
// target has ended may show it only then: its end stands behind bytes that did
// not fit into the receive buffer.
func (r *receiver) release() {
	r.slow.released = true
	for i := range r.conns {
		if c := &r.conns[i]; c.marks&apart != 0 && c.state == open {
			r.drain(c, true)
		}
	}
}

// heldBack is how many connections could still turn out to have ended.
func (r *receiver) heldBack() (n int) {
	for i := range r.conns {
		if c := &r.conns[i]; c.marks&apart != 0 && c.state == open {
			n++
		}
	}
	return n
}

// release is for the end of a run, when the accounts are to be closed.
func (e *Engine) release() {
	s := e.config.Plan.Scenario()
	if s.Slow.Share == 0 && s.Silent.Share == 0 {
		return
	}
	for _, r := range e.receivers {
		r.call(r.release)
	}
	for until := clock.Now() + int64(releaseTime); clock.Now() < until; time.Sleep(releaseTime / 50) {
		left := 0
		for _, r := range e.receivers {
			r.call(func() { left += r.heldBack() })
		}
		if left == 0 {
			return
		}
	}
}

// slowly accounts for a delivery to a slow subscriber. last says that nothing
// follows it in its read.
func (r *receiver) slowly(c *conn, said *seen, last bool) {
	if r.slow.released || c.marks&silent != 0 {
		return
	}
	if r.slow.account.Arrive(int(c.cell+said.slot), said.sequence).First() && said.measured {
		r.recorded.record(slowDelivery, r.at-said.due)
		if r.stamped == own && last {
			r.counts.slowExact++
		}
	}
}

// settleApart adds the accounts of those that are in no other.
func (r *receiver) settleApart(sent []ledger.Closing, a *Account) {
	for i := range r.conns {
		switch c := &r.conns[i]; {
		case c.marks&joined == 0:
		case c.marks&silent != 0:
			a.Silent.Subscribers++
		case c.marks&slow != 0:
			a.Slow.Subscribers++
			for slot := range r.cellsOf(c) {
				closing := r.closingOf(r.slow.account, c, slot, sent)
				a.Slow.Expected += closing.Sent()
				a.Slow.Missing += r.slow.account.Settle(int(c.cell)+slot, closing, nil).Up
			}
		}
	}
	counts := r.slow.account.Counts()
	a.Slow.Delivered += counts.Delivered
	a.Slow.Duplicated += counts.Duplicated
	a.Slow.Reordered += counts.Reordered
	a.Slow.Ended += r.counts.slowClosed
	a.Silent.Ended += r.counts.silentClosed
}
