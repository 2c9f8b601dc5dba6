//go:build linux

package gateway

import (
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"fanbench/server/deflate"
	"fanbench/server/frame"
	"fanbench/server/internal/fanout"
	"fanbench/server/internal/http1"
)

const (
	// fullOut is how many bytes of echoes leave before more are made. Compressed messages may be answered at a hundred times their
	// length: all that one read asks for would go past the limit on what waits.
	fullOut = 64 << 10
	// keepOut is the capacity in bytes up to which a loop keeps its scratch for answers.
	keepOut = 256 << 10
)

// traffic handles what one read brought. Answers gather in the loop's scratch and leave in one write, as a rule.
func (c *conn) traffic() {
	l := c.loop
	defer l.survive(c)
	// Everything, always: gnet hands out its read buffer itself, without a copy and free to be written to.
	b, _ := c.gc.Next(-1)
	c.silence = 0
	in := c.input
	if in == nil {
		in = l.spare
	}
	l.out = l.out[:0]
	ended := false // a head or message ended within b: what is unfinished after it began there
	if c.state == inHead {
		var n int
		n, ended = c.takeHead(in, b)
		b = b[n:]
	}
	if c.state == open || c.state == closing {
		ended = c.takeFrames(in, b) || ended
	}
	c.flush()
	c.keep(in, ended)
	if cap(l.out) > keepOut {
		l.out = nil
	}
}

// flush writes what the scratch has gathered.
func (c *conn) flush() {
	c.out(c.loop.out)
	c.loop.out = c.loop.out[:0]
}

// keep leaves in with the connection if it holds half of something, else with the loop, and sees to the deadline for the half.
func (c *conn) keep(in *input, ended bool) {
	l := c.loop
	if c.state <= closing && in.mid() {
		if c.input == nil {
			c.input, l.spare = in, new(input)
			ended = true // what is in hand now began just now
		}
		if c.state == open && ended {
			c.hurry(l.g.cfg.MessageTimeout)
		}
		return
	}
	in.frames.Release()
	*in = input{}
	c.input, l.spare = nil, in
	if c.state == open && c.place == inHurry {
		l.wheel.settle(c)
	}
}

// takeHead takes n bytes of the request head from b and, when it is whole, answers it.
func (c *conn) takeHead(in *input, b []byte) (n int, whole bool) {
	head, n, refusal := in.head.Next(b)
	if head == nil && refusal == nil {
		return n, false
	}
	if refusal == nil {
		refusal = c.loop.request.Parse(head)
	}
	if refusal == nil {
		refusal = c.answer(&c.loop.request)
	}
	if refusal != nil {
		c.refuse(refusal)
	}
	return n, true
}

var (
	refuseRoom  = &http1.Refusal{Status: http.StatusBadRequest, Reason: "room", Text: "a room's name is 1 to 255 bytes of UTF-8 without control characters"}
	refuseQuery = &http1.Refusal{Status: http.StatusBadRequest, Reason: "query", Text: "unknown value of a query parameter"}
)

// answer does what the request asks for.
func (c *conn) answer(r *http1.Request) *http1.Refusal {
	name, isRoom := strings.CutPrefix(r.Path, "/rooms/")
	if r.Method == http.MethodGet && r.Path != "/echo" && (!isRoom || strings.Contains(name, "/")) {
		return http1.RefuseNotFound
	}
	upgrade, refusal := r.Upgrade()
	if refusal != nil {
		return refusal
	}
	cfg := &c.loop.g.cfg
	if host, _ := r.Header("Host"); !cfg.Origins.Allows(upgrade.Origin, host) {
		return http1.RefuseOrigin
	}
	extensions := c.negotiate(upgrade.Extensions)
	if isRoom {
		refusal = c.enter(r, name)
	} else {
		refusal = c.setEcho(r)
	}
	if refusal != nil {
		return refusal
	}
	c.state = open
	c.loop.upgraded.Add(1)
	protocol := http1.ChooseProtocol(upgrade.Protocols, cfg.Subprotocols)
	c.loop.out = http1.AppendSwitching(c.loop.out, upgrade.Key, protocol, extensions)
	c.flush()
	return nil
}

