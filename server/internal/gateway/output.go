//go:build linux

package gateway

import (
	"github.com/gobwas/ws"

	"fanbench/server/frame"
)

// out writes b, or holds what cannot be written yet.
func (c *conn) out(b []byte) {
	if c.state == closed || len(b) == 0 {
		return
	}
	if c.member.Lagging() {
		c.hold(b)
		return
	}
	n, err := write(c.fd, b)
	c.wrote(b, n, err)
}

// wrote sees to what a write of b, at the end of all that was owed, did not take.
func (c *conn) wrote(b []byte, n int, err error) {
	switch {
	case err != nil:
		c.drop("error")
	case n < len(b):
		c.member.Hold()
		c.hold(b[n:])
		c.lag()
	}
}

// hold keeps b until the socket is writable. A peer that asks without reading is as slow as one that does not read its room. The
// first b is always kept: it may be the rest of a frame.
func (c *conn) hold(b []byte) {
	limit := max(c.loop.g.cfg.MaxBacklog, 2*c.loop.g.cfg.MaxMessage)
	if c.state == open && len(c.held) > 0 && int64(len(c.held)+len(b)) > limit {
		c.tooSlow()
		return
	}
	c.held, c.pong = append(c.held, b...), 0
}

// answerPing answers a ping. Where pongs cannot be written, only the last one waits (RFC 6455 §5.5.3): a peer that asks and does
// not read has the server keep no more for it.
func (c *conn) answerPing(payload []byte) {
	l := c.loop
	if !c.member.Lagging() {
		l.out = frame.AppendFrame(l.out, ws.OpPong, payload)
		return
	}
	if c.flush(); c.state != open {
		return // the answers before it were too much, and our close frame is the last word
	}
	var buffer [2 + 125]byte
	pong := frame.AppendFrame(buffer[:0], ws.OpPong, payload)
	c.held = c.held[:len(c.held)-int(c.pong)]
	if c.hold(pong); c.state == open {
		c.pong = uint8(len(pong))
	}
}

// lag has resume called when the socket is writable.
func (c *conn) lag() {
	if c.awaited || c.state == closed {
		return
	}
	if err := c.loop.g.watch.arm(c); err != nil {
		c.loop.g.cfg.Log.Error("give up connection", "error", err)
		c.drop("error")
		return
	}
	c.awaited = true
	c.loop.lags.Add(1)
	c.loop.lagging.Add(1)
}

// resume goes on writing: the rest of a cut frame, then what is held, then the log.
func (c *conn) resume() {
	if c.state == closed || !c.awaited {
		return
	}
	c.awaited = false
	c.loop.lagging.Add(-1)
	if len(c.held) > 0 {
		if cut := c.member.Cut(); cut != nil {
			n, err := write(c.fd, cut)
			c.member.Took(n)
			if !c.went(n, len(cut), err) {
				return
			}
		}
		n, err := write(c.fd, c.held)
		c.loop.fan.Wrote(&c.member, n)
		c.held = c.held[n:]
		if len(c.held) < int(c.pong) {
			c.pong = 0
		}
		if !c.went(n, n+len(c.held), err) {
			return
		}
		c.held = nil
	}
	c.loop.heed(c.loop.fan.Resume(&c.member))
	switch {
	case c.member.Lagging():
	case c.state == finishing:
		c.fin()
	case c.goingAway:
		c.startClose(ws.StatusGoingAway, "")
	}
}

// went says whether a write took all of want bytes, and sees to it if it did not.
func (c *conn) went(n, want int, err error) bool {
	switch {
	case err != nil:
		c.drop("error")
	case n < want:
		c.lag()
	default:
		return true
	}
	return false
}
