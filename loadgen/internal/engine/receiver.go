package engine

import (
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
	"fanbench/server/frame"
)

const (
	// readBuffer is shared by all connections of a receiver, in bytes.
	readBuffer = 256 << 10
	// fairness is how often one connection may fill readBuffer before the
	// others have their turn.
	fairness = 4

	minMessage = 1 << 20 // largest message that is accepted, at least, in bytes
)

// A receiver owns the reading of its connections, and everything that it
// records is its own: nothing is shared on the hot path.
type receiver struct {
	*thread
	share  plan.Share
	conns  []conn
	index  []int32 // of each connection in the share
	sender *sender
	window *window // of a closed-loop echo, else nil

	inlet    *inlet
	wall     *clock.Wall
	reader   *reader
	account  *ledger.Ledger
	recorded *histograms
	records  []record
	counts   arrivals
	failures failures

	frames           frame.Config
	compressedFrames frame.Config    // the same, for connections that agreed on deflate
	parsers          []*frame.Parser // out of use
	masks            *rand.PCG
	scratch          []byte // for requests and control frames

	mirror  *mirror   // of a Converse, else nil
	parting []parting // oldest first; some have gone since
	ramp    *ramp     // while connections are being opened
	atBegin time.Duration

	freshWindow int32 // receive window of a new connection, in bytes

	// Of the read under way.
	at      int64 // arrival, CLOCK_MONOTONIC in nanoseconds
	readAt  int64
	stamped stamping
}

// stamping says what the arrival times of a read rest on.
type stamping uint8

const (
	unstamped stamping = iota // the time of the read
	shared                    // a kernel stamp, of a segment after the last frame's
	own                       // a kernel stamp, the last frame's own
)

// record is a PublicationRecord in the making; without arrivals its count is 0.
type record struct {
	first, last int64
	count       uint32
}

// arrivals counts what came in.
type arrivals struct {
	open             uint64
	failed           uint64 // never opened
	closed           uint64
	byTarget         uint64
	corrupt          uint64
	misrouted        uint64
	foreign          uint64
	unknown          uint64
	toPublishers     uint64
	measured         uint64
	exact            uint64
	bound            uint64
	missing          uint64
	clamped          uint64
	filled           uint64
	filledConns      uint64
	reads            uint64
	readBytes        uint64
	firstAt, finalAt int64
}

// run is the receiver's thread.
func (r *receiver) run() {
	events := make([]unix.EpollEvent, 256)
	for !r.ending {
		for _, event := range events[:r.poll(events, r.timeout())] {
			if event.Fd == wakeupTag {
				r.collect()
				continue
			}
			r.handle(&r.conns[event.Fd], event.Events)
		}
		now := clock.Now()
		r.wall.Refresh(now)
		if r.ramp != nil {
			r.advanceRamp(now)
		}
		if r.window != nil {
			r.window.advance(now)
		}
		r.expireParting(now)
	}
}

// timeout is how long to wait for events, in milliseconds; -1 for ever.
func (r *receiver) timeout() int {
	next := int64(-1)
	if r.ramp != nil {
		next = r.ramp.next()
	} else if r.window != nil {
		next = r.window.next()
	}
	if len(r.parting) > 0 && (next < 0 || r.parting[0].until < next) {
		next = r.parting[0].until
	}
	if next < 0 {
		return -1
	}
	left := next - clock.Now()
	return int(max(0, (left+int64(time.Millisecond)-1)/int64(time.Millisecond)))
}

func (r *receiver) handle(c *conn, events uint32) {
	const ending = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	switch c.state {
	case shaking:
		if !c.shake.connected && !r.request(c) {
			return
		}
	case open, departed:
		if c.fd == gone {
			return // ended earlier in this batch of events
		}
		if events&unix.EPOLLOUT != 0 && c.out != nil && c.out.watcher == nil {
			r.flush(c)
		}
	default:
		return
	}
	if events&(unix.EPOLLIN|ending) != 0 {
		r.drain(c, events&ending != 0)
	}
}

// flush writes what waits in an outbox that is the receiver's to write.
func (r *receiver) flush(c *conn) {
	if r.window != nil {
		r.window.flush(c.out)
		return
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if len(c.out.bytes) > 0 {
		_, _, _ = c.out.push() // of an error the next read tells more
	}
}

// drain reads what a connection has: until a read is short, which
// edge-triggered events allow, or until its end, if that is known to come.
func (r *receiver) drain(c *conn, ending bool) {
	total := 0
	if r.window != nil {
		r.window.credit = 0
	}
	for turn := 1; ; turn++ {
		n, stamp, errno := r.inlet.receive(c.fd)
		if errno == unix.EAGAIN || errno == unix.EINTR {
			break
		}
		r.readAt = clock.Now()
		if errno != 0 {
			r.lose(c, errno)
			return
		}
		if n == 0 {
			r.lose(c, 0)
			return
		}
		total += n
		r.arrived(stamp, n < len(r.inlet.buffer))
		r.take(c, r.inlet.buffer[:n])
		if c.fd == gone {
			return
		}
		if n < len(r.inlet.buffer) && !ending {
			break
		}
		if turn >= fairness && !ending {
			r.rearm(c)
			break
		}
	}
	if c.state == open {
		r.fullness(c, total)
		if r.window != nil {
			r.window.reply(c, r.readAt)
		}
	}
}

// arrived notes when the bytes of a read arrived. short says that the read took
// all there was, so that its stamp is of its last byte.
func (r *receiver) arrived(stamp int64, short bool) {
	if stamp == 0 {
		r.at, r.stamped = r.readAt, unstamped
		return
	}
	r.at, r.stamped = r.wall.Mono(stamp, r.readAt), shared
	if short {
		r.stamped = own
	}
	if r.at > r.readAt {
		r.at = r.readAt
		r.counts.clamped++
	}
}

// take hands on the bytes of one read. What comes after the Close frames is
// nothing (RFC 6455 §5.5.1).
func (r *receiver) take(c *conn, b []byte) {
	if c.state == departed {
		return
	}
	if c.state == shaking {
		rest, done, bucket, example := c.shake.take(b)
		if bucket != "" {
			r.fail(c, bucket, example)
			return
		}
		if !done {
			return
		}
		r.opened(c)
		b = rest
	}
	r.counts.reads++
	r.counts.readBytes += uint64(len(b))
	r.parse(c, b)
}

// rearm has epoll report a connection again that has more to read.
func (r *receiver) rearm(c *conn) {
	event := unix.EpollEvent{Events: interest, Fd: c.slot}
	_ = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_MOD, int(c.fd), &event)
}

// fullness notes that a drain brought at least half of the receive window that
// the kernel had last been seen to offer. A target whose bytes wait outside is
// held back by that window and by nothing else; and a window grows with use, so
// that one seen earlier errs on the side of counting.
func (r *receiver) fullness(c *conn, drained int) {
	if drained < int(max(c.window, r.freshWindow))/2 || drained == 0 {
		return
	}
	c.window = r.inlet.window(c.fd)
	r.counts.filled++
	if !c.filled {
		c.filled = true
		r.counts.filledConns++
	}
}
