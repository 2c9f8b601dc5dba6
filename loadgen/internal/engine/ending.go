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

// A parting connection is over for the account and waits for its target.
type parting struct {
	slot  int32
	until int64 // CLOCK_MONOTONIC, nanoseconds
}

// outbox returns a connection's outbox; one that only ever answers gets it with
// its first answer.
func (r *receiver) outbox(c *conn) *outbox {
	if c.out == nil {
		c.out = &outbox{fd: c.fd}
	}
	return c.out
}

// closed answers the target's Close frame and ends the connection.
func (r *receiver) closed(c *conn, code ws.StatusCode, reason string) {
	r.counts.byTarget++
	example := "close code " + fmt.Sprint(uint16(code))
	if reason != "" {
		example += ": " + reason
	}
	if code == ws.StatusNoStatusRcvd {
		example = "close without a code"
	}
	r.failures.add(bucketClosed, example)
	r.end(c, frame.ReplyCode(code))
}

// violated fails a connection on which the target broke the protocol
// (RFC 6455 §7.1.7). fault is a [*frame.Error].
func (r *receiver) violated(c *conn, fault error) {
	code, reason := ws.StatusProtocolError, fault.Error()
	var known *frame.Error
	if errors.As(fault, &known) {
		code, reason = known.Code, known.Reason
	}
	r.failures.add(bucketProtocol, fmt.Sprintf("%s (close code %d)", reason, code))
	r.end(c, code)
}

// end leaves an open connection. With a code, 0 being none, it sends a Close
// frame and leaves it to the target to close the TCP connection, which keeps
// TIME_WAIT away from us (RFC 6455 §7.1.1).
func (r *receiver) end(c *conn, code ws.StatusCode) {
	out := r.outbox(c)
	if c.parser != nil {
		r.giveParser(c)
	}
	c.state = departed
	r.counts.open--
	r.counts.closed++
	if code == 0 {
		r.part(c)
	} else {
		var payload [2]byte
		r.scratch = frame.AppendMasked(r.scratch[:0], ws.OpClose, frame.AppendClosePayload(payload[:0], code, ""), mask(r.masks))
		out.last(r.scratch)
		r.parting = append(r.parting, parting{c.slot, clock.Now() + int64(partingTime)})
	}
	switch {
	case r.window != nil:
		r.window.clear(out)
	case c.publisher >= 0:
		r.sender.post(func() { r.sender.clear(out) })
	}
}

// part closes the descriptor of a connection that has departed.
func (r *receiver) part(c *conn) {
	c.out.close()
	c.fd = gone
	if c.publisher < 0 {
		c.out = nil
	}
	if r.mirror != nil {
		close(r.mirror.parted)
	}
}

// expireParting closes what targets have left open for too long.
func (r *receiver) expireParting(now int64) {
	for len(r.parting) > 0 {
		oldest := r.parting[0]
		c := &r.conns[oldest.slot]
		if c.fd != gone {
			if oldest.until > now {
				return
			}
			r.part(c)
		}
		r.parting = r.parting[1:]
	}
}

// lose takes the news that a connection has ended without a Close frame; errno
// is 0 for an orderly end.
func (r *receiver) lose(c *conn, errno unix.Errno) {
	if c.state == departed {
		r.part(c)
		return
	}
	bucket, example := bucketClosed, withoutClose
	if errno != 0 {
		bucket, example = bucketOf(errno), "read: "+errno.Error()
	}
	if c.state == shaking {
		if errno == 0 {
			bucket, example = bucketShakeClosed, "connection ended without an answer"
		}
		r.fail(c, bucket, example)
		return
	}
	r.counts.byTarget++
	r.failures.add(bucket, example)
	r.end(c, 0)
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
		case waiting:
			c.state = failed
		}
		if c.fd != gone {
			r.part(c)
		}
	}
}
