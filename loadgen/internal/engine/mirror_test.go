package engine

import (
	"bufio"
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"fanbench/server/deflate"
	"fanbench/server/frame"
)

// otherEnd is a server's side of one connection, for a test to play.
type otherEnd struct {
	t *testing.T
	*net.TCPConn
	parser frame.Parser
	config frame.Config
	unread []byte
}

// serveOne accepts one connection, answers its handshake and has play do the
// rest.
func serveOne(t *testing.T, extension string, play func(*otherEnd)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		request, err := http.ReadRequest(bufio.NewReaderSize(conn, 16)) // nothing follows a handshake unasked
		if err != nil {
			t.Error(err)
			return
		}
		var extensions []string
		if extension != "" {
			extensions = append(extensions, extension)
		}
		e := &otherEnd{t: t, TCPConn: conn.(*net.TCPConn),
			config: frame.Config{MaxMessage: 16 << 20, CheckUTF8: true, Compression: extension != ""}}
		e.send(switching(request.Header.Get("Sec-WebSocket-Key"), extensions...))
		play(e)
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return netip.MustParseAddrPort(listener.Addr().String())
}

func (e *otherEnd) send(b []byte) {
	if _, err := e.Write(b); err != nil {
		e.t.Error(err)
	}
}

// next is what arrives next; false at the end of the stream.
func (e *otherEnd) next() (m frame.Message, more bool) {
	buffer := make([]byte, 256<<10)
	for {
		m, n, ok, err := e.parser.Next(&e.config, e.unread)
		e.unread = e.unread[n:]
		if err != nil {
			e.t.Error(err)
			return m, false
		}
		if ok {
			return m, true
		}
		if n, err = e.Read(buffer); err != nil {
			return m, false
		}
		e.unread = append(e.unread[:0:0], buffer[:n]...)
	}
}

func (e *otherEnd) expect(op ws.OpCode, payload []byte) {
	e.t.Helper()
	m, more := e.next()
	whole := m.Payload
	if m.Compressed {
		var err error
		if whole, err = deflate.Inflate(nil, m.Payload, deflate.MaxWindowBits, e.config.MaxMessage); err != nil {
			e.t.Error(err)
		}
	}
	if !more || m.Op != op || !bytes.Equal(whole, payload) {
		e.t.Errorf("got %v of %d bytes, want %v of %d", m.Op, len(whole), op, len(payload))
	}
}

