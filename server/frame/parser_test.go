package frame

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

var (
	serverEnd = &Config{Role: Server, CheckUTF8: true}
	clientEnd = &Config{Role: Client, CheckUTF8: true}
	deflating = &Config{Role: Server, CheckUTF8: true, Compression: true}
	small     = &Config{Role: Server, CheckUTF8: true, MaxMessage: 10, MaxFragments: 4}
)

// The rows are those of the table of bad input, by their numbers.
var drawnFrames = []struct {
	row  string
	cfg  *Config
	sent string
	want outcome
}{
	//                     F RSV op    M length   extended length          mask       payload
	{"text", serverEnd, "1 000 0001  1 0000101                           m37fa213d  'Hello'", outcome{`text "Hello"`}},
	{"binary", serverEnd, "1 000 0010  1 0000010                           m37fa213d  'ab'", outcome{`binary "ab"`}},
	{"empty", serverEnd, "1 000 0001  1 0000000                           m37fa213d", outcome{`text ""`}},
	{"unmasked to a client", clientEnd, "1 000 0001  0 0000101 'Hello'", outcome{`text "Hello"`}},
	{"24 unmasked", serverEnd, "1 000 0001  0 0000101 'Hello'", outcome{"1002 unmasked"}},
	{"24 unmasked ping", serverEnd, "1 000 1001  0 0000000", outcome{"1002 unmasked"}},
	{"24 masked to a client", clientEnd, "1 000 0001  1 0000000 m37fa213d", outcome{"1002 masked"}},
	{"25 RSV1", serverEnd, "1 100 0001  1 0000000 m37fa213d", outcome{"1002 rsv"}},
	{"25 RSV2", serverEnd, "1 010 0001  1 0000000 m37fa213d", outcome{"1002 rsv"}},
	{"25 RSV3", serverEnd, "1 001 0001  1 0000000 m37fa213d", outcome{"1002 rsv"}},
	{"25 RSV2 beside a legal RSV1", deflating, "1 110 0001  1 0000000 m37fa213d", outcome{"1002 rsv"}},
	{"58 RSV1 on control", deflating, "1 100 1001  1 0000000 m37fa213d", outcome{"1002 rsv"}},
	{"58 RSV1 on continuation", deflating, "0 100 0001  1 0000000 m37fa213d  1 100 0000  1 0000000 m37fa213d", outcome{"1002 rsv"}},
	{"RSV1 negotiated", deflating, "1 100 0001  1 0000010 m37fa213d 'ab'", outcome{`compressed text "ab"`}},
	{"RSV1 negotiated, UTF-8 left to the inflater", deflating, "1 100 0001  1 0000001 m00000000 xff", outcome{`compressed text "\xff"`}},
	{"RSV1 negotiated, fragmented", deflating, "0 100 0010  1 0000001 m37fa213d 'a'  1 000 0000  1 0000001 m37fa213d 'b'", outcome{`compressed binary "ab"`}},
	{"compression ends with its message", deflating, "1 100 0010  1 0000000 m37fa213d  1 000 0010  1 0000000 m37fa213d", outcome{`compressed binary ""`, `binary ""`}},
	{"26 opcode 3", serverEnd, "1 000 0011  1 0000000 m37fa213d", outcome{"1002 opcode"}},
	{"26 opcode 7", serverEnd, "1 000 0111  1 0000000 m37fa213d", outcome{"1002 opcode"}},
	{"26 opcode B", serverEnd, "1 000 1011  1 0000000 m37fa213d", outcome{"1002 opcode"}},
	{"26 opcode F", serverEnd, "1 000 1111  1 0000000 m37fa213d", outcome{"1002 opcode"}},
	{"27 top bit", serverEnd, "1 000 0010  1 1111111 x8000000000000000 m37fa213d", outcome{"1002 length"}},
	{"27 all bits", serverEnd, "1 000 0010  1 1111111 xffffffffffffffff m37fa213d", outcome{"1002 length"}},
	{"28 2^63-1", serverEnd, "1 000 0010  1 1111111 x7fffffffffffffff m37fa213d", outcome{"1009 too-large"}},
	{"28 2^40", serverEnd, "1 000 0010  1 1111111 x0000010000000000 m37fa213d", outcome{"1009 too-large"}},
	{"28 limit+1", serverEnd, "1 000 0010  1 1111111 x0000000000010001 m37fa213d", outcome{"1009 too-large"}},
	{"28 limit+1, short", small, "1 000 0010  1 0001011 m37fa213d", outcome{"1009 too-large"}},
	{"29 exactly the limit", small, "1 000 0010  1 0001010 m37fa213d '0123456789'", outcome{`binary "0123456789"`}},
	{"30 16 bits for 0", serverEnd, "1 000 0010  1 1111110 x0000 m37fa213d", outcome{"1002 length"}},
	{"30 16 bits for 125", serverEnd, "1 000 0010  1 1111110 x007d m37fa213d", outcome{"1002 length"}},
	{"30 64 bits for 125", serverEnd, "1 000 0010  1 1111111 x000000000000007d m37fa213d", outcome{"1002 length"}},
	{"30 64 bits for 65535", serverEnd, "1 000 0010  1 1111111 x000000000000ffff m37fa213d", outcome{"1002 length"}},
	{"35 ping of 126", serverEnd, "1 000 1001  1 1111110 x007e m37fa213d", outcome{"1002 control"}},
	{"36 ping in fragments", serverEnd, "0 000 1001  1 0000000 m37fa213d", outcome{"1002 control"}},
	{"36 close in fragments", serverEnd, "0 000 1000  1 0000000 m37fa213d", outcome{"1002 control"}},
	{"38 pong", serverEnd, "1 000 1010  1 0000010 m37fa213d 'hi'", outcome{`pong "hi"`}},
	{"40 continuation of nothing", serverEnd, "1 000 0000  1 0000000 m37fa213d", outcome{"1002 fragment"}},
	{"40 continuation of nothing, open", serverEnd, "0 000 0000  1 0000000 m37fa213d", outcome{"1002 fragment"}},
	{"40 continuation after the end", serverEnd, "0 000 0001  1 0000000 m37fa213d  1 000 0000  1 0000000 m37fa213d  1 000 0000  1 0000000 m37fa213d", outcome{`text ""`, "1002 fragment"}},
	{"41 data inside a message", serverEnd, "0 000 0001  1 0000000 m37fa213d  1 000 0001  1 0000000 m37fa213d", outcome{"1002 fragment"}},
	{"44 ping between fragments", serverEnd, "0 000 0001  1 0000011 m37fa213d 'Hel'  1 000 1001  1 0000010 m01020304 'hi'  1 000 0000  1 0000010 m37fa213d 'lo'", outcome{`ping "hi"`, `text "Hello"`}},
	{"44 empty pings between fragments", serverEnd, "0 000 0010  1 0000000 m37fa213d  1 000 1001  1 0000000 m01020304  0 000 0000  1 0000001 m37fa213d 'a'  1 000 1010  1 0000000 m01020304  1 000 0000  1 0000000 m37fa213d", outcome{`ping ""`, `pong ""`, `binary "a"`}},
	{"45 close inside a message", serverEnd, "0 000 0001  1 0000011 m37fa213d 'Hel'  1 000 1000  1 0000010 m00000000 x03e8", outcome{`close "\x03\xe8"`, "mid"}},
	{"47 bad byte in fragment 2 of 3", serverEnd, "0 000 0001  1 0000001 m37fa213d 'a'  0 000 0000  1 0000001 m00000000 xff", outcome{"1007 utf8"}},
	{"48 code point across frames", serverEnd, "0 000 0001  1 0000010 m00000000 xe282  1 000 1001  1 0000000 m01020304  1 000 0000  1 0000001 m00000000 xac", outcome{`ping ""`, `text "€"`}},
	{"49 ends inside a code point", serverEnd, "1 000 0001  1 0000010 m00000000 xe282", outcome{"1007 utf8"}},
	{"49 ends inside a code point, in an empty fragment", serverEnd, "0 000 0001  1 0000010 m00000000 xe282  1 000 0000  1 0000000 m00000000", outcome{"1007 utf8"}},
	{"UTF-8 is for text", serverEnd, "1 000 0010  1 0000010 m00000000 xe282", outcome{`binary "\xe2\x82"`}},
	{"50 empty close", serverEnd, "1 000 1000  1 0000000 m37fa213d", outcome{`close ""`}},
	{"50 close of 1 byte", serverEnd, "1 000 1000  1 0000001 m37fa213d '1'", outcome{"1002 close-length"}},
	{"54 reason bad UTF-8", serverEnd, "1 000 1000  1 0000011 m00000000 x03e8ff", outcome{"1007 utf8"}},
	{"54 reason of 124 bytes", serverEnd, "1 000 1000  1 1111110 x007e m37fa213d", outcome{"1002 control"}},
	{"54 reason of 123 bytes", serverEnd, "1 000 1000  1 1111101 m00000000 x03e8 " + "'" + strings.Repeat("r", 123) + "'", outcome{`close 125 bytes of "\x03"`}},
	{"several in one read", serverEnd, "1 000 0001  1 0000001 m37fa213d 'a'  1 000 1001  1 0000000 m37fa213d  1 000 0001  1 0000001 m37fa213d 'b'", outcome{`text "a"`, `ping ""`, `text "b"`}},
	{"nothing after a failure", serverEnd, "1 000 0011  1 0000000 m37fa213d  1 000 0001  1 0000001 m37fa213d 'a'", outcome{"1002 opcode"}},
}