// negotiate answers the extensions that the peer offers.
func (c *conn) negotiate(offers string) (response string) {
	if !c.loop.g.cfg.Deflate || offers == "" {
		return ""
	}
	agreed, response, ok := deflate.Negotiate(offers)
	if ok {
		c.window = uint8(agreed.ServerMaxWindowBits)
	}
	return response
}

// enter joins the room. It comes before the answer is written, so that a socket that does not take the answer whole is a member
// held back, and nothing of the room can overtake the answer: the pass runs later, on this loop.
func (c *conn) enter(r *http1.Request, name string) *http1.Refusal {
	if len(name) == 0 || len(name) > 255 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return refuseRoom
	}
	own := true
	if value, ok := r.Query("self"); ok {
		if value != "0" && value != "1" {
			return refuseQuery
		}
		own = value == "1"
	}
	c.kind = room
	c.loop.g.hub.Join(c.loop.fan, &c.member, name, fanout.Variant(c.window), own)
	return nil
}

func (c *conn) setEcho(r *http1.Request) *http1.Refusal {
	c.kind = echo
	if value, ok := r.Query("type"); ok {
		if value != "text" {
			return refuseQuery
		}
		c.kind = echoText
	}
	return nil
}

// takeFrames handles the frames in b. It says whether a data message ended, or a control frame outside of one.
func (c *conn) takeFrames(in *input, b []byte) (ended bool) {
	cfg := &c.loop.g.frames[0]
	if c.window != 0 {
		cfg = &c.loop.g.frames[1]
	}
	for c.state == open || c.state == closing {
		m, n, ok, err := in.frames.Next(cfg, b)
		b = b[n:]
		if err != nil {
			c.violate(err.(*frame.Error))
			break
		}
		if !ok {
			break
		}
		ended = ended || !in.frames.InMessage()
		switch {
		case m.Op == ws.OpClose:
			c.takeClose(m.Payload)
		case c.state == closing: // whatever follows our own close frame is ignored
		case !c.paced():
			c.violate(errRate)
		case m.Op == ws.OpPing:
			c.answerPing(m.Payload)
		case m.Op == ws.OpPong:
		default:
			c.takeMessage(m)
		}
	}
	return ended
}

var errRate = &frame.Error{Code: ws.StatusPolicyViolation, Reason: "message-rate"}

// paced says whether the peer may send another message now.
func (c *conn) paced() bool {
	g := c.loop.g
	return !g.pace.limits() || g.pace.take(&c.paid, time.Since(g.start))
}

// takeClose answers the peer's close frame, unless it answers ours.
func (c *conn) takeClose(payload []byte) {
	if c.state == open {
		code, _, _ := frame.ParseClose(payload) // the parser delivers only valid ones
		c.loop.out = frame.AppendClose(c.loop.out, frame.ReplyCode(code), "")
		c.flush()
	}
	c.finish()
}

// violate fails the connection after the answers to what came before.
func (c *conn) violate(why *frame.Error) {
	c.flush()
	c.loop.g.reject(why.Reason)
	c.fail(why)
}

var errBinary = &frame.Error{Code: ws.StatusUnsupportedData, Reason: "binary"}

// takeMessage does what the endpoint does with a message.
func (c *conn) takeMessage(m frame.Message) {
	l := c.loop
	if m.Compressed {
		if err := l.inflate(&m); err != nil {
			c.violate(err.(*frame.Error))
			return
		}
	}
	l.messages.Add(1)
	if hook := l.g.cfg.beforeMessage; hook != nil {
		hook(m.Payload)
	}
	switch c.kind {
	case echoText:
		if m.Op == ws.OpBinary {
			c.violate(errBinary)
			return
		}
		fallthrough
	case echo:
		if c.window == 0 {
			l.out = frame.AppendFrame(l.out, m.Op, m.Payload)
		} else {
			l.out = appendCompressed(l.out, m.Op, m.Payload, fanout.Variant(c.window))
		}
		if len(l.out) >= fullOut {
			c.flush()
		}
	case room:
		c.member.Publish(frame.AppendHeader(l.header[:0], m.Op, true, false, len(m.Payload)), m.Payload)
		if forward := l.g.cfg.Forward; forward != nil {
			forward(c.member.Room(), m.Op, m.Payload)
		}
	}
}
