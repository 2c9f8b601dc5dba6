package engine

import (
	"math/rand/v2"
	"sync"
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
	number, several int // of the worker's receivers
	share           plan.Share
	conns           []conn
	index           []int32 // of each connection in the share
	sender          *sender
	window          *window // of a closed-loop echo, else nil

	inlet    *inlet
	wall     *clock.Wall
	reader   *reader
	account  *ledger.Ledger
	recorded *histograms
	records  []PublicationRecord // by their numbers in the plan
	settled  bool                // the records are final
	middles  []uint32            // the half of each room's subscribers, see PublicationRecord.Middle
	counts   arrivals
	failures failures

	frames           frame.Config
	compressedFrames frame.Config    // the same, for connections that agreed on deflate
	parsers          []*frame.Parser // out of use
	masks            *rand.PCG
	scratch          []byte // for requests and control frames
	plain            []byte // what a read decrypts to; nil for ws

	greetings sync.WaitGroup // TLS handshakes under way

	mirror  *mirror   // of a Converse, else nil
	parting []parting // oldest first; some have gone since
	dialer  dialer
	ramp    *ramp    // while connections are opened for the first time
	began   [2]int64 // each phase's start, CLOCK_MONOTONIC in nanoseconds; 0 before it
	atBegin time.Duration

	// Of the connections that are not what most are.
	away  away
	churn *churn // in the measured phase, else nil
	slow  slowReaders

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
	slowExact        uint64
	left             uint64
	away             uint64 // of those that left, just now
	returned         uint64
	reconnected      uint64
	notReturned      uint64
	slowClosed       uint64
	silentClosed     uint64
	filled           uint64
	filledConns      uint64
	reads            uint64
	readBytes        uint64
	frames           uint64 // messages and control frames that arrived whole
	glued            uint64 // of them, with the 101 answer
	firstAt, finalAt int64
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
		n := r.read(c)
		if c.fd == gone {
			return
		}
		total += n
		if n < len(r.inlet.buffer) && (n == 0 || !ending) {
			break
		}
		if turn >= fairness && !ending {
			r.rearm(c)
			break
		}
	}
	if c.state == open {
		if c.marks&apart == 0 {
			r.fullness(c, total)
		}
		if r.window != nil {
			r.window.reply(c, r.readAt)
		}
	}
}

// read hands on what one call brings, up to the inlet's buffer, and returns how
// many bytes that was: 0 if there was nothing just now, or the connection's end.
func (r *receiver) read(c *conn) int {
	n, stamp, errno := r.inlet.receive(c.fd)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return 0
	}
	r.readAt = clock.Now()
	if errno != 0 || n == 0 {
		r.lose(c, errno)
		return 0
	}
	r.arrived(stamp, n < int(r.inlet.vector.Len))
	r.take(c, r.inlet.buffer[:n])
	return n
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
	if c.tls != nil {
		r.takeTLS(c, b)
		return
	}
	r.takePlain(c, b)
}

// takePlain hands on what a read brought of HTTP and frames.
func (r *receiver) takePlain(c *conn, b []byte) {
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
		before := r.counts.frames
		r.takeFrames(c, rest)
		r.counts.glued += r.counts.frames - before
		return
	}
	r.takeFrames(c, b)
}

// takeFrames hands on what a read brought of frames.
func (r *receiver) takeFrames(c *conn, b []byte) {
	r.counts.reads++
	r.counts.readBytes += uint64(len(b))
	r.parse(c, b)
}

// rearm has epoll report a connection again that has more to read.
func (r *receiver) rearm(c *conn) {
	_ = r.watchConn(unix.EPOLL_CTL_MOD, c)
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
	if c.marks&filled == 0 {
		c.marks |= filled
		r.counts.filledConns++
	}
}
