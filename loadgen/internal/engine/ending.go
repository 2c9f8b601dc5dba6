package engine

import (
	"fmt"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/server/frame"
)

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
// (RFC 6455 §7.1.7).
func (r *receiver) violated(c *conn, code ws.StatusCode, reason string) {
	r.failures.add(bucketProtocol, fmt.Sprintf("%s (close code %d)", reason, code))
	r.end(c, code)
}

// end leaves an open connection, with a Close frame unless code is 0.
func (r *receiver) end(c *conn, code ws.StatusCode) {
	var payload [2]byte
	var final []byte
	if code != 0 {
		r.scratch = frame.AppendMasked(r.scratch[:0], ws.OpClose, frame.AppendClosePayload(payload[:0], code, ""), mask(r.masks))
		final = r.scratch
	}
	out := r.outbox(c)
	out.close(final)
	if c.parser != nil {
		r.giveParser(c)
	}
	c.fd, c.state = gone, departed
	r.counts.open--
	r.counts.closed++
	switch {
	case r.window != nil:
		r.window.clear(out)
	case c.publisher >= 0:
		r.sender.post(func() { r.sender.clear(out) })
	default:
		c.out = nil
	}
}

// lose takes the news that a connection has ended without a Close frame; errno
// is 0 for an orderly end.
func (r *receiver) lose(c *conn, errno unix.Errno) {
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

// leave closes what is open and ends the receiver.
func (r *receiver) leave() {
	r.ending = true
	r.interruptRamp()
	for i := range r.conns {
		switch c := &r.conns[i]; c.state {
		case open:
			r.end(c, ws.StatusNormalClosure)
		case waiting:
			c.state = failed
		}
	}
}
