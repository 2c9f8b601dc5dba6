package nulltarget

import (
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/perturb"
)

// room is a log of frames, of which every member has its own place. Nothing is
// ever taken off the log: a calibration is short.
type room struct {
	log     []byte
	frames  []entry
	members []*conn // in the order of joining; nil where one has left
	dirty   bool
}

// entry is one frame of a log, with what its stamp says.
type entry struct {
	end       int // in the log
	payload   int // bytes, the last of the frame
	publisher int // -1 without a stamp
	sequence  uint64
	due       int64 // nanoseconds since the run's epoch
}

// delivery is one publication's to one member of its room.
type delivery struct {
	member, publisher int
	sequence          uint64
}

func (l *loop) join(c *conn, name string, hears bool) {
	r := l.rooms[name]
	if r == nil {
		r = &room{}
		l.rooms[name] = r
		l.byRoom = append(l.byRoom, r)
	}
	c.room = r
	if hears {
		c.member, c.next, c.at = len(r.members), len(r.frames), len(r.log)
		r.members = append(r.members, c)
	}
}

// publish enters a frame in a room's log and writes it, or has it written with
// what else was read.
func (l *loop) publish(r *room, frame []byte, e entry) {
	r.log = append(r.log, frame...)
	e.end = len(r.log)
	r.frames = append(r.frames, e)
	if !l.config.Batch {
		l.pass(r)
		return
	}
	if !r.dirty {
		r.dirty = true
		l.dirty = append(l.dirty, r)
	}
}

// pass writes to every member that is not behind already.
func (l *loop) pass(r *room) {
	for _, c := range r.members {
		if c != nil && !c.armed {
			l.advance(c)
		}
	}
}

// advance writes what a connection has coming, as far as its socket takes it.
func (l *loop) advance(c *conn) {
	for !c.gone {
		if len(c.own) > 0 {
			n, ok := l.write(c, c.own)
			c.own = c.own[:copy(c.own, c.own[n:])]
			if !ok {
				return
			}
		}
		if c.room == nil || c.member < 0 || c.next == len(c.room.frames) {
			l.arm(c, false)
			return
		}
		stop := l.sound(c)
		if stop == c.next {
			l.commit(c)
			continue
		}
		before := clock.Now()
		n, ok := l.write(c, c.room.log[c.at:c.room.frames[stop-1].end])
		c.at += n
		for c.next < stop && c.room.frames[c.next].end <= c.at {
			if l.config.Record {
				l.report.Written = append(l.report.Written, before-c.room.frames[c.next].due)
			}
			c.next++
		}
		if !ok {
			return
		}
	}
}

// write writes b; ok says that the socket took all of it.
func (l *loop) write(c *conn, b []byte) (n int, ok bool) {
	n, errno := write(c.fd, b)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		n = 0
	case errno != 0:
		l.drop(c)
		return 0, false
	}
	if n < len(b) {
		l.arm(c, true)
	}
	return n, n == len(b)
}

// arm asks for an event when the socket takes more, or no longer.
func (l *loop) arm(c *conn, on bool) {
	if c.armed == on {
		return
	}
	interest := uint32(unix.EPOLLIN)
	if on {
		interest |= unix.EPOLLOUT
	}
	if l.watch(unix.EPOLL_CTL_MOD, c.fd, interest) != nil {
		l.drop(c)
		return
	}
	c.armed = on
}

// released marks the publication that a swapped one waits for.
const released = perturb.Kinds

// prepare indexes the faults by their deliveries.
func (l *loop) prepare(faults []perturb.Fault) {
	if len(faults) == 0 {
		return
	}
	l.faults = make(map[delivery]perturb.Fault, 2*len(faults))
	for _, f := range faults {
		at := delivery{f.Member, f.Publisher, f.Sequence}
		l.faults[at] = f
		if f.Kind == perturb.Swap {
			at.sequence++
			l.faults[at] = perturb.Fault{Kind: released}
		}
	}
}

// sound is the first frame, from the connection's next, that something befalls;
// the end of the log if there is none.
func (l *loop) sound(c *conn) int {
	n := len(c.room.frames)
	if l.faults == nil {
		return n
	}
	for i := c.next; i < n; i++ {
		e := &c.room.frames[i]
		if _, found := l.faults[delivery{c.member, e.publisher, e.sequence}]; found {
			return i
		}
	}
	return n
}

// commit takes the connection past its next frame, with what befalls it in its
// place.
func (l *loop) commit(c *conn) {
	r := c.room
	e := r.frames[c.next]
	at := delivery{c.member, e.publisher, e.sequence}
	fault := l.faults[at]
	frame := r.log[c.at:e.end]
	switch fault.Kind {
	case perturb.Double:
		c.own = append(append(c.own, frame...), frame...)
	case perturb.Corrupt:
		c.own = append(c.own, frame...)
		c.own[len(c.own)-e.payload+fault.Byte] ^= fault.Flip
	case perturb.Misroute:
		c.own = append(c.own, frame...)
		stray := l.stray(r)
		if stray == nil {
			fault.Kind = released // not committed, and the report says so
		}
		c.own = append(c.own, stray...)
	case perturb.Swap:
		l.held[at] = c.next
		fault.Kind = released // it is committed with the next one
	case released:
		c.own = append(c.own, frame...)
		at.sequence--
		c.own = append(c.own, r.frame(l.held[at])...)
		delete(l.held, at)
		fault.Kind = perturb.Swap
	}
	if fault.Kind < perturb.Kinds {
		l.report.Committed[fault.Kind]++
	}
	c.next, c.at = c.next+1, e.end
}

// stray is the last frame of a room that is not r, nil if there is none yet.
func (l *loop) stray(r *room) []byte {
	for _, other := range l.byRoom {
		if other != r && len(other.frames) > 0 {
			return other.frame(len(other.frames) - 1)
		}
	}
	return nil
}

func (r *room) frame(i int) []byte {
	start := 0
	if i > 0 {
		start = r.frames[i-1].end
	}
	return r.log[start:r.frames[i].end]
}
