package nulltarget

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/stamp"
	"fanbench/server/frame"
)

// conn is one connection from accept to close.
type conn struct {
	fd      int
	open    bool // the handshake is done
	gone    bool
	armed   bool  // waits for the socket to take more
	room    *room // nil for an echo
	member  int   // its place among the room's members, -1 for a publisher
	request []byte
	parser  frame.Parser

	own  []byte // to be written before all else: answers, replies, faulty deliveries
	next int    // the room's first frame that has not been written whole
	at   int    // bytes of the room's log that have been written
}

// receive takes one read's worth: there is another event if there is more.
func (l *loop) receive(c *conn) {
	n, errno := read(c.fd, l.input)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return
	case errno != 0 || n == 0:
		l.drop(c)
		return
	}
	b := l.input[:n]
	if !c.open {
		if b = l.shake(c, b); !c.open {
			return
		}
	}
	for len(b) > 0 && !c.gone {
		m, used, ok, err := c.parser.Next(&l.frames, b)
		if err != nil {
			l.drop(c)
			return
		}
		b = b[used:]
		if ok {
			l.message(c, m)
		}
	}
	if len(c.own) > 0 && !c.gone {
		l.advance(c)
	}
}

// message does what one message asks for.
func (l *loop) message(c *conn, m frame.Message) {
	switch {
	case m.Op == ws.OpPong:
	case m.Op == ws.OpPing:
		c.own = frame.AppendFrame(c.own, ws.OpPong, m.Payload)
	case m.Op == ws.OpClose: // the same code back, and it is for us to close (RFC 6455 §5.5.1, §7.1.1)
		c.own = frame.AppendFrame(c.own, ws.OpClose, m.Payload)
		l.advance(c)
		l.drop(c)
	case c.room == nil:
		l.report.Publications++
		c.own = frame.AppendFrame(c.own, m.Op, m.Payload)
	default:
		l.take(c.room, m)
	}
}

// take accepts a publication for a room, now or when its delay is over.
func (l *loop) take(r *room, m frame.Message) {
	l.report.Publications++
	if l.config.Stall > 0 && l.report.Publications == l.config.StallAt {
		time.Sleep(l.config.Stall) // the thread's own: nothing is read or written meanwhile
	}
	l.encoded = frame.AppendFrame(l.encoded[:0], m.Op, m.Payload)
	e := entry{publisher: -1, payload: len(m.Payload)}
	if s, verdict := stamp.Find(m.Payload); verdict == stamp.Sound {
		e.publisher, e.sequence, e.due = s.Publisher, s.Sequence, s.Due
		if n := len(l.config.Delays); n > 0 {
			if q := l.delayed[l.config.Delays[s.Publisher%n]]; q != nil {
				q.waiting = append(q.waiting, held{r, bytes.Clone(l.encoded), e, clock.Now() + int64(q.delay)})
				return
			}
		}
	}
	l.publish(r, l.encoded, e)
}

const (
	guid     = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 §1.3
	maxHead  = 16 << 10                               // bytes of a request
	notFound = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)

// shake answers the opening handshake once its head is whole, and returns what
// follows it.
func (l *loop) shake(c *conn, b []byte) (rest []byte) {
	c.request = append(c.request, b...)
	head, rest, whole := bytes.Cut(c.request, []byte("\r\n\r\n"))
	if !whole {
		if len(c.request) > maxHead {
			l.drop(c)
		}
		return nil
	}
	c.request = nil
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	_, target, _ := strings.Cut(string(line), " ")
	target, _, _ = strings.Cut(target, " ")
	path, query, _ := strings.Cut(target, "?")
	name, inRoom := strings.CutPrefix(path, "/rooms/")
	if !inRoom && path != "/echo" {
		_, _ = write(c.fd, []byte(notFound))
		l.drop(c)
		return nil
	}
	c.open, c.member = true, -1
	sum := sha1.Sum([]byte(field(fields, "Sec-WebSocket-Key") + guid))
	c.own = append(c.own, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n"...)
	if inRoom {
		l.join(c, name, query != "self=0")
	}
	l.advance(c)
	return rest
}

// field finds a header field's value, "" if it is not there.
func field(fields []byte, name string) string {
	for line := range bytes.SplitSeq(fields, []byte("\r\n")) {
		if key, value, _ := bytes.Cut(line, []byte(":")); strings.EqualFold(string(key), name) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// drop closes a connection, with whatever has not been written.
func (l *loop) drop(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	c.parser.Release()
	if c.room != nil && c.member >= 0 {
		c.room.members[c.member] = nil // the others keep their places
	}
	l.conns[c.fd] = nil
	_ = unix.Close(c.fd) // free either way
}
