//go:build linux

package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"fanbench/server/deflate"
	"fanbench/server/frame"
)

// deflating is a raw connection that agreed on permessage-deflate.
type deflating struct {
	*raw
	bits int // of the server's window
}

// offer upgrades with the given extensions and returns what was agreed.
func offer(t testing.TB, g *Gateway, path, extensions string) (c *raw, agreed string) {
	t.Helper()
	c = connect(t, g)
	c.write(strings.Replace(request(path), "\r\n\r\n", "\r\nSec-WebSocket-Extensions: "+extensions+"\r\n\r\n", 1))
	response, err := http.ReadResponse(c.r, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: %v, %v", extensions, response, err)
	}
	return c, response.Header.Get("Sec-WebSocket-Extensions")
}

func upgradeDeflating(t testing.TB, g *Gateway, path string, bits int) *deflating {
	t.Helper()
	o := deflate.Offer{ServerMaxWindowBits: bits}
	c, agreed := offer(t, g, path, o.String())
	params, err := o.Accept(agreed)
	if err != nil {
		t.Fatal(err)
	}
	return &deflating{c, params.ServerMaxWindowBits}
}

// packed is a masked frame with RSV1.
func packed(op ws.OpCode, compressed []byte) string {
	b := frame.AppendMasked(nil, op, compressed, [4]byte{1, 2, 3, 4})
	b[0] |= 0x40
	return string(b)
}

func compress(payload string) []byte {
	return deflate.Compress(nil, []byte(payload), deflate.MaxWindowBits)
}

func (c *deflating) nextMessage() (op ws.OpCode, payload []byte, compressed bool) {
	c.t.Helper()
	header, err := ws.ReadHeader(c.r)
	if err != nil {
		c.t.Fatal(err)
	}
	payload = make([]byte, header.Length)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		c.t.Fatal(err)
	}
	if header.Rsv1() {
		if payload, err = deflate.Inflate(nil, payload, c.bits, 1<<30); err != nil {
			c.t.Fatal(err)
		}
	}
	return header.OpCode, payload, header.Rsv1()
}

// expectMessage reads a message and says whether it came compressed.
func (c *deflating) expectMessage(op ws.OpCode, want string) (compressed bool) {
	c.t.Helper()
	got, payload, compressed := c.nextMessage()
	if got != op || string(payload) != want {
		c.t.Fatalf("frame %x %.40q, want %x %.40q", got, payload, op, want)
	}
	return compressed
}

func TestNegotiation(t *testing.T) {
	const base = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	on, off := start(t, Config{Loops: 1, Deflate: true}), start(t, Config{Loops: 1})
	for offered, want := range map[string]string{
		"permessage-deflate":                                                base,
		"permessage-deflate; client_max_window_bits":                        base,
		"permessage-deflate; server_max_window_bits=9":                      base + "; server_max_window_bits=9",
		"x-unknown, permessage-deflate":                                     base,
		"permessage-deflate; server_max_window_bits=7":                      "",
		"permessage-deflate; x":                                             "",
		"permessage-deflate; server_max_window_bits=7, permessage-deflate":  base,
		"permessage-deflate; server_no_context_takeover; mystery, x-other ": "",
	} {
		c, got := offer(t, on, "/echo", offered)
		if got != want {
			t.Errorf("offered %q: answered %q, want %q", offered, got, want)
		}
		if want == "" {
			c.write(packed(ws.OpText, compress("x")))
			c.expectClose(ws.StatusProtocolError, "rsv")
		}
		if _, got := offer(t, off, "/echo", offered); got != "" {
			t.Errorf("offered %q to a server without: answered %q", offered, got)
		}
	}
}

func TestCompressedEcho(t *testing.T) {
	g := start(t, Config{Loops: 1, Deflate: true, MaxMessage: limit})
	for _, bits := range []int{0, 8, 9, 12, 15} {
		c := upgradeDeflating(t, g, "/echo", bits)
		for _, size := range []int{0, 1, 32, 125, 200, 70_000, limit} {
			message := payloadOf(size)
			c.write(packed(ws.OpText, compress(message)) + masked(ws.OpBinary, message))
			for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
				if got, want := c.expectMessage(op, message), size > 32; got != want {
					t.Errorf("window of %d bits, %d bytes: compressed %v, want %v", bits, size, got, want)
				}
			}
		}
	}
	// Independent of this project's own compressor: gorilla's.
	dialer := websocket.Dialer{EnableCompression: true}
	c, response, err := dialer.Dial("ws://"+g.Addr().String()+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if response.Header.Get("Sec-WebSocket-Extensions") == "" {
		t.Fatal("gorilla's offer was declined")
	}
	for _, size := range []int{0, 1, 100, 70_000} {
		send(t, c, payloadOf(size))
		expect(t, c, payloadOf(size))
	}
}

