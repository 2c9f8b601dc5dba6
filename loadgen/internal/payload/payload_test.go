package payload

import (
	"bytes"
	"encoding/json"
	"testing"

	"fanbench/loadgen/internal/stamp"
	"fanbench/loadgen/scenario"
	"fanbench/server/deflate"
)

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		kind  scenario.Payload
		sizes []int
	}{
		{scenario.Padding, []int{int(scenario.MinSize), 49, 128, 1 << 10, 64 << 10}},
		{scenario.JSON, []int{int(scenario.MinJSONSize), 129, 200, 1 << 10, 4<<10 + 1, 64 << 10}},
	} {
		for _, size := range c.sizes {
			message, at := New(c.kind, size)
			if len(message) != size {
				t.Fatalf("%s: %d bytes, want %d", c.kind, len(message), size)
			}
			stamp.Encode(message[at:], stamp.Stamp{Sequence: 7})
			if s, verdict := stamp.Find(message); verdict != stamp.Sound || s.Sequence != 7 || s.Size != size-at {
				t.Errorf("%s of %d bytes: %v, %+v", c.kind, size, verdict, s)
			}
			if c.kind == scenario.JSON && !json.Valid(message) {
				t.Errorf("%d bytes are not JSON: %s", size, message)
			}
			again, _ := New(c.kind, size)
			stamp.Encode(again[at:], stamp.Stamp{Sequence: 7})
			if !bytes.Equal(again, message) {
				t.Errorf("%s of %d bytes differs from one time to the next", c.kind, size)
			}
		}
	}
}

// What the two are for: one kibibyte of JSON loses about half by compression,
// padding a quarter, which is what base 64 adds.
func TestCompressibility(t *testing.T) {
	for kind, within := range map[scenario.Payload][2]int{
		scenario.JSON:    {400, 600},
		scenario.Padding: {750, 900},
	} {
		message, at := New(kind, 1<<10)
		stamp.Encode(message[at:], stamp.Stamp{Sequence: 7, Due: 1e9, Lag: 1000})
		if n := len(deflate.Compress(nil, message, deflate.MaxWindowBits)); n < within[0] || n > within[1] {
			t.Errorf("1 KiB of %s becomes %d bytes, want %d to %d", kind, n, within[0], within[1])
		}
	}
}

func TestSet(t *testing.T) {
	for _, kind := range []scenario.Payload{scenario.Padding, scenario.JSON} {
		s := scenario.Default()
		s.Size, s.Payload = 0, kind
		s.Sizes = []scenario.WeightedSize{{Size: 1 << 10, Weight: 1}, {Size: 128, Weight: 5}, {Size: 64 << 10, Weight: 2}}
		set := NewSet(s)
		for _, w := range s.Sizes {
			want, wantAt := New(kind, int(w.Size))
			if got, at := set.Of(int(w.Size)); !bytes.Equal(got, want) || at != wantAt {
				t.Errorf("%s of %v: %d bytes with the stamp at %d, want %d and %d", kind, w.Size, len(got), at, len(want), wantAt)
			}
		}
		if got, _ := set.Of(129); got != nil {
			t.Errorf("a size that nobody asked for has %d bytes", len(got))
		}
	}
}
