package engine

import (
	"time"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
)

// run is the receiver's thread.
func (r *receiver) run() {
	sleepPrecisely()
	events := make([]unix.EpollEvent, 256)
	for !r.ending {
		for _, event := range events[:r.poll(events, r.timeout(), r.gathers())] {
			if event.Fd == wakeupTag {
				r.collect()
				continue
			}
			r.event(event)
		}
		now := clock.Now()
		r.wall.Refresh(now)
		r.advance(now)
	}
}

// gathers says that events may wait for others: nobody's next step hangs on them,
// neither a handshake's nor a closed loop's.
func (r *receiver) gathers() bool {
	return r.window == nil && r.mirror == nil && r.dialer.underWay == 0
}

// event hands one to its connection, unless it is of a descriptor that is closed
// and whose place another has taken.
func (r *receiver) event(e unix.EpollEvent) {
	if c := &r.conns[e.Fd]; c.generation == uint32(e.Pad) {
		r.handle(c, e.Events)
	}
}

// advance does what has its time rather than an event.
func (r *receiver) advance(now int64) {
	r.expire(now)
	r.expireParting(now)
	if r.ramp != nil {
		r.advanceRamp(now)
	}
	if r.window != nil {
		r.window.advance(now)
	}
	if r.churn != nil {
		r.advanceChurn(now)
	}
	r.comeBack(now)
	if len(r.slow.readers) > 0 {
		r.readSlowly(now)
	}
}

// timeout is how long to wait for events, in milliseconds; -1 for ever.
func (r *receiver) timeout() int {
	next := earliest(r.nextBegin(), r.nextReturn())
	if d := r.dialer.deadline; d > 0 {
		next = earliest(next, d)
	}
	if len(r.parting) > 0 {
		next = earliest(next, r.parting[0].until)
	}
	if r.window != nil {
		next = earliest(next, r.window.next())
	}
	if r.churn != nil {
		next = earliest(next, r.nextLeave())
	}
	if len(r.slow.readers) > 0 {
		next = earliest(next, r.slow.next)
	}
	if next < 0 {
		return -1
	}
	left := next - clock.Now()
	return int(max(0, (left+int64(time.Millisecond)-1)/int64(time.Millisecond)))
}

// earliest of two instants, of which a negative one is never.
func earliest(a, b int64) int64 {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

func (r *receiver) handle(c *conn, events uint32) {
	const ending = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	switch c.state {
	case shaking:
		if !c.shake.connected && !r.request(c) {
			return
		}
	case open, leaving, departed:
		if c.fd == gone {
			return // ended earlier in this batch of events
		}
		if events&unix.EPOLLOUT != 0 && c.out != nil && c.out.watcher == nil {
			r.flush(c)
		}
		if c.marks&apart != 0 && c.state == open && r.abstains(c, events&ending != 0) {
			return
		}
	default:
		return
	}
	if events&(unix.EPOLLIN|ending) != 0 {
		r.drain(c, events&ending != 0)
	}
}
