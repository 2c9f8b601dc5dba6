package frame

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
)

func addFrames(f *testing.F, add func(sent []byte)) {
	for _, test := range drawnFrames {
		add(wire(f, test.sent))
	}
	add(masked(0x81, string(bytes.Repeat([]byte("z"), 300))))
}

// A connection's outcome depends on its bytes, not on how they were split.
func FuzzParserSplits(f *testing.F) {
	addFrames(f, func(sent []byte) {
		f.Add(sent, uint16(1), uint8(0))
		f.Add(sent, uint16(7), uint8(3))
	})
	configs := []*Config{serverEnd, clientEnd, deflating, small}
	f.Fuzz(func(t *testing.T, sent []byte, step uint16, config uint8) {
		cfg := configs[int(config)%len(configs)]
		whole := feed(cfg, [][]byte{sent})
		chunks := slices.Collect(slices.Chunk(sent, int(step)+1))
		if got := feed(cfg, chunks); !slices.Equal(got, whole) {
			t.Errorf("in pieces of %d bytes: %v, whole: %v", int(step)+1, got, whole)
		}
	})
}

// An independent reader gets the same messages. It is the more lenient one: it
// takes lengths that are not minimal, and knows no limits. Of the registered
// close codes it lacks 1014.
func FuzzParserAgainstGorilla(f *testing.F) {
	addFrames(f, func(sent []byte) { f.Add(sent) })
	cfg := &Config{Role: Server, MaxMessage: 1 << 16}
	f.Fuzz(func(t *testing.T, sent []byte) {
		ours, code, end := readOurs(cfg, sent)
		theirs, closed := readGorilla(t, sent, len(ours)+1)
		strict := end != nil && slices.Contains([]string{"length", "too-large", "fragments"}, end.Reason)
		if strict {
			theirs = theirs[:min(len(ours), len(theirs))]
		}
		if !slices.EqualFunc(ours, theirs, bytes.Equal) {
			t.Fatalf("messages %q, by gorilla %q (our end: %v)", ours, theirs, end)
		}
		if end == nil && closed == websocket.CloseProtocolError && code != StatusBadGateway {
			t.Fatalf("gorilla sees a fault where none was reported")
		}
	})
}

// readOurs collects the data messages up to the first error or Close, and the
// Close's code.
func readOurs(cfg *Config, sent []byte) (messages [][]byte, code ws.StatusCode, end *Error) {
	var p Parser
	defer p.Release()
	for rest := bytes.Clone(sent); ; {
		m, n, ok, err := p.Next(cfg, rest)
		if err != nil {
			errors.As(err, &end)
			return messages, 0, end
		}
		if !ok {
			return messages, 0, nil
		}
		if m.Op == ws.OpClose {
			code, _, _ = ParseClose(m.Payload)
			return messages, code, nil
		}
		if !m.Op.IsControl() {
			messages = append(messages, bytes.Clone(m.Payload))
		}
		rest = rest[n:]
	}
}

// readGorilla does the same with gorilla/websocket, for at most limit messages,
// and returns the code with which it would fail the connection.
func readGorilla(t *testing.T, sent []byte, limit int) (messages [][]byte, code int) {
	peer := &scripted{input: bytes.NewReader(sent)}
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	conn, err := new(websocket.Upgrader).Upgrade(peer, request, nil)
	if err != nil {
		t.Fatalf("upgrade: %v", err)
	}
	peer.output.Reset()
	conn.SetCloseHandler(func(int, string) error { return nil })
	for len(messages) < limit {
		_, message, err := conn.ReadMessage()
		if err != nil {
			break
		}
		messages = append(messages, message)
	}
	var p Parser
	for rest := peer.output.Bytes(); ; {
		m, n, ok, err := p.Next(clientEnd, rest)
		if !ok || err != nil {
			return messages, code
		}
		if m.Op == ws.OpClose {
			received, _, _ := ParseClose(m.Payload)
			code = int(received)
		}
		rest = rest[n:]
	}
}

// scripted is a hijackable response writer over a peer that sends its input and
// goes.
type scripted struct {
	input  *bytes.Reader
	output bytes.Buffer
}

func (s *scripted) Header() http.Header         { return http.Header{} }
func (s *scripted) WriteHeader(int)             {}
func (s *scripted) Read(p []byte) (int, error)  { return s.input.Read(p) }
func (s *scripted) Write(p []byte) (int, error) { return s.output.Write(p) }
func (s *scripted) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn := struct {
		io.ReadWriter
		noAddresses
	}{ReadWriter: s}
	return conn, bufio.NewReadWriter(bufio.NewReader(s), bufio.NewWriter(s)), nil
}

type noAddresses struct{}

func (noAddresses) Close() error                     { return nil }
func (noAddresses) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (noAddresses) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (noAddresses) SetDeadline(time.Time) error      { return nil }
func (noAddresses) SetReadDeadline(time.Time) error  { return nil }
func (noAddresses) SetWriteDeadline(time.Time) error { return nil }