func TestCompressedInput(t *testing.T) {
	g := start(t, Config{Loops: 1, Deflate: true, MaxMessage: limit})
	fine := packed(ws.OpText, compress("before"))
	whole := compress(payloadOf(1000))
	for _, test := range []struct {
		name   string
		in     string
		code   ws.StatusCode
		reason string
	}{
		{"one byte over the limit", packed(ws.OpBinary, compress(payloadOf(limit+1))), ws.StatusMessageTooBig, "too-large"},
		{"64 KiB that inflate to 64 MiB", packed(ws.OpBinary, compress(strings.Repeat("\x00", 64<<20))), ws.StatusMessageTooBig, "too-large"},
		{"text that is not UTF-8", packed(ws.OpText, compress("a\xff")), ws.StatusInvalidFramePayloadData, "utf8"},
		{"corrupt", packed(ws.OpBinary, []byte{0xff, 0xff, 0xff}), ws.StatusInvalidFramePayloadData, "deflate"},
		{"cut", packed(ws.OpBinary, whole[:len(whole)/2]), ws.StatusInvalidFramePayloadData, "deflate"},
		{"a compressed ping", packed(ws.OpPing, []byte("x")), ws.StatusProtocolError, "rsv"},
		{"RSV1 on a continuation", "\x01\x80\x00\x00\x00\x00" + packed(ws.OpContinuation, whole), ws.StatusProtocolError, "rsv"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := upgradeDeflating(t, g, "/echo", 0)
			before := g.Stats().Rejected[test.reason]
			c.write(fine)
			c.expectMessage(ws.OpText, "before")
			c.write(fine + test.in)
			c.expectMessage(ws.OpText, "before")
			c.expectClose(test.code, test.reason)
			if got := g.Stats().Rejected[test.reason] - before; got != 1 {
				t.Errorf("rejected[%s] rose by %d, want 1", test.reason, got)
			}
		})
	}
	t.Run("in fragments, with a ping between them", func(t *testing.T) {
		c := upgradeDeflating(t, g, "/echo", 0)
		first := []byte(packed(ws.OpText, whole[:5]))
		first[0] &^= 0x80
		c.write(string(first) + masked(ws.OpPing, "?") + masked(ws.OpContinuation, string(whole[5:])))
		c.expect(ws.OpPong, "?")
		c.expectMessage(ws.OpText, payloadOf(1000))
	})
}

// A room whose members agreed on different things, or nothing, gives each the same messages in the same order, compressed once
// for each window size.
func TestCompressedFanOut(t *testing.T) {
	const publications = 50
	forwarded := make(chan string, publications)
	g := start(t, Config{Loops: 2, Deflate: true, Forward: func(_ string, _ ws.OpCode, payload []byte) {
		forwarded <- string(payload)
	}})
	plain := []*raw{upgrade(t, g, "/rooms/r"), upgrade(t, g, "/rooms/r")}
	var members []*deflating
	for _, bits := range []int{0, 0, 0, 9, 9, 15} {
		members = append(members, upgradeDeflating(t, g, "/rooms/r", bits))
	}
	apart := upgradeDeflating(t, g, "/rooms/r?self=0", 9)
	var want []string
	for i := range publications {
		want = append(want, fmt.Sprintf("publication %d %s", i, payloadOf(100+i)))
		apart.write(packed(ws.OpText, compress(want[i])))
	}
	for _, message := range want {
		if got := <-forwarded; got != message {
			t.Fatalf("forwarded %.30q, want %.30q, as it was before compression", got, message)
		}
	}
	want = append(want, payloadOf(500))
	g.Publish("r", ws.OpText, []byte(payloadOf(500))) // of another worker
	apart.expectMessage(ws.OpText, payloadOf(500))
	for _, c := range members {
		for i := range want {
			if !c.expectMessage(ws.OpText, want[i]) {
				t.Fatalf("publication %d came uncompressed", i)
			}
		}
	}
	for _, c := range plain {
		for i := range want {
			c.expect(ws.OpText, want[i])
		}
	}
	if got, windows := g.Stats().Encodings, uint64(2); got != windows*(publications+1) {
		t.Errorf("%d encodings, want %d: one per publication and window size", got, windows*(publications+1))
	}
}

// Where nobody agreed on it, nothing is compressed.
func TestNothingCompressedUnasked(t *testing.T) {
	g := start(t, Config{Loops: 1, Deflate: true})
	c := upgrade(t, g, "/rooms/r")
	c.write(masked(ws.OpText, payloadOf(1000)))
	c.expect(ws.OpText, payloadOf(1000))
	if got := g.Stats().Encodings; got != 0 {
		t.Errorf("%d encodings, want none", got)
	}
}

func TestAppendCompressed(t *testing.T) {
	prefix := []byte("before")
	for _, size := range []int{0, 1, 33, 300, 100_000} {
		payload := []byte(payloadOf(size))
		got := appendCompressed(slices.Clone(prefix), ws.OpBinary, payload, 15)
		if !bytes.HasPrefix(got, prefix) {
			t.Fatal("what was there is gone")
		}
		header, err := ws.ReadHeader(bytes.NewReader(got[len(prefix):]))
		if err != nil || header.OpCode != ws.OpBinary || !header.Fin {
			t.Fatalf("header %+v, %v", header, err)
		}
		if rest := len(got) - len(prefix) - ws.HeaderSize(header); int64(rest) != header.Length {
			t.Errorf("%d bytes: %d of payload, and the header says %d", size, rest, header.Length)
		}
	}
}
