//go:build linux

package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
)

const limit = 100_000

func TestEchoSizes(t *testing.T) {
	g := start(t, Config{MaxMessage: limit})
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, limit} {
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			t.Run(fmt.Sprintf("%d bytes, opcode %d", size, kind), func(t *testing.T) {
				c := dial(t, g, "/echo")
				want := payloadOf(size)
				if err := c.WriteMessage(kind, []byte(want)); err != nil {
					t.Fatal(err)
				}
				got, payload, err := c.ReadMessage()
				if err != nil || got != kind || string(payload) != want {
					t.Fatalf("read opcode %d, %d bytes, %v", got, len(payload), err)
				}
			})
		}
	}
	t.Run("over the limit", func(t *testing.T) {
		c := dial(t, g, "/echo")
		send(t, c, payloadOf(limit+1))
		expectClose(t, c, websocket.CloseMessageTooBig, "too-large")
		if got := g.Stats().Rejected["too-large"]; got != 1 {
			t.Errorf("rejected %d as too large, want 1", got)
		}
	})
}

func TestStreams(t *testing.T) {
	ping := masked(ws.OpPing, "are you there")
	for _, test := range []struct {
		name string
		path string
		in   string // after the handshake
		want func(c *raw)
	}{
		{"several frames at once", "/echo", masked(ws.OpText, "a") + masked(ws.OpBinary, "b") + masked(ws.OpText, payloadOf(300)),
			func(c *raw) {
				c.expect(ws.OpText, "a")
				c.expect(ws.OpBinary, "b")
				c.expect(ws.OpText, payloadOf(300))
			}},
		{"ping between messages", "/echo", masked(ws.OpText, "a") + ping + masked(ws.OpText, "b"),
			func(c *raw) { c.expect(ws.OpText, "a"); c.expect(ws.OpPong, "are you there"); c.expect(ws.OpText, "b") }},
		{"unsolicited pong", "/echo", masked(ws.OpPong, "x") + masked(ws.OpText, "a"),
			func(c *raw) { c.expect(ws.OpText, "a") }},
		{"ping in a room", "/rooms/r", ping,
			func(c *raw) { c.expect(ws.OpPong, "are you there") }},
		{"close is answered, and what follows is not", "/echo", masked(ws.OpClose, "\x0f\xa0bye") + masked(ws.OpText, "a") + ping,
			func(c *raw) { c.expectClose(4000, "") }},
		{"close without a code", "/echo", masked(ws.OpClose, ""),
			func(c *raw) { c.expect(ws.OpClose, ""); c.expectEnd() }},
		{"answers before a violation arrive before its close", "/echo", masked(ws.OpText, "a") + "\x81\x01a",
			func(c *raw) { c.expect(ws.OpText, "a"); c.expectClose(ws.StatusProtocolError, "unmasked") }},
		{"text that is not UTF-8", "/echo", masked(ws.OpText, "a\xff"),
			func(c *raw) { c.expectClose(ws.StatusInvalidFramePayloadData, "utf8") }},
		{"binary where text is wanted", "/echo?type=text", masked(ws.OpText, "a") + masked(ws.OpBinary, "b") + masked(ws.OpText, "c"),
			func(c *raw) { c.expect(ws.OpText, "a"); c.expectClose(ws.StatusUnsupportedData, "binary") }},
	} {
		for _, split := range []string{"glued to the handshake", "after it", "byte by byte"} {
			t.Run(test.name+", "+split, func(t *testing.T) {
				g := start(t, Config{Loops: 1})
				c := connect(t, g)
				switch split {
				case "glued to the handshake":
					c.write(request(test.path) + test.in)
				case "after it":
					c.write(request(test.path))
					c.switched()
					c.write(test.in)
				case "byte by byte":
					for _, b := range []byte(request(test.path) + test.in) {
						if _, err := c.Write([]byte{b}); err != nil {
							break // closed before the last byte, as some of them are
						}
					}
				}
				if split != "after it" {
					c.switched()
				}
				test.want(c)
			})
		}
	}
}

func TestRequestsRefused(t *testing.T) {
	g := start(t, Config{Loops: 1})
	host := " HTTP/1.1\r\nHost: x\r\n"
	for _, test := range []struct {
		request string
		status  int
		reason  string
	}{
		{request("/"), 404, "not-found"},
		{request("/metrics"), 404, "not-found"},
		{request("/rooms/a/b"), 404, "not-found"},
		{"GET /echo" + host + "\r\n", 400, "upgrade"},
		{strings.Replace(request("/echo"), "GET", "POST", 1), 405, "method"},
		{strings.Replace(request("/echo"), "Version: 13", "Version: 8", 1), 426, "version"},
		{request("/rooms/"), 400, "room"},
		{request("/rooms/" + strings.Repeat("x", 256)), 400, "room"},
		{request("/rooms/a%C2%85b"), 400, "room"},
		{request("/rooms/a%00b"), 400, "target"},
		{request("/rooms/a%FF"), 400, "target"},
		{request("/rooms/a?self=2"), 400, "query"},
		{request("/echo?type=image"), 400, "query"},
		{"GET /echo" + host + "X: " + strings.Repeat("x", 9000), 431, "line-size"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "request-line"},
	} {
		t.Run(test.reason+" "+test.request[:min(30, len(test.request))], func(t *testing.T) {
			before := g.Stats().Rejected[test.reason]
			c := connect(t, g)
			c.write(test.request + masked(ws.OpText, "never a second request"))
			response, err := http.ReadResponse(c.r, nil)
			if err != nil || response.StatusCode != test.status || !response.Close {
				t.Fatalf("response %v, %v, want %d and Connection: close", response, err, test.status)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Fatal(err)
			}
			c.expectEnd()
			if got := g.Stats().Rejected[test.reason] - before; got != 1 {
				t.Errorf("rejected[%s] rose by %d, want 1: %v", test.reason, got, g.Stats().Rejected)
			}
		})
	}
}