func TestFrames(t *testing.T) {
	for _, test := range drawnFrames {
		t.Run(test.row, func(t *testing.T) {
			checkSplits(t, test.cfg, wire(t, test.sent), test.want)
		})
	}
}

func checkSplits(t *testing.T, cfg *Config, sent []byte, want outcome) {
	t.Helper()
	for way, chunks := range splits(sent) {
		if got := feed(cfg, chunks); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", way, got, want)
		}
	}
}

// Frames too large, or too many, to draw.
func TestLongFrames(t *testing.T) {
	text := func(n int) string { return strings.Repeat("z", n) }
	var fragments [][]byte
	for range 1024 {
		fragments = append(fragments, masked(0x00, ""))
	}
	fragments[0][0] = 0x02
	tests := []struct {
		row  string
		cfg  *Config
		sent []byte
		want outcome
	}{
		{"125 bytes", serverEnd, masked(0x81, text(125)), outcome{`text 125 bytes of "z"`}},
		{"126 bytes", serverEnd, masked(0x81, text(126)), outcome{`text 126 bytes of "z"`}},
		{"65535 bytes", serverEnd, masked(0x81, text(65535)), outcome{`text 65535 bytes of "z"`}},
		{"29 65536 bytes, the default limit", serverEnd, masked(0x81, text(65536)), outcome{`text 65536 bytes of "z"`}},
		{"29 limit of 1 MiB", &Config{MaxMessage: 1 << 20}, masked(0x82, text(1<<20)), outcome{`binary 1048576 bytes of "z"`}},
		{"35 ping of 125", serverEnd, masked(0x89, text(125)), outcome{`ping 125 bytes of "z"`}},
		{"42 sum at the limit", small, join(masked(0x02, "01234"), masked(0x00, "5678"), masked(0x80, "9")), outcome{`binary "0123456789"`}},
		{"42 sum over the limit", small, join(masked(0x02, "01234"), masked(0x00, "56789"), masked(0x80, "0")), outcome{"1009 too-large"}},
		{"43 fragments at the limit", small, join(masked(0x02, ""), masked(0x00, "a"), masked(0x00, ""), masked(0x80, "b")), outcome{`binary "ab"`}},
		{"43 fragments over the limit", small, join(masked(0x02, ""), masked(0x00, ""), masked(0x00, ""), masked(0x00, ""), masked(0x80, "")), outcome{"1008 fragments"}},
		{"43 1024 fragments", serverEnd, join(append(slices.Clone(fragments), masked(0x00, ""))...), outcome{"1008 fragments"}},
		{"43 1024 fragments, ended", serverEnd, join(append(slices.Clone(fragments[:1023]), masked(0x80, ""))...), outcome{`binary ""`}},
		{"43 pings do not count", small, join(masked(0x02, ""), masked(0x89, ""), masked(0x89, ""), masked(0x89, ""), masked(0x80, "")), outcome{`ping ""`, `ping ""`, `ping ""`, `binary ""`}},
	}
	for _, test := range tests {
		t.Run(test.row, func(t *testing.T) {
			if len(test.sent) > 1<<17 { // its ways byte by byte add nothing
				if got := feed(test.cfg, [][]byte{test.sent[:9], test.sent[9:5000], test.sent[5000:]}); !slices.Equal(got, test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
				return
			}
			checkSplits(t, test.cfg, test.sent, test.want)
		})
	}
}

// Row 31: the sender vanishes inside a header.
func TestCutHeader(t *testing.T) {
	header := wire(t, "1 000 0010  1 1111111 x0000000000010000 m37fa213d")
	for n := 1; n <= len(header); n++ {
		checkSplits(t, serverEnd, header[:n], outcome{"mid"})
	}
}

// Every fault is told at the first byte that makes it certain: bytes that
// follow, sent or not, change nothing.
func TestEarliestByte(t *testing.T) {
	tests := []struct {
		fault string
		sent  string
		at    int // bytes that must have arrived
	}{
		{"rsv", "1 010 0001", 1},
		{"opcode", "1 000 0011", 1},
		{"control", "0 000 1001", 1},
		{"fragment", "1 000 0000", 1},
		{"unmasked", "1 000 0001  0 0000001", 2},
		{"control", "1 000 1001  1 1111110", 2},
		{"length", "1 000 0001  1 1111110 x007d", 4},
		{"length", "1 000 0001  1 1111111 x000000000000ffff", 10},
		{"too-large", "1 000 0001  1 1111111 x0000000000010001", 10},
		{"utf8", "1 000 0001  1 0001000 m00000000 x61ff", 8},
		{"utf8", "1 000 0001  1 0001000 m00000000 x61eda0", 9},
		{"utf8", "1 000 0001  1 0001000 m00000000 xf490", 8},
		{"utf8", "1 000 0001  1 0001000 m00000000 xe28241", 9},
		{"utf8", "1 000 0001  1 0000010 m00000000 xe282", 8},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			sent := wire(t, test.sent)
			if len(sent) != test.at {
				t.Fatalf("%d bytes drawn, want %d", len(sent), test.at)
			}
			var p Parser
			for i := range sent {
				_, _, ok, err := p.Next(serverEnd, sent[i:i+1])
				if ok {
					t.Fatalf("a message after byte %d", i+1)
				}
				if last := i == len(sent)-1; (err != nil) != last {
					t.Fatalf("byte %d of %d: error %v", i+1, len(sent), err)
				} else if last && err.(*Error).Reason != test.fault {
					t.Fatalf("reason %q, want %q", err.(*Error).Reason, test.fault)
				}
			}
		})
	}
}

