package deflate

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/server/frame"
)

const anySize = math.MaxInt64

// The examples of RFC 7692 §7.2.3, as compressed payloads.
var examples = []struct{ section, payload, message string }{
	{"7.2.3.1 one block", "f2 48 cd c9 c9 07 00", "Hello"},
	{"7.2.3.2 second of two messages, without takeover", "f2 48 cd c9 c9 07 00", "Hello"},
	{"7.2.3.3 stored block", "00 05 00 fa ff 48 65 6c 6c 6f 00", "Hello"},
	{"7.2.3.4 final block", "f3 48 cd c9 c9 07 00 00", "Hello"},
	{"7.2.3.5 two blocks", "f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "Hello"},
	{"7.2.3.6 empty message", "00", ""},
}

func TestInflateExamples(t *testing.T) {
	for _, test := range examples {
		t.Run(test.section, func(t *testing.T) {
			got, err := Inflate([]byte("kept "), bytesOf(t, test.payload), MaxWindowBits, 5)
			if err != nil || string(got) != "kept "+test.message {
				t.Errorf("inflates to %q, %v; want %q", got, err, "kept "+test.message)
			}
		})
	}
}

// RFC 7692 §7.2.1: blocks of all types, final or not, and what follows them.
var legal = []struct{ name, bits, message string }{
	{"final blocks one after another", "1 10 10010001 0000000 | 1 10 10010010 0000000 | 0 00", "ab"},
	{"final block, then one that refers to it", "1 10 10010001 0000000 | 0 10 0000001 00000 0000000  0 00", "aaaa"},
	{"the last block is final", "0 10 10010001 0000000 1 00", "a"},
	{"empty blocks only", "0 10 0000000 1 10 0000000 | 0 10 0000000  0 00", ""},
	{"stored empty blocks", "0 00 | 0000000000000000 1111111111111111  1 00 | 0000000000000000 1111111111111111  0 00", ""},
	{"longest length, by its two symbols", "0 10 10010001 11000101 00000 11000100 11111 00000 0000000  0 00", strings.Repeat("a", 1+258+258)},
}

func TestInflateLegal(t *testing.T) {
	for _, test := range legal {
		t.Run(test.name, func(t *testing.T) {
			payload := bitsOf(t, test.bits)
			got, err := Inflate(nil, payload, MaxWindowBits, anySize)
			if err != nil || string(got) != test.message {
				t.Errorf("inflates to %q, %v; want %q", got, err, test.message)
			}
			if got, err := inflateIndependently(payload); err != nil || string(got) != test.message {
				t.Errorf("inflates elsewhere to %q, %v; want %q", got, err, test.message)
			}
		})
	}
}

// Row 59: corrupt or truncated.
var corrupt = []struct{ name, bits, bytes string }{
	{name: "nothing at all"},
	{name: "reserved block type", bits: "0 11"},
	{name: "final block and nothing after it", bytes: "f3 48 cd c9 c9 07 00"},
	{name: "tail left on", bytes: "f2 48 cd c9 c9 07 00 00 00 ff ff"},
	{name: "byte too many", bytes: "f2 48 cd c9 c9 07 00 00"},
	{name: "7.2.3.2 shared window", bytes: "f2 00 11 00 00"},
	{name: "stored, lengths disagree", bytes: "00 05 00 fa fe 48 65 6c 6c 6f 00"},
	{name: "stored, ends in its lengths", bytes: "00 05 00 fa"},
	{name: "stored, the tail would complete it", bytes: "00 05 00 fa ff 48"},
	{name: "length symbol 286", bits: "0 10 10010001 11000110 00000 0000000 0 00"},
	{name: "length symbol 287", bits: "0 10 10010001 11000111 00000 0000000 0 00"},
	{name: "distance symbol 30", bits: "0 10 10010001 0000001 11110 0000000 0 00"},
	{name: "distance symbol 31", bits: "0 10 10010001 0000001 11111 0000000 0 00"},
	{name: "distance before the start", bits: "0 10 10010001 0000001 00001 0000000 0 00"},
	{name: "287 literal codes", bits: "0 01 01111 00000 0000"},
	{name: "31 distance codes", bits: "0 01 00000 01111 0000"},
	{name: "code lengths oversubscribed", bits: "0 01 00000 00000 0000 100 100 100 100"},
	{name: "code lengths incomplete", bits: "0 01 00000 00000 0000 010 000 000 000"},
	{name: "code lengths cut off", bits: "0 01 00000 00000 1111 100"},
	{name: "repeats no length", bits: "0 01 00000 00000 0000 100 000 000 100  1 00"},
	{name: "repeats past the end", bits: "0 01 00000 00000 0000 000 000 100 100  1 1111111 1 1111111"},
	{name: "no code used", bits: "0 01 00000 00000 0000 000 000 100 100  1 1111111 1 1011011  0000000000000000"},
}

func TestInflateCorrupt(t *testing.T) {
	for _, test := range corrupt {
		t.Run("59 "+test.name, func(t *testing.T) {
			payload := append(bytesOf(t, test.bytes), bitsOf(t, test.bits)...)
			got, err := Inflate([]byte("kept"), payload, MaxWindowBits, anySize)
			if !errors.Is(err, ErrCorrupt) || string(got) != "kept" {
				t.Errorf("inflates to %q, %v; want %v", got, err, ErrCorrupt)
			}
			if got, err := inflateIndependently(payload); err == nil {
				t.Errorf("inflates elsewhere, to %q", got)
			}
		})
	}
}

// Row 59: whatever is missing at the end, unless a block happened to end there
// with the header of an empty one.
func TestInflateTruncated(t *testing.T) {
	payloads := [][]byte{Compress(nil, textBytes(3000), 15), Compress(nil, randomBytes(1000), 15)}
	for _, example := range examples {
		payloads = append(payloads, bytesOf(t, example.payload))
	}
	refused := 0
	for _, payload := range payloads {
		for end := range payload {
			want, whole := inflateIndependently(payload[:end])
			got, err := Inflate(nil, payload[:end], MaxWindowBits, anySize)
			switch {
			case whole == nil && (err != nil || !bytes.Equal(got, want)):
				t.Errorf("%d bytes of % .40x: %q, %v; want %q", end, payload, got, err, want)
			case whole != nil && !errors.Is(err, ErrCorrupt):
				t.Errorf("%d bytes of % .40x: %q, %v; want %v", end, payload, got, err, ErrCorrupt)
			case whole != nil:
				refused++
			}
		}
	}
	if refused < 1000 {
		t.Errorf("%d payloads refused", refused)
	}
}

func TestErrorsHaveTheirCloseCodes(t *testing.T) {
	for code, err := range map[ws.StatusCode]error{1009: ErrTooLarge, 1007: ErrCorrupt} {
		var failure *frame.Error
		if !errors.As(err, &failure) || failure.Code != code {
			t.Errorf("%v closes with %v, want %d", err, failure, code)
		}
	}
}

// The limit is on what comes out: exactly met or not, whatever room there is.
func TestInflateLimit(t *testing.T) {
	for _, size := range []int{0, 1, 5, 511, 512, 513, 60_000, firstGrowth - 1, firstGrowth, firstGrowth + 1, 1 << 20} {
		for name, kind := range sampleKinds {
			message := kind(size)
			payload := Compress(nil, message, MaxWindowBits)
			for _, room := range []int{0, 100, size, 2 << 20} {
				dst := append(make([]byte, 0, 4+room), "kept"...)
				got, err := Inflate(dst, payload, MaxWindowBits, int64(size))
				if err != nil || string(got) != "kept"+string(message) {
					t.Errorf("%d bytes of %s, room for %d: %d bytes, %v", size, name, room, len(got)-4, err)
				}
				if size == 0 {
					continue
				}
				got, err = Inflate(dst, payload, MaxWindowBits, int64(size-1))
				if !errors.Is(err, ErrTooLarge) || string(got) != "kept" {
					t.Errorf("%d bytes of %s with a limit of one less: %d bytes, %v", size, name, len(got)-4, err)
				}
			}
		}
	}
}

// Row 57: 64 KiB that inflate to 64 MiB cost at most 1 MiB, whatever the limit.
func TestInflateBomb(t *testing.T) {
	payload := Compress(nil, make([]byte, 64<<20), MaxWindowBits)
	if len(payload) > 80<<10 {
		t.Fatalf("64 MiB compress to %d bytes", len(payload))
	}
	for _, limit := range []int64{-1, 0, 1, 64 << 10, 1 << 20, 16 << 20, 64<<20 - 1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Inflate(nil, payload, MaxWindowBits, limit)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("57 limit of %d: %v, want %v", limit, err, ErrTooLarge)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("57 limit of %d: %d bytes allocated", limit, used)
		}
	}
	got, err := Inflate(nil, payload, MaxWindowBits, 64<<20)
	if err != nil || len(got) != 64<<20 {
		t.Errorf("57 limit of 64 MiB: %d bytes, %v", len(got), err)
	}
}

