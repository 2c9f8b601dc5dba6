//go:build linux

package gateway

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"fanbench/server/internal/http1"
)

// expectStatus reads a whole response that ends the connection, and counts its reason.
func expectStatus(t *testing.T, g *Gateway, c *raw, status int, reason string) {
	t.Helper()
	response, err := http.ReadResponse(c.r, nil)
	if err != nil || response.StatusCode != status || !response.Close {
		t.Fatalf("response %v, %v, want %d and Connection: close", response, err, status)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	c.expectEnd()
	if got := g.Stats().Rejected[reason]; got != 1 {
		t.Errorf("rejected[%s] is %d, want 1: %v", reason, got, g.Stats().Rejected)
	}
}

// Those over a limit on connections get a complete answer, whether or not they ask, and others take the place of those who go.
func TestConnectionsOverTheLimit(t *testing.T) {
	for _, test := range []struct {
		reason string
		status int
		cfg    Config
		again  bool // the place of one who left is free at once
	}{
		{"connections", 503, Config{MaxConnections: 2}, true},
		{"connections-per-address", 429, Config{MaxPerAddress: 2}, true},
		{"handshake-rate", 429, Config{HandshakeRate: 2}, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			test.cfg.Loops = 2
			g := start(t, test.cfg)
			first, second := dial(t, g, "/echo"), dial(t, g, "/rooms/r")
			over := connect(t, g)
			over.write(request("/echo") + masked(ws.OpText, "never"))
			expectStatus(t, g, over, test.status, test.reason)
			_ = over.Close()
			send(t, second, "x")
			expect(t, second, "x")
			if got := g.Stats().Opened; got != 2 {
				t.Errorf("%d admitted, want 2", got)
			}
			if !test.again {
				return
			}
			_ = first.Close()
			eventually(t, "the first is gone", func() bool { return g.Stats().Connections == 1 })
			dial(t, g, "/echo")
		})
	}
}

func TestMessagesOverTheRate(t *testing.T) {
	for _, test := range []struct{ name, frame string }{
		{"empty messages", masked(ws.OpText, "")},
		{"pings", masked(ws.OpPing, "")},
		{"pongs", masked(ws.OpPong, "")},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := start(t, Config{Loops: 1, MessageRate: 1})
			c := upgrade(t, g, "/echo?type=text")
			c.write(masked(ws.OpText, "the first") + test.frame + test.frame)
			c.expect(ws.OpText, "the first")
			c.expectClose(ws.StatusPolicyViolation, "message-rate")
			if got := g.Stats().Rejected["message-rate"]; got != 1 {
				t.Errorf("rejected %v, want 1 for its rate", g.Stats().Rejected)
			}
		})
	}
	t.Run("a close is always heard", func(t *testing.T) {
		g := start(t, Config{Loops: 1, MessageRate: 1})
		c := upgrade(t, g, "/echo")
		c.write(masked(ws.OpText, "the first") + masked(ws.OpClose, "\x03\xe8"))
		c.expect(ws.OpText, "the first")
		c.expectClose(ws.StatusNormalClosure, "")
	})
}

func TestFragmentsOverTheLimit(t *testing.T) {
	g := start(t, Config{Loops: 1, MaxFragments: 3})
	first, middle, last := "\x01\x81\x00\x00\x00\x00a", "\x00\x80\x00\x00\x00\x00", "\x80\x81\x00\x00\x00\x00b"
	c := upgrade(t, g, "/echo")
	c.write(first + middle + last + first + middle + middle + last)
	c.expect(ws.OpText, "ab")
	c.expectClose(ws.StatusPolicyViolation, "fragments")
}

func TestOriginsAndSubprotocols(t *testing.T) {
	origins, err := http1.ParseOrigins([]string{"https://good.com", http1.OwnOrigin})
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, Config{Loops: 1, Origins: origins, Subprotocols: []string{"chat", "Chat.v2"}})
	for _, test := range []struct {
		headers  string
		status   int
		protocol string
	}{
		{"", 101, ""},
		{"Origin: https://good.com\r\n", 101, ""},
		{"Origin: http://x\r\n", 101, ""}, // the Host of the request
		{"Origin: https://good.com:8443\r\n", 403, ""},
		{"Origin: null\r\n", 403, ""},
		{"Sec-WebSocket-Protocol: other\r\n", 101, ""},
		{"Sec-WebSocket-Protocol: other, Chat.v2, chat\r\n", 101, "Chat.v2"},
		{"Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: chat\r\n", 101, "chat"},
		{"Sec-WebSocket-Protocol: CHAT\r\n", 101, ""},
		{"Sec-WebSocket-Protocol: chat, chat\r\n", 400, ""},
	} {
		c := connect(t, g)
		c.write(strings.TrimSuffix(request("/echo"), "\r\n") + test.headers + "\r\n")
		response, err := http.ReadResponse(c.r, nil)
		if err != nil || response.StatusCode != test.status {
			t.Fatalf("%q: %v, %v, want %d", test.headers, response, err, test.status)
		}
		values, named := response.Header["Sec-Websocket-Protocol"]
		if named != (test.protocol != "") || named && (len(values) != 1 || values[0] != test.protocol) {
			t.Errorf("%q: answered %q, want %q", test.headers, values, test.protocol)
		}
	}
	if got := g.Stats().Rejected["origin"]; got != 2 {
		t.Errorf("rejected %v, want 2 for their origin", g.Stats().Rejected)
	}
}

