//go:build linux

package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"fanbench/server/frame"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(child())
	}
	// gnet keeps a worker pool of its own from its first import on.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// patience is how long a test waits for a state before it gives up.
const patience = 20 * time.Second

// start serves without pings, unless cfg says otherwise.
func start(t testing.TB, cfg Config) *Gateway {
	t.Helper()
	defaultTo(&cfg.PingInterval, -1)
	defaultTo(&cfg.FanoutIO, fanoutIO)
	cfg.Listen = "127.0.0.1:0"
	g, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := g.Drain(now, 0); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return g
}

// dial opens a connection with an independent implementation.
func dial(t testing.TB, g *Gateway, path string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+g.Addr().String()+path, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", path, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c
}

func send(t testing.TB, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
}

func expect(t testing.TB, c *websocket.Conn, want string) {
	t.Helper()
	if _, got, err := c.ReadMessage(); err != nil || string(got) != want {
		t.Fatalf("read %.40q, %v, want %.40q", got, err, want)
	}
}

func expectClose(t testing.TB, c *websocket.Conn, code int, reason string) {
	t.Helper()
	_, got, err := c.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Text != reason {
		t.Fatalf("read %.40q, %v, want close %d %q", got, err, code, reason)
	}
}

// raw is a connection whose bytes the test writes and reads itself.
type raw struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func connect(t testing.TB, g *Gateway) *raw {
	t.Helper()
	return connectWith(t, g, 0)
}

// connectWith sets the receive buffer, in bytes, before the connection is made, so that it also bounds the window.
func connectWith(t testing.TB, g *Gateway, receive int) *raw {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		if receive == 0 {
			return nil
		}
		var err error
		return errors.Join(rc.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receive)
		}), err)
	}}
	c, err := dialer.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &raw{t: t, Conn: c, r: bufio.NewReader(c)}
}

func request(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// upgrade is connect and a whole handshake.
func upgrade(t testing.TB, g *Gateway, path string) *raw {
	t.Helper()
	return upgradeWith(t, g, path, 0)
}

// upgradeWith is connectWith and a whole handshake.
func upgradeWith(t testing.TB, g *Gateway, path string, receive int) *raw {
	t.Helper()
	c := connectWith(t, g, receive)
	c.write(request(path))
	c.switched()
	return c
}

func (c *raw) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *raw) switched() {
	c.t.Helper()
	response, err := http.ReadResponse(c.r, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("response %v, %v, want 101", response, err)
	}
	if got := response.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		c.t.Fatalf("accept key %q is not that of RFC 6455 §1.3", got)
	}
}

// next reads one frame.
func (c *raw) next() (op ws.OpCode, payload []byte, err error) {
	header, err := ws.ReadHeader(c.r)
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, header.Length)
	_, err = io.ReadFull(c.r, payload)
	return header.OpCode, payload, err
}

func (c *raw) expect(op ws.OpCode, want string) {
	c.t.Helper()
	got, payload, err := c.next()
	if err != nil || got != op || string(payload) != want {
		c.t.Fatalf("frame %x %.40q, %v, want %x %.40q", got, payload, err, op, want)
	}
}

func (c *raw) expectClose(code ws.StatusCode, reason string) {
	c.t.Helper()
	c.expect(ws.OpClose, string(frame.AppendClosePayload(nil, code, reason)))
	c.expectEnd()
}

// expectEnd wants the server's end of the stream, in order and not as a reset.
func (c *raw) expectEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Fatalf("read %.40q, %v, want the end", rest, err)
	}
}

// masked is a frame as a server wants it.
func masked(op ws.OpCode, payload string) string {
	return string(frame.AppendMasked(nil, op, []byte(payload), [4]byte{1, 2, 3, 4}))
}

// eventually waits for a state.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func payloadOf(n int) string { return strings.Repeat("payload ", n/8+1)[:n] }

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// numbered is a message of size bytes, 3 at least, that tells which it is.
func numbered(i, size int) string {
	b := bytes.Repeat([]byte{'.'}, size)
	copy(b, []byte{byte('A' + i/676%26), byte('A' + i/26%26), byte('A' + i%26)})
	return string(b)
}