func TestDeadlines(t *testing.T) {
	g := start(t, Config{HandshakeTimeout: 30 * time.Millisecond, MessageTimeout: 30 * time.Millisecond, CloseTimeout: 30 * time.Millisecond})
	t.Run("silence instead of a request", func(t *testing.T) {
		c := connect(t, g)
		if response, err := http.ReadResponse(c.r, nil); err != nil || response.StatusCode != 408 {
			t.Fatalf("response %v, %v, want 408", response, err)
		}
	})
	t.Run("half a request", func(t *testing.T) {
		c := connect(t, g)
		c.write(request("/echo")[:40])
		if response, err := http.ReadResponse(c.r, nil); err != nil || response.StatusCode != 408 {
			t.Fatalf("response %v, %v, want 408", response, err)
		}
	})
	t.Run("half a frame", func(t *testing.T) {
		c := upgrade(t, g, "/echo")
		c.write(masked(ws.OpText, "abcdef")[:9])
		c.expectClose(ws.StatusPolicyViolation, "message-timeout")
	})
	t.Run("half a message", func(t *testing.T) {
		c := upgrade(t, g, "/rooms/r")
		c.write("\x01\x81\x00\x00\x00\x00a") // without FIN
		c.expectClose(ws.StatusPolicyViolation, "message-timeout")
	})
	t.Run("our end never answered", func(t *testing.T) {
		c := upgrade(t, g, "/echo")
		c.write("\xff\xff")
		before := g.Stats().GivenUp["timeout"]
		eventually(t, "socket closed", func() bool { return g.Stats().GivenUp["timeout"] > before })
	})
	eventually(t, "no connection left", func() bool { return g.Stats().Connections == 0 })
}

// A message's time begins anew with each message and with each control frame outside of one, but not with one within.
func TestMessageTimeBegins(t *testing.T) {
	ping := masked(ws.OpPing, "ping")
	begin, rest := ping[:3], ping[3:]
	fragment := "\x01\x81\x00\x00\x00\x00a"
	for _, test := range []struct {
		name   string
		before string
		anew   bool
	}{
		{"pings", "", true},
		{"pings within a message", fragment, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := start(t, Config{Loops: 1})
			l := g.loops()[0]
			deadline := func() uint32 { // 0 is none
				found := make(chan uint32, 1)
				l.execute(func() {
					for _, c := range l.wheel.hurried {
						if c.state == open {
							found <- c.deadline
							return
						}
					}
					found <- 0
				})
				return <-found
			}
			c := upgrade(t, g, "/echo")
			c.write(test.before + begin)
			eventually(t, "half of something arrived", func() bool { return deadline() != 0 })
			first := deadline()
			for range 5 {
				time.Sleep(2 * time.Millisecond) // deadlines are of whole milliseconds
				c.write(rest + begin)
				c.expect(ws.OpPong, "ping")
			}
			if last := deadline(); (last > first) != test.anew {
				t.Errorf("deadline %d ms, and %d ms after five pings; want it moved: %v", first, last, test.anew)
			}
		})
	}
}

func TestPings(t *testing.T) {
	g := start(t, Config{PingInterval: 50 * time.Millisecond, Loops: 1})
	answering, mute := dial(t, g, "/rooms/r"), upgrade(t, g, "/rooms/r")
	pinged := make(chan struct{}, 100)
	answer := answering.PingHandler()
	answering.SetPingHandler(func(data string) error {
		pinged <- struct{}{}
		return answer(data)
	})
	read := make(chan error, 1)
	go func() {
		_, _, err := answering.ReadMessage()
		read <- err
	}()
	mute.expect(ws.OpPing, "")
	mute.expect(ws.OpPing, "")
	mute.expectEnd()
	for range 4 { // longer than the mute one was given
		select {
		case <-pinged:
		case err := <-read:
			t.Fatalf("the one that answers was closed: %v", err)
		}
	}
	if s := g.Stats(); s.Rejected["silent"] != 1 || s.Connections != 1 {
		t.Errorf("rejected %v, %d connections; want 1 silent, 1 left", s.Rejected, s.Connections)
	}
	g.Publish("r", ws.OpText, []byte("x"))
	if err := <-read; err != nil {
		t.Fatal(err)
	}
}