func TestPayloadAliasesInput(t *testing.T) {
	sent := join(masked(0x82, "0123"), masked(0x82, "4567"))
	var p Parser
	if _, n, ok, err := p.Next(serverEnd, sent[:3]); n != 3 || ok || err != nil {
		t.Fatalf("the cut header: %d bytes, ok %v, error %v", n, ok, err)
	}
	for rest, count := sent[3:], 0; count < 2; count++ {
		m, n, ok, err := p.Next(serverEnd, rest)
		if !ok || err != nil {
			t.Fatalf("message %d: ok %v, error %v", count, ok, err)
		}
		if &m.Payload[0] != &rest[n-len(m.Payload)] {
			t.Errorf("message %d was copied", count)
		}
		rest = rest[n:]
	}
}

func TestFailedStaysFailed(t *testing.T) {
	var p Parser
	_, _, _, first := p.Next(serverEnd, []byte{0x83})
	if first == nil {
		t.Fatal("no error for a reserved opcode")
	}
	p.Release()
	m, n, ok, again := p.Next(serverEnd, masked(0x81, "a"))
	if m.Payload != nil || n != 0 || ok || again != first {
		t.Errorf("after a failure: %v, %d bytes, ok %v, error %v", m, n, ok, again)
	}
}

// Rows 28 and 32: memory follows the bytes that arrived, not those declared,
// and goes when the message does.
func TestBuffersFollowArrival(t *testing.T) {
	cfg := &Config{MaxMessage: 1 << 41}
	header := wire(t, "1 000 0010  1 1111111 x0000010000000000 m00000000")
	var p Parser
	p.Next(cfg, header)
	if p.message != nil || !p.Mid() {
		t.Fatalf("a header alone: mid %v, holding %v", p.Mid(), p.message)
	}
	for _, arrived := range []int64{1, 512, 513, 5000, 200_000} {
		p.Next(cfg, make([]byte, arrived-p.message.size()))
		if held := int64(cap(p.message.bytes)); p.message.size() != arrived || held > max(4*arrived, 512) {
			t.Errorf("after %d bytes: %d in a buffer of %d", arrived, p.message.size(), held)
		}
	}
	p.Release()
	if p != (Parser{}) {
		t.Error("a released parser holds something")
	}
}

