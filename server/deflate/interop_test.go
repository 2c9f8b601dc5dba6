package deflate

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"fanbench/server/frame"
	"fanbench/server/internal/http1"
)

const patience = 10 * time.Second

const maxMessage = 1 << 20

var exchanged = map[string][]byte{
	"empty":  nil,
	"short":  []byte("Hello"),
	"text":   textBytes(10_000),
	"random": randomBytes(10_000),
	"zeros":  make([]byte, maxMessage),
}

// echo returns what it receives, smaller where it can, until a Close.
func echo(conn net.Conn, in *bufio.Reader, p Params) error {
	cfg := &frame.Config{Role: frame.Server, MaxMessage: maxMessage, Compression: true}
	var parser frame.Parser
	defer parser.Release()
	chunk := make([]byte, 4096)
	for {
		n, err := in.Read(chunk)
		if err != nil {
			return err
		}
		for rest := chunk[:n]; ; {
			m, used, ok, err := parser.Next(cfg, rest)
			if err != nil {
				return err
			}
			if rest = rest[used:]; !ok {
				break
			}
			if m.Op == ws.OpClose {
				_, err := conn.Write(frame.AppendClose(nil, ws.StatusNormalClosure, ""))
				return err
			}
			message := m.Payload
			if m.Compressed {
				if message, err = Inflate(nil, message, p.ClientMaxWindowBits, maxMessage); err != nil {
					return err
				}
			}
			payload, compressed := Shrink(nil, message, p.ServerMaxWindowBits)
			if _, err := conn.Write(append(frame.AppendHeader(nil, m.Op, true, compressed, len(payload)), payload...)); err != nil {
				return err
			}
		}
	}
}

// echoServer negotiates as the server does. The test ends when its connections
// have.
func echoServer(t *testing.T) (url string) {
	var served sync.WaitGroup
	t.Cleanup(served.Wait)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		defer served.Done()
		p, response, ok := Negotiate(r.Header.Get("Sec-WebSocket-Extensions"))
		if !ok {
			t.Errorf("declined %q", r.Header.Get("Sec-WebSocket-Extensions"))
		}
		conn, in, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Error(err)
		}
		answer := http1.AppendSwitching(nil, r.Header.Get("Sec-WebSocket-Key"), "", response)
		if _, err := conn.Write(answer); err != nil {
			t.Error(err)
		}
		if err := echo(conn, in.Reader, p); err != nil {
			t.Errorf("echo: %v", err)
		}
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func TestWithGorillaAsClient(t *testing.T) {
	dialer := websocket.Dialer{EnableCompression: true, HandshakeTimeout: patience}
	conn, response, err := dialer.Dial(echoServer(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := response.Header.Get("Sec-WebSocket-Extensions"); got != plainResponse {
		t.Errorf("answered by %q", got)
	}
	for name, message := range exchanged {
		if err := conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	closing := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := conn.WriteMessage(websocket.CloseMessage, closing); err != nil {
		t.Error(err)
	}
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("closed by %v", err)
	}
}

func TestWithCoderAsClient(t *testing.T) {
	for _, mode := range []coder.CompressionMode{coder.CompressionContextTakeover, coder.CompressionNoContextTakeover} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conn, _, err := coder.Dial(ctx, echoServer(t), &coder.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			conn.SetReadLimit(2 * maxMessage)
			for range 2 {
				for name, message := range exchanged {
					if err := conn.Write(ctx, coder.MessageBinary, message); err != nil {
						t.Fatal(err)
					}
					if _, got, err := conn.Read(ctx); err != nil || !bytes.Equal(got, message) {
						t.Fatalf("%s: %d bytes, %v", name, len(got), err)
					}
				}
			}
			if err := conn.Close(coder.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

// exchange offers as the load generator does to a foreign server, and sends
// and receives compressed messages.
func exchange(t *testing.T, address string) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	offer := Offer{}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: %s\r\n\r\n", address, offer)
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answered by %+v, %v", response, err)
	}
	p, err := offer.Accept(response.Header.Get("Sec-WebSocket-Extensions"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &frame.Config{Role: frame.Client, MaxMessage: 2 * maxMessage, Compression: true}
	var parser frame.Parser
	defer parser.Release()
	for name, message := range exchanged {
		masked := frame.AppendMasked(nil, ws.OpBinary, Compress(nil, message, p.ClientMaxWindowBits), [4]byte{1, 2, 3, 4})
		masked[0] |= 0x40 // RSV1
		if _, err := conn.Write(masked); err != nil {
			t.Fatal(err)
		}
		got, compressed := receive(t, in, &parser, cfg, p)
		if !bytes.Equal(got, message) || name == "text" && !compressed {
			t.Errorf("%s: %d bytes, compressed is %v", name, len(got), compressed)
		}
	}
}

func receive(t *testing.T, in *bufio.Reader, parser *frame.Parser, cfg *frame.Config, p Params) (message []byte, compressed bool) {
	chunk := make([]byte, 4096)
	for {
		n, err := in.Read(chunk)
		if err != nil {
			t.Fatal(err)
		}
		m, used, ok, err := parser.Next(cfg, chunk[:n])
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			continue
		}
		if used != n {
			t.Fatalf("%d bytes after the message", n-used)
		}
		if !m.Compressed {
			return bytes.Clone(m.Payload), false
		}
		if message, err = Inflate(nil, m.Payload, p.ServerMaxWindowBits, maxMessage); err != nil {
			t.Fatal(err)
		}
		return message, true
	}
}

func TestWithGorillaAsServer(t *testing.T) {
	upgrader := websocket.Upgrader{EnableCompression: true}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if err := conn.WriteMessage(kind, message); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	exchange(t, server.Listener.Addr().String())
}

func TestWithCoderAsServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: coder.CompressionNoContextTakeover})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(2 * maxMessage)
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), kind, message); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	exchange(t, server.Listener.Addr().String())
}