// Row 37: a peer that pings and does not read gets the answer to its last ping only, and has the server keep no more than that.
func TestPongsOfNonReader(t *testing.T) {
	const publication = 500_000 // fills both buffers, and is within the backlog
	g := start(t, Config{Loops: 1, SndBuf: 8 << 10})
	c := upgradeWith(t, g, "/rooms/r", 4<<10)
	g.Publish("r", ws.OpBinary, []byte(payloadOf(publication)))
	eventually(t, "lagging", func() bool { return g.Stats().Lagging == 1 })
	var flood strings.Builder
	for range 10_000 {
		flood.WriteString(masked(ws.OpPing, payloadOf(100)))
	}
	c.write(flood.String() + masked(ws.OpPing, "last") + masked(ws.OpText, "now read"))
	eventually(t, "all of it handled", func() bool { return g.Stats().Messages == 1 })
	held := make(chan int)
	l := g.loops()[0]
	l.execute(func() {
		l.wheel.each(func(c *conn) { held <- cap(c.held) })
	})
	if got := <-held; got > 1<<10 {
		t.Errorf("%d bytes held for 10,001 pings, want one pong", got)
	}
	c.expect(ws.OpBinary, payloadOf(publication))
	c.expect(ws.OpPong, "last")
	c.expect(ws.OpText, "now read")
	c.write(masked(ws.OpPing, "one") + masked(ws.OpPing, "two")) // to a reader, each is answered
	c.expect(ws.OpPong, "one")
	c.expect(ws.OpPong, "two")
}

// Row 56: a peer that does not answer our close is given up and counted.
func TestCloseNeverAnswered(t *testing.T) {
	g := start(t, Config{Loops: 1, CloseTimeout: 20 * time.Millisecond})
	c := upgrade(t, g, "/rooms/r")
	l := g.loops()[0]
	l.execute(func() { l.wheel.each(func(c *conn) { c.startClose(ws.StatusGoingAway, "") }) })
	c.expect(ws.OpClose, "\x03\xe9")
	eventually(t, "given up", func() bool { s := g.Stats(); return s.Rejected["close-timeout"] == 1 && s.Connections == 0 })
}

// Rows 17, 31 and 45: an end within something is counted, an end between two things is not.
func TestTruncated(t *testing.T) {
	g := start(t, Config{Loops: 1})
	head := request("/echo")
	for _, test := range []struct {
		name, in string
		counted  uint64
	}{
		{"nothing", "", 0},
		{"within the head", head[:10], 1},
		{"after the head", head, 0},
		{"within a frame's header", head + masked(ws.OpText, "abc")[:1], 1},
		{"within a frame's payload", head + masked(ws.OpText, "abc")[:8], 1},
		{"after a message", head + masked(ws.OpText, "abc"), 0},
		{"within a message", head + "\x01\x81\x00\x00\x00\x00a", 1},
		{"within a message, after a ping", head + "\x01\x81\x00\x00\x00\x00a" + masked(ws.OpPing, ""), 1},
		{"within a frame after a close", head + masked(ws.OpClose, "") + masked(ws.OpText, "abc")[:3], 0},
	} {
		before := g.Stats()
		c := connect(t, g)
		c.write(test.in)
		eventually(t, "accepted", func() bool { return g.Stats().Opened > before.Opened })
		_ = c.Conn.(*net.TCPConn).CloseWrite() // not Close: what is unread here would make it a reset, which may overtake
		eventually(t, test.name+": gone", func() bool { return g.Stats().Connections == 0 })
		if got := g.Stats().Rejected["truncated"] - before.Rejected["truncated"]; got != test.counted {
			t.Errorf("%s: counted %d, want %d", test.name, got, test.counted)
		}
	}
}