func converse(t *testing.T, ctx context.Context, address netip.AddrPort) Conversation {
	t.Helper()
	talk, err := Converse(ctx, Dial{Address: address, Host: "h", Path: "/", Timeout: 20 * time.Second, MaxMessage: 16 << 20, Deflate: true},
		func(ws.OpCode, []byte) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return talk
}

func TestConverse(t *testing.T) {
	normal := frame.AppendClosePayload(nil, ws.StatusNormalClosure, "done")
	talk := converse(t, context.Background(), serveOne(t, "", func(e *otherEnd) {
		e.send(frame.AppendFrame(nil, ws.OpText, []byte("κόσμε")))
		e.expect(ws.OpText, []byte("κόσμε"))
		fragments := append([]byte{0x02, 1, 'a'}, frame.AppendFrame(nil, ws.OpPing, []byte("p"))...)
		e.send(append(fragments, 0x80, 1, 'b'))
		e.expect(ws.OpPong, []byte("p"))
		e.expect(ws.OpBinary, []byte("ab"))
		last := frame.AppendFrame(nil, ws.OpText, []byte("last"))
		last = frame.AppendFrame(last, ws.OpClose, normal)
		e.send(append(last, frame.AppendFrame(nil, ws.OpText, []byte("after Close"))...))
		e.expect(ws.OpText, []byte("last"))
		e.expect(ws.OpClose, normal[:2])
		e.send(frame.AppendFrame(nil, ws.OpPing, nil))
		if err := e.CloseWrite(); err != nil {
			e.t.Error(err)
		}
		if m, more := e.next(); more {
			e.t.Errorf("%v after Close", m.Op)
		}
	}))
	if !talk.Opened || talk.Messages != 3 || talk.Ended.Bucket != "closed-1000" || talk.Ended.First != "close code 1000: done" {
		t.Errorf("%+v", talk)
	}
}

// TestConverseFails: what came before a violation, in the same read, is still
// sent back; then there is a Close frame with the right code, and nothing more.
func TestConverseFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes []byte
		code  ws.StatusCode
	}{
		{"RSV3", []byte{0x91, 0}, 1002},
		{"RSV1 without an extension", []byte{0xc1, 0}, 1002},
		{"reserved control opcode", []byte{0x8b, 0}, 1002},
		{"masked frame", frame.AppendMasked(nil, ws.OpText, nil, [4]byte{}), 1002},
		{"ping of 126 bytes", append([]byte{0x89, 126, 0, 126}, make([]byte, 126)...), 1002},
		{"a message inside a message", []byte{0x01, 1, 'a', 0x81, 1, 'b'}, 1002},
		{"bad UTF-8 in fragment 2 of 3", []byte{0x01, 1, 'a', 0x00, 1, 0xff}, 1007},
		{"bad UTF-8 in a frame that is cut", []byte{0x81, 125, 'a', 0xed, 0xa0, 0x80}, 1007},
		{"one byte more than the limit declared", []byte{0x82, 127, 0, 0, 0, 0, 1, 0, 0, 1}, 1009},
		{"Close of one byte", []byte{0x88, 1, 3}, 1002},
		{"Close with 1006", []byte{0x88, 2, 0x03, 0xee}, 1002},
		{"Close with a reason that is not UTF-8", []byte{0x88, 3, 0x03, 0xe8, 0xff}, 1007},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := converse(t, context.Background(), serveOne(t, "", func(e *otherEnd) {
				e.send(append(frame.AppendFrame(nil, ws.OpText, []byte("before")), c.bytes...))
				e.expect(ws.OpText, []byte("before"))
				e.expect(ws.OpClose, frame.AppendClosePayload(nil, c.code, ""))
				e.send(frame.AppendFrame(nil, ws.OpText, []byte("after")))
				if err := e.CloseWrite(); err != nil {
					e.t.Error(err)
				}
				if m, more := e.next(); more {
					e.t.Errorf("%v after Close", m.Op)
				}
			}))
			if talk.Messages != 1 || !strings.HasPrefix(talk.Ended.Bucket, "protocol-") {
				t.Errorf("%+v", talk)
			}
		})
	}
}

// TestConverseLarge sends back more than sockets hold, compressed and not, while
// the other end reads nothing until it has written everything.
func TestConverseLarge(t *testing.T) {
	random := make([]byte, 16<<20)
	rand.NewChaCha8([32]byte{}).Read(random)
	for name, c := range map[string]struct {
		extension string
		message   []byte
		send      []byte
	}{
		"plain":          {"", random, frame.AppendFrame(nil, ws.OpBinary, random)},
		"compressed":     {agreeing, make([]byte, 16<<20), compressedFrame(ws.OpBinary, deflate.Compress(nil, make([]byte, 16<<20), peerWindow))},
		"incompressible": {agreeing, random, frame.AppendFrame(nil, ws.OpBinary, random)},
	} {
		t.Run(name, func(t *testing.T) {
			talk := converse(t, context.Background(), serveOne(t, c.extension, func(e *otherEnd) {
				e.send(c.send)
				e.send(frame.AppendClose(nil, ws.StatusGoingAway, ""))
				e.expect(ws.OpBinary, c.message)
				e.expect(ws.OpClose, frame.AppendClosePayload(nil, ws.StatusGoingAway, ""))
			}))
			if talk.Messages != 1 || talk.Deflated != (c.extension != "") {
				t.Errorf("%+v", talk)
			}
		})
	}
}

func TestConverseEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	talk := converse(t, ctx, serveOne(t, "", func(e *otherEnd) {
		cancel()
		e.expect(ws.OpClose, frame.AppendClosePayload(nil, ws.StatusNormalClosure, ""))
	}))
	// The end may come before the answer to the handshake is read.
	if talk.Messages != 0 || talk.Opened != (talk.Ended.Bucket == "") || !talk.Opened && talk.Ended.Bucket != bucketInterrupted {
		t.Errorf("given up: %+v", talk)
	}
	if talk := converse(t, context.Background(), refusedAddress(t)); talk.Opened || talk.Ended.Bucket != bucketRefused {
		t.Errorf("refused: %+v", talk)
	}
}