// RFC 7692 §7.2.3.4: behind a final block there is as much to refer to as
// behind any other, however large the message, whether or not there is room.
func TestInflateAcrossFinalBlocks(t *testing.T) {
	for _, size := range []int{100, firstGrowth, 2 * firstGrowth} {
		message := textBytes(size)
		payload := compressInFinalBlocks(t, message, 5000)
		for _, room := range []int{0, size} {
			got, err := Inflate(make([]byte, 0, room), payload, MaxWindowBits, int64(size))
			if err != nil || !bytes.Equal(got, message) {
				t.Errorf("%d bytes, room for %d: %d bytes, %v", size, room, len(got), err)
			}
		}
		got, err := Inflate(nil, payload, MaxWindowBits, int64(size-1))
		if !errors.Is(err, ErrTooLarge) || len(got) != 0 {
			t.Errorf("%d bytes with a limit of one less: %d bytes, %v", size, len(got), err)
		}
	}
}

func TestInflateFinalBlocksAreBounded(t *testing.T) {
	for blocks, want := range map[int]error{maxFinalBlocks: nil, maxFinalBlocks + 1: ErrCorrupt} {
		payload := bitsOf(t, strings.Repeat("1 10 10010001 0000000 |", blocks)+"0 00")
		got, err := Inflate(nil, payload, MaxWindowBits, anySize)
		if !errors.Is(err, want) || err == nil && string(got) != strings.Repeat("a", blocks) {
			t.Errorf("%d final blocks: %d bytes, %v; want %v", blocks, len(got), err, want)
		}
	}
}

