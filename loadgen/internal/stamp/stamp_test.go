package stamp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"fanbench/loadgen/scenario"
)

func TestSizeIsTheScenarios(t *testing.T) {
	if Size != scenario.MinSize {
		t.Errorf("a stamp takes %d bytes, a scenario allows payloads of %d", Size, scenario.MinSize)
	}
}

// payload returns a payload with padding and s encoded.
func payload(size int, s Stamp) []byte {
	p := make([]byte, size)
	Padding(p[Size:])
	Encode(p, s)
	return p
}

var example = Stamp{Size: 64, Run: 1, Room: 2, Publisher: 3, Sequence: 4, Due: 5, Lag: 6}

func TestLayout(t *testing.T) {
	//       |mark|size|run  |room|publ|sequen|due      |lag   |check |
	want := "~fb1" + "AABA" + "AAAAB" + "AAAC" + "AAAD" + "AAAAAE" + "AAAAAAAAF" + "AAAAAG"
	got := payload(64, example)
	if string(got[:checksumAt]) != want {
		t.Errorf("encoded\n%s, want\n%s", got[:checksumAt], want)
	}
	if got, verdict := Find(got); got != example || verdict != Sound {
		t.Errorf("found %+v, verdict %d", got, verdict)
	}
}

func TestFind(t *testing.T) {
	whole := payload(64, example)
	flip := func(at int) []byte {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		return damaged
	}
	for _, c := range []struct {
		name    string
		message []byte
		want    Verdict
	}{
		{"whole", whole, Sound},
		{"inside JSON", fmt.Appendf(nil, `{"room":"a~b","data":"%s"}`, whole), Sound},
		{"followed by other text", fmt.Appendf(nil, "%s, and more", whole), Sound},
		{"nothing", nil, Absent},
		{"other text", []byte("hello, hello, hello, hello, hello, hello, hello, hello"), Absent},
		{"marker alone", []byte(marker), Corrupt},
		{"cut in the stamp", whole[:Size-1], Corrupt},
		{"cut in the padding", whole[:63], Corrupt},
		{"not a digit", bytes.Replace(whole, []byte("AAAAAAAAF"), []byte("AAAA AAAF"), 1), Corrupt},
		{"two markers damaged", []byte("~fx2" + string(whole[4:])), Absent},
		{"marker damaged deeper inside", append([]byte("{"), flip(0)...), Absent},
		{"size below a stamp's", bytes.Replace(whole, []byte("~fb1AABA"), []byte("~fb1AAAv"), 1), Corrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := Find(c.message); got != c.want {
				t.Errorf("verdict %d, want %d", got, c.want)
			}
		})
	}
}

// TestEveryBitIsCovered flips each bit of a payload: none goes unnoticed.
func TestEveryBitIsCovered(t *testing.T) {
	whole := payload(100, example)
	for bit := range len(whole) * 8 {
		damaged := bytes.Clone(whole)
		damaged[bit/8] ^= 1 << (bit % 8)
		if s, got := Find(damaged); got != Corrupt {
			t.Errorf("bit %d of byte %d flipped: verdict %d, %+v", bit%8, bit/8, got, s)
		}
	}
}

// TestWhatStandsBeforeIsCovered flips each bit of a payload whose stamp does
// not open it, alone and inside a server's envelope.
func TestWhatStandsBeforeIsCovered(t *testing.T) {
	const before = `{"id":"`
	whole := append([]byte(before), payload(100, example)...)
	for _, envelope := range []string{"", `{"room":1,"data":`} {
		message := append([]byte(envelope), whole...)
		if s, got := FindBehind([]byte(before), message); got != Sound || s.Sequence != example.Sequence {
			t.Fatalf("behind %q: verdict %d, %+v", envelope, got, s)
		}
		for bit := range len(whole) * 8 {
			damaged := bytes.Clone(message)
			at := len(envelope) + bit/8
			damaged[at] ^= 1 << (bit % 8)
			want := Corrupt
			if envelope != "" && bit/8 >= len(before) && bit/8 < len(before)+len(marker) {
				want = Absent // a damaged marker can be anywhere
			}
			if s, got := FindBehind([]byte(before), damaged); got != want {
				t.Errorf("behind %q, bit %d of byte %d flipped: verdict %d, %+v", envelope, bit%8, bit/8, got, s)
			}
		}
	}
}

func TestLagSaturates(t *testing.T) {
	for lag, want := range map[int64]int64{-1: 0, 0: 0, MaxLag: MaxLag, MaxLag + 1: MaxLag} {
		if s, _ := Find(payload(Size, Stamp{Lag: lag})); s.Lag != want {
			t.Errorf("lag %d travels as %d, want %d", lag, s.Lag, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Stamp{
			Size:      rapid.IntRange(Size, 4096).Draw(t, "size"),
			Run:       rapid.Uint32Max(MaxRun).Draw(t, "run"),
			Room:      rapid.IntRange(0, MaxRoom).Draw(t, "room"),
			Publisher: rapid.IntRange(0, MaxPublisher).Draw(t, "publisher"),
			Sequence:  rapid.Uint64Max(MaxSequence).Draw(t, "sequence"),
			Due:       rapid.Int64Range(0, MaxDue).Draw(t, "due"),
			Lag:       rapid.Int64Range(0, MaxLag).Draw(t, "lag"),
		}
		p := payload(want.Size, want)
		if got, verdict := Find(p); got != want || verdict != Sound {
			t.Fatalf("found %+v, verdict %d, want %+v", got, verdict, want)
		}
		if quoted, err := json.Marshal(string(p)); err != nil || len(quoted) != len(p)+2 {
			t.Fatalf("in JSON it takes %d bytes, want %d: it was escaped", len(quoted), len(p)+2)
		}
	})
}

func TestPayloadOutOfRangePanics(t *testing.T) {
	for _, size := range []int{0, Size - 1, MaxSize + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a payload of %d bytes was encoded", size)
				}
			}()
			Encode(make([]byte, size), Stamp{})
		}()
	}
}

func FuzzFind(f *testing.F) {
	f.Add(payload(64, example))
	f.Add([]byte(marker))
	f.Add([]byte(`{"data":"~fb1AAAv"}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		s, verdict := Find(message)
		if verdict != Sound {
			if s != (Stamp{}) {
				t.Fatalf("verdict %d with fields %+v", verdict, s)
			}
			return
		}
		at := Index(message)
		again := bytes.Clone(message[at : at+s.Size])
		Encode(again, s)
		if !bytes.Equal(again, message[at:at+s.Size]) {
			t.Fatalf("%q is sound and encodes as %q", message, again)
		}
	})
}

func TestNothingIsAllocated(t *testing.T) {
	p := payload(128, example)
	if n := testing.AllocsPerRun(100, func() { Encode(p, example); Find(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	p := payload(128, example)
	b.ReportAllocs()
	for b.Loop() {
		Encode(p, example)
	}
}

func BenchmarkFind(b *testing.B) {
	p := payload(128, example)
	b.ReportAllocs()
	for b.Loop() {
		if _, verdict := Find(p); verdict != Sound {
			b.Fatal(verdict)
		}
	}
}