func TestIdleParserHoldsNothing(t *testing.T) {
	sent := join(masked(0x02, "ab"), masked(0x89, "ping"), masked(0x80, "cd"))
	for way, chunks := range splits(sent) {
		var p Parser
		for _, chunk := range chunks {
			for rest, more := slices.Clone(chunk), true; more; {
				var n int
				_, n, more, _ = p.Next(serverEnd, rest)
				rest = rest[n:]
			}
		}
		if p.message != nil || p.control != nil || p.spent != nil || p.Mid() {
			t.Errorf("%s: an idle parser holds a buffer", way)
		}
	}
}

func TestParserIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Parser{}); size > 80 {
		t.Errorf("a Parser takes %d bytes, want 80 at most", size)
	}
}

func TestWholeFramesDoNotAllocate(t *testing.T) {
	frame := AppendMasked(nil, ws.OpText, []byte(strings.Repeat("text", 32)), [4]byte{})
	for _, cut := range []int{0, 1, 3, 6, 8} { // whole, or the header cut off
		var p Parser
		allocs := testing.AllocsPerRun(100, func() {
			p.Next(serverEnd, frame[:cut])
			if _, _, ok, _ := p.Next(serverEnd, frame[cut:]); !ok {
				t.Fatal("no message")
			}
		})
		if allocs != 0 {
			t.Errorf("cut after %d bytes: %v allocations a frame, want 0", cut, allocs)
		}
	}
}