// References beyond the agreed window are followed, up to the largest window.
func TestInflateFollowsLongReferences(t *testing.T) {
	part := randomBytes(40)
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		message := slices.Concat(part, make([]byte, 1<<bits-len(part)), part)
		payload := compressIndependently(t, message)
		if farthest, err := reach(payload); err != nil || farthest != 1<<bits {
			t.Errorf("reaches %d bytes back, %v; want %d", farthest, err, 1<<bits)
		}
		got, err := Inflate(nil, payload, MinWindowBits, anySize)
		if err != nil || !bytes.Equal(got, message) {
			t.Errorf("reference to %d bytes before: %d bytes, %v", 1<<bits, len(got), err)
		}
	}
}

// emptyCode has a block of 30,000 'a's, with codes for 'a', the end and a length
// but none for distances, and then that length, with zeros for a distance.
var emptyCode = "0 01 10000 00000 0111  000 000 010 010" + strings.Repeat(" 000", 11) + " 010 000 010" +
	"11 0110101  01  11 1111111  11 1001000  10 10  00" + strings.Repeat("0", 30_000) + "11 00000000 10  0 00"

// What the reader makes of such a block depends on what it read before; none of
// that comes out.
func TestInflateEmptyCode(t *testing.T) {
	payload := bitsOf(t, emptyCode)
	if _, err := reach(payload); !errors.Is(err, errEmptyCode) {
		t.Errorf("drawn to use an empty code: %v", err)
	}
	for _, before := range sampleKinds {
		earlier := Compress(nil, before(100_000), MaxWindowBits)
		if _, err := Inflate(nil, earlier, MaxWindowBits, anySize); err != nil {
			t.Error(err)
		}
		got, err := Inflate(nil, payload, MaxWindowBits, anySize)
		if err != nil && !errors.Is(err, ErrCorrupt) || strings.Trim(string(got), "a") != "" {
			t.Errorf("inflates to %d bytes, %v", len(got), err)
		}
	}
}

// RFC 7692 §7.2.3.1: the example as frames, whole and fragmented; RSV1 is on
// the first.
func TestInflateFrames(t *testing.T) {
	cfg := &frame.Config{Role: frame.Client, CheckUTF8: true, Compression: true}
	for _, drawn := range []string{"c1 07 f2 48 cd c9 c9 07 00", "41 03 f2 48 cd  80 04 c9 c9 07 00"} {
		var parser frame.Parser
		m, _, ok, err := parser.Next(cfg, bytesOf(t, drawn))
		if err != nil || !ok || !m.Compressed {
			t.Fatalf("%s: message %+v, %v, %v", drawn, m, ok, err)
		}
		if got, err := Inflate(nil, m.Payload, MaxWindowBits, 5); err != nil || string(got) != "Hello" {
			t.Errorf("%s: inflates to %q, %v", drawn, got, err)
		}
		parser.Release()
	}
}
