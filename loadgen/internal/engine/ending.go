package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/server/frame"
)

// partingTime is how long the target has to close the TCP connection after both
// Close frames, or to send its own.
const partingTime = 5 * time.Second

// A parting connection has written its Close frame and waits for its target.
type parting struct {
	slot       int32
	generation uint32
	until      int64 // CLOCK_MONOTONIC, nanoseconds
}

// outbox returns a connection's outbox; one that only ever answers gets it with
// its first answer.
func (r *receiver) outbox(c *conn) *outbox {
	if c.out == nil {
		c.out = &outbox{fd: c.fd, tls: c.tls}
	}
	return c.out
}

// closed takes the target's Close frame: it answers it and ends the connection,
// or has the answer to its own.
func (r *receiver) closed(c *conn, code ws.StatusCode, reason string) {
	if c.state == leaving {
		r.depart(c)
		return
	}
	example := "close code " + fmt.Sprint(uint16(code))
	if reason != "" {
		example += ": " + reason
	}
	if code == ws.StatusNoStatusRcvd {
		example = "close without a code"
	}
	r.endedByTarget(c, closedWith(code), example)
	r.end(c, frame.ReplyCode(code))
}

// endedByTarget counts an open connection that the target ended. What it does
// to those that give it reason to has buckets of its own.
func (r *receiver) endedByTarget(c *conn, bucket, example string) {
	switch {
	case c.marks&slow != 0:
		r.counts.slowClosed++
		bucket = bucketSlow
	case c.marks&silent != 0:
		r.counts.silentClosed++
		bucket = bucketSilent
	default:
		r.counts.byTarget++
	}
	r.note(c, bucket, example)
}

// violated fails a connection on which the target broke the protocol
// (RFC 6455 §7.1.7). fault is a [*frame.Error].
func (r *receiver) violated(c *conn, fault error) {
	code, reason := ws.StatusProtocolError, fault.Error()
	var known *frame.Error
	if errors.As(fault, &known) {
		code, reason = known.Code, known.Reason
	}
	r.failures.add(violationOf(fault), fmt.Sprintf("%s (close code %d)", reason, code))
	if c.state == leaving {
		r.depart(c)
		return
	}
	r.end(c, code)
}

// end leaves an open connection that has gone wrong or was closed. With a code,
// 0 being none, it sends a Close frame and leaves it to the target to close the
// TCP connection, which keeps TIME_WAIT away from us (RFC 6455 §7.1.1).
func (r *receiver) end(c *conn, code ws.StatusCode) {
	r.counts.open--
	r.counts.closed++
	r.dropped(c)
	if code != 0 {
		r.sayClose(c, code)
	}
	r.depart(c)
	if code == 0 {
		r.part(c)
	}
}

// sayClose writes a Close frame, behind which nothing follows.
func (r *receiver) sayClose(c *conn, code ws.StatusCode) {
	var payload [2]byte
	r.scratch = frame.AppendMasked(r.scratch[:0], ws.OpClose, frame.AppendClosePayload(payload[:0], code, ""), mask(r.masks))
	r.unsent(r.outbox(c).last(r.scratch))
	r.parting = append(r.parting, parting{c.slot, c.generation, clock.Now() + int64(partingTime)})
}

// depart ends a connection for the account: nothing that still arrives is for
// it.
func (r *receiver) depart(c *conn) {
	if c.parser != nil {
		r.giveParser(c)
	}
	c.state = departed
}

// unsent counts the publications that an outbox dropped when its connection
// ended. That is done here and at once: the outbox may be another descriptor's
// before the thread that filled it looks at it again.
func (r *receiver) unsent(dropped int) {
	if dropped == 0 {
		return
	}
	if r.window != nil {
		r.window.drop(dropped)
		return
	}
	r.sender.post(func() { r.sender.drop(dropped) })
}

// part closes the descriptor of a connection that has departed. Its place is
// free then.
func (r *receiver) part(c *conn) {
	if c.tls != nil {
		r.outbox(c) // says farewell
		c.tls = nil
	}
	if c.out == nil {
		unix.Close(int(c.fd))
	} else {
		r.unsent(c.out.close())
	}
	c.fd = gone
	if c.publisher < 0 {
		c.out = nil
	}
	if r.mirror != nil {
		close(r.mirror.parted)
	}
	r.vacated(c)
}

// expireParting closes what targets have left open for too long.
func (r *receiver) expireParting(now int64) {
	for len(r.parting) > 0 {
		oldest := r.parting[0]
		c := &r.conns[oldest.slot]
		if c.fd != gone && c.generation == oldest.generation {
			if oldest.until > now {
				return
			}
			if c.state == leaving {
				r.failures.add(bucketCloseTimeout, unansweredClose+partingTime.String())
				r.depart(c)
			}
			r.part(c)
		}
		r.parting = r.parting[1:]
	}
}

// lose takes the news that a connection has ended without a Close frame; errno
// is 0 for an orderly end.
func (r *receiver) lose(c *conn, errno unix.Errno) {
	if c.state == shaking && c.tls != nil && !c.tls.ready {
		c.tls.lose(errno) // its handshake has the word for what came before
		return
	}
	if c.state == departed {
		r.part(c)
		return
	}
	bucket, example := bucketClosed, withoutClose
	if errno != 0 {
		bucket, example = bucketOf(errno), "read: "+errno.Error()
	}
	switch c.state {
	case shaking:
		if errno == 0 {
			bucket, example = bucketShakeClosed, "connection ended without an answer"
		}
		r.fail(c, bucket, example)
	case leaving:
		r.failures.add(bucket, example)
		r.depart(c)
		r.part(c)
	default:
		r.endedByTarget(c, bucket, example)
		r.end(c, 0)
	}
}

// leave closes what is open, without waiting for the target, and ends the
// receiver.
func (r *receiver) leave() {
	r.ending = true
	r.interruptRamp()
	for i := range r.conns {
		c := &r.conns[i]
		switch c.state {
		case open:
			r.end(c, ws.StatusNormalClosure)
		case shaking: // on its way back
			r.fail(c, bucketInterrupted, interruptedConnection)
		case leaving:
			r.depart(c)
		case waiting:
			c.state = failed
		}
		if c.fd != gone {
			r.part(c)
		}
	}
}