// A compressed message may arrive a 64th and 16 bytes over the limit: what does
// not shrink grows. A plain one may not, nor the rest of either.
func TestCompressedMayExceedTheLimit(t *testing.T) {
	cfg := &Config{Role: Server, MaxMessage: 640, Compression: true}
	const most = 640 + 640/64 + 16
	mask := [4]byte{1, 2, 3, 4}
	for _, c := range []struct {
		what   string
		frames [][2]int // first byte, payload bytes
		want   string
	}{
		{"compressed, at most", [][2]int{{0xc2, most}}, ""},
		{"compressed, one more", [][2]int{{0xc2, most + 1}}, "too-large"},
		{"compressed, in fragments", [][2]int{{0x42, 600}, {0x80, most - 600}}, ""},
		{"compressed, in fragments, one more", [][2]int{{0x42, 600}, {0x80, most - 599}}, "too-large"},
		{"plain after compressed", [][2]int{{0xc2, most}, {0x82, 641}}, "too-large"},
		{"plain, in fragments", [][2]int{{0x02, 600}, {0x80, 41}}, "too-large"},
	} {
		var p Parser
		var got string
		for _, f := range c.frames {
			wire := AppendMasked(nil, ws.OpBinary, make([]byte, f[1]), mask)
			wire[0] = byte(f[0])
			if _, _, _, err := p.Next(cfg, wire); err != nil {
				got = err.(*Error).Reason
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
		p.Release()
	}
}
