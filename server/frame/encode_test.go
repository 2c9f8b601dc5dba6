package frame

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

func TestAppendHeader(t *testing.T) {
	tests := []struct {
		op        ws.OpCode
		fin, rsv1 bool
		length    int
		want      string
	}{
		{ws.OpText, true, false, 0, "1 000 0001  0 0000000"},
		{ws.OpText, true, true, 125, "1 100 0001  0 1111101"},
		{ws.OpBinary, false, false, 126, "0 000 0010  0 1111110 x007e"},
		{ws.OpContinuation, true, false, 65535, "1 000 0000  0 1111110 xffff"},
		{ws.OpBinary, true, false, 65536, "1 000 0010  0 1111111 x0000000000010000"},
		{ws.OpBinary, true, false, 1 << 40, "1 000 0010  0 1111111 x0000010000000000"},
	}
	for _, test := range tests {
		got := AppendHeader(nil, test.op, test.fin, test.rsv1, test.length)
		if want := wire(t, test.want); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %x, want %x", test.length, got, want)
		}
		if n := HeaderLen(test.length); n != len(got) {
			t.Errorf("HeaderLen(%d) = %d, the header has %d bytes", test.length, n, len(got))
		}
	}
}

// What one end writes, the other reads.
func TestRoundTrip(t *testing.T) {
	for _, length := range []int{0, 1, 4, 15, 16, 17, 125, 126, 1000, 65535, 65536} {
		payload := bytes.Repeat([]byte("x"), length)
		for name, test := range map[string]struct {
			cfg   *Config
			frame []byte
		}{
			"to a server": {serverEnd, AppendMasked(nil, ws.OpBinary, payload, [4]byte{1, 2, 3, 250})},
			"to a client": {clientEnd, AppendFrame(nil, ws.OpBinary, payload)},
		} {
			var p Parser
			m, n, ok, err := p.Next(test.cfg, test.frame)
			if !ok || err != nil || n != len(test.frame) || m.Op != ws.OpBinary || !bytes.Equal(m.Payload, payload) {
				t.Errorf("%s, %d bytes: %d read, ok %v, error %v", name, length, n, ok, err)
			}
		}
	}
}

// The examples of RFC 6455 §5.7.
func TestExamplesOfTheRFC(t *testing.T) {
	hello := []byte("Hello")
	if got, want := AppendFrame(nil, ws.OpText, hello), wire(t, "x810548656c6c6f"); !bytes.Equal(got, want) {
		t.Errorf("unmasked: %x, want %x", got, want)
	}
	got := AppendMasked(nil, ws.OpText, hello, [4]byte{0x37, 0xfa, 0x21, 0x3d})
	if want := wire(t, "x818537fa213d7f9f4d5158"); !bytes.Equal(got, want) {
		t.Errorf("masked: %x, want %x", got, want)
	}
	if string(hello) != "Hello" {
		t.Errorf("masking changed the payload to %q", hello)
	}
}
