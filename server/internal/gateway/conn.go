//go:build linux

package gateway

import (
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"fanbench/server/frame"
	"fanbench/server/internal/fanout"
	"fanbench/server/internal/http1"
)

// The states of a connection, in the order in which it goes through them.
const (
	inHead    uint8 = iota // the request has not arrived whole
	open                   // frames go both ways
	closing                // our close frame is sent, the peer's is awaited
	finishing              // nothing more will be said: FIN follows what is held, and the peer's end is awaited
	closed                 // never to be written to: its descriptor's number may be another's
)

// What an open connection's messages are for.
const (
	echo uint8 = iota
	echoText
	room
)

// A conn is one connection. Tens of thousands are idle, so that it holds no buffer, parser or timer in that state.
type conn struct {
	member fanout.Member
	gc     gnet.Conn
	loop   *loop
	input  *input        // see there
	paid   time.Duration // its messages' pace

	// held is what could not be written yet: answers to this connection alone. Between it and the room's log comes the rest of a
	// cut frame first, then held, then the log.
	held []byte

	deadline  uint32 // in the wheel, if place is inHurry
	slot      int32  // in the wheel's list
	fd        int32
	place     uint16 // in the wheel
	state     uint8
	kind      uint8
	silence   uint8 // turns since it was last heard
	window    uint8 // bits, of permessage-deflate; 0 is none
	pong      uint8 // bytes at the end of held that are a pong of which nothing is written
	watched   bool  // the watcher's epoll knows the socket
	awaited   bool  // the watcher was asked to tell when it is writable
	admitted  bool  // and to be released
	goingAway bool  // to be closed with 1001 when it has been sent what it is owed of its room
}

// open takes a connection over from gnet.
func (l *loop) open(gc gnet.Conn) *conn {
	c := &conn{gc: gc, loop: l, fd: int32(gc.Fd())}
	c.member.Owner = c
	gc.SetContext(c)
	l.connections.Add(1)
	c.hurry(l.g.cfg.HandshakeTimeout)
	return c
}

func (c *conn) hurry(timeout time.Duration) {
	c.loop.wheel.hurry(c, milliseconds(time.Since(c.loop.g.start)+timeout))
}

// startClose begins the closing handshake (RFC 6455 §7.1.2) from this side.
func (c *conn) startClose(code ws.StatusCode, reason string) {
	if c.state != open {
		return
	}
	c.leave()
	c.state = closing
	c.hurry(c.loop.g.cfg.CloseTimeout)
	var buffer [64]byte
	c.out(frame.AppendClose(buffer[:0], code, reason))
}

// fail ends a connection for what its peer sent, or for our own fault: a close frame, then the end without waiting for the answer
// (RFC 6455 §7.1.7).
func (c *conn) fail(why *frame.Error) {
	if c.state == open {
		var buffer [64]byte
		c.out(frame.AppendClose(buffer[:0], why.Code, why.Reason))
	}
	c.finish()
}

// goAway begins the closing handshake because the server ends. What was published before comes first: one that lags is closed when
// it has caught up, unless it is too slow for that.
func (c *conn) goAway() {
	if c.state != open {
		return
	}
	if !c.member.Lagging() {
		c.loop.heed(c.loop.fan.Resume(&c.member))
	}
	if c.goingAway = c.member.Lagging() && c.member.In(); !c.goingAway {
		c.startClose(ws.StatusGoingAway, "")
	}
}

// tooSlow closes a connection that is too far behind. What it is owed of a cut frame and the close frame wait for it to read.
func (c *conn) tooSlow() {
	if c.state == open {
		c.loop.g.reject("slow")
		c.startClose(ws.StatusPolicyViolation, "slow")
	}
}

// refuse answers instead of a handshake.
func (c *conn) refuse(why *http1.Refusal) {
	c.loop.g.reject(why.Reason)
	c.out(why.Append(nil))
	c.finish()
}

// finish ends the sending half after what is held. The server ends it first (RFC 6455 §7.1.1); closing the socket waits for the
// peer's end, because bytes of the peer's that nobody read would turn the close into a reset, which may overtake our last words.
func (c *conn) finish() {
	if c.state >= finishing {
		return
	}
	c.leave()
	c.state = finishing
	c.hurry(c.loop.g.cfg.CloseTimeout)
	if !c.member.Lagging() {
		c.fin()
	}
}

func (c *conn) fin() {
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
		c.drop("error")
	}
}

// leave ends the membership. The rest of a cut frame stays owed: a frame cannot be abandoned within.
func (c *conn) leave() {
	if c.state == open {
		c.loop.upgraded.Add(-1)
	}
	if cut := c.member.Cut(); cut != nil {
		c.held = append(append(make([]byte, 0, len(cut)+len(c.held)+64), cut...), c.held...)
	}
	c.loop.g.hub.Leave(&c.member)
}

// drop gives the connection up, because it is broken.
func (c *conn) drop(reason string) {
	if c.state != closed {
		c.loop.g.closed.add(reason)
		c.doom()
	}
}

// evict gives the connection up because of a limit.
func (c *conn) evict(reason string) {
	if c.state != closed {
		c.loop.g.reject(reason)
		c.doom()
	}
}

// doom has the socket closed after the event that is being handled.
func (c *conn) doom() {
	c.forget()
	c.loop.doomed = append(c.loop.doomed, c)
	c.loop.wake()
}

// ended is called when there is no more to read and gnet closes the socket.
func (c *conn) ended() {
	if c.state <= open && c.input != nil {
		c.loop.g.reject("truncated") // within a request head, a frame or an unfinished message
	}
	c.forget()
}

// forget takes the connection out of everything that knows it.
func (c *conn) forget() {
	if c.state == closed {
		return
	}
	c.leave()
	c.state = closed
	c.loop.connections.Add(-1)
	if c.admitted {
		c.loop.g.admits.release(c.gc.RemoteAddr())
	}
	c.loop.wheel.remove(c)
	if c.awaited {
		c.loop.lagging.Add(-1)
	}
	if c.watched {
		c.loop.g.watch.forget(c)
	}
	if c.input != nil {
		c.input.frames.Release()
	}
	c.input, c.held = nil, nil
}

// expire is called when the deadline has come.
func (c *conn) expire() {
	switch c.state {
	case inHead:
		c.refuse(http1.RefuseTimeout)
	case open:
		c.loop.g.reject(messageTimeout.Reason)
		c.fail(messageTimeout)
	case closing:
		c.evict("close-timeout")
	default:
		c.drop("timeout")
	}
}

var messageTimeout = &frame.Error{Code: ws.StatusPolicyViolation, Reason: "message-timeout"}

// ping is an empty ping frame (RFC 6455 §5.5.2).
var ping = frame.AppendFrame(nil, ws.OpPing, nil)

// turn is called once in every ping interval.
func (c *conn) turn() {
	if c.silence == 2 {
		c.evict("silent")
		return
	}
	c.silence++
	l := c.loop
	l.pings.Add(1)
	if c.member.Lagging() {
		c.hold(ping)
		return
	}
	if l.pinged = append(l.pinged, fanout.Op{Member: &c.member, Bytes: ping}); len(l.pinged) == ringSize {
		l.ping()
	}
}
