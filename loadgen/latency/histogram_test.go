package latency

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

// of records durations into a fresh histogram.
func of(digits int, ds ...time.Duration) *Histogram {
	h := New(digits)
	for _, d := range ds {
		h.Record(d)
	}
	return h
}

func TestRecord(t *testing.T) {
	for _, row := range []struct {
		name                      string
		record                    time.Duration
		want                      time.Duration // Max
		count, overflow, negative int64
	}{
		{"nothing shorter than the finest step", 0, 15, 1, 0, 0},
		{"16 ns are told from 0", 16, 31, 1, 0, 0},
		{"20 µs keep three digits", 20 * time.Microsecond, 20_015, 1, 0, 0},
		{"a second keeps three digits", time.Second, 1_000_341_503, 1, 0, 0},
		{"the longest fits", Highest, Highest, 1, 0, 0},
		{"one more is overflow, recorded as the longest", Highest + 1, Highest, 1, 1, 0},
		{"the largest int64 is overflow", math.MaxInt64, Highest, 1, 1, 0},
		{"a negative one is counted apart and recorded as 0", -1, 15, 1, 0, 1},
		{"the smallest int64 likewise", math.MinInt64, 15, 1, 0, 1},
	} {
		h := of(Precise, row.record)
		if h.Max() != row.want || h.Count() != row.count || h.Overflow() != row.overflow || h.Negative() != row.negative {
			t.Errorf("%s: max %d, count %d, overflow %d, negative %d; want %d, %d, %d, %d", row.name,
				h.Max(), h.Count(), h.Overflow(), h.Negative(), row.want, row.count, row.overflow, row.negative)
		}
	}
}

func TestQuantileIsNearestRank(t *testing.T) {
	ten := of(Precise, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
	for _, row := range []struct {
		q    float64
		want time.Duration
	}{
		{-1, 0}, // clamped; the lower end of the first record's step
		{0, 0},
		{0.01, 15},  // rank 0.1, at least 1
		{0.5, 63},   // rank 5: 50 ns, step 48 to 63
		{0.549, 63}, // rank 5.49
		{0.55, 63},  // rank 5.5, up to 6: 60 ns
		{0.65, 79},  // rank 7: 70 ns
		{0.99, 111}, // rank 10: 100 ns
		{1, 111},
		{2, 111},
	} {
		if got := ten.Quantile(row.q); got != row.want {
			t.Errorf("quantile %v is %d ns, want %d", row.q, got, row.want)
		}
	}
	if empty := New(Precise); empty.Quantile(0.5) != 0 || empty.Max() != 0 || empty.Min() != 0 || empty.Mean() != 0 || empty.Count() != 0 {
		t.Error("an empty histogram is not all zeros")
	}
	if h := of(Precise, time.Millisecond, 3*time.Millisecond); h.Mean().Round(10*time.Microsecond) != 2*time.Millisecond || h.Min() > time.Millisecond {
		t.Errorf("mean %v, min %v", h.Mean(), h.Min())
	}
}

// Every quantile is the record of that rank to within the histogram's digits.
func TestQuantileAgainstSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Int64Range(int64(20*time.Microsecond), int64(Highest)), 1, 200).Draw(t, "records")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		h := New(Precise)
		for _, d := range records {
			h.Record(time.Duration(d))
		}
		slices.Sort(records)
		rank := max(1, min(len(records), int(q*100/100*float64(len(records))+0.5)))
		exact := float64(records[rank-1])
		if q == 0 {
			exact = float64(records[0])
		}
		if got := float64(h.Quantile(q)); math.Abs(got-exact)/exact > 0.001 {
			t.Fatalf("quantile %v is %v, want %v within 0.1 %%", q, got, exact)
		}
	})
}

func TestMerge(t *testing.T) {
	a, b := of(Precise, time.Millisecond, -1), of(Precise, time.Second, 2*Highest)
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	if want := of(Precise, time.Millisecond, -1, time.Second, 2*Highest); !reflect.DeepEqual(a, want) {
		t.Errorf("merged %+v, want %+v", a.Steps(), want.Steps())
	}
	if err := a.Merge(of(Coarse, 1)); err == nil || !strings.Contains(err.Error(), "3 and 2 digits") {
		t.Errorf("merged different digits: %v", err)
	}
}

func TestCloneAndReset(t *testing.T) {
	h := of(Precise, time.Second, 2*Highest, -1)
	c := h.Clone()
	h.Reset()
	if !reflect.DeepEqual(h, New(Precise)) {
		t.Error("a reset histogram is not as new")
	}
	if !reflect.DeepEqual(c, of(Precise, time.Second, 2*Highest, -1)) {
		t.Error("the clone changed with its original")
	}
}

func TestSteps(t *testing.T) {
	got := of(Precise, 0, 15, 16, 40_000).Steps()
	want := []Step{{0, 15, 2}, {16, 31, 1}, {40_000 - 40_000%32, 40_000 - 40_000%32 + 31, 1}}
	if !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
}

func TestMemory(t *testing.T) {
	for digits, want := range map[int]int{Precise: 208 << 10, Coarse: 29 << 10} {
		if got := New(digits).counts.ByteSize(); got < want || got > want+128 {
			t.Errorf("%d digits take %d bytes, the documentation says %d", digits, got, want)
		}
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	h := New(Precise)
	if n := testing.AllocsPerRun(100, func() { h.Record(time.Millisecond); h.Record(-1); h.Record(2 * Highest) }); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

func TestDigitsOutOfRangePanic(t *testing.T) {
	for _, digits := range []int{0, 6} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%d) did not panic", digits)
				}
			}()
			New(digits)
		}()
	}
}

func TestDecodeOfEncodeIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := New(rapid.SampledFrom([]int{Coarse, Precise}).Draw(t, "digits"))
		for _, d := range rapid.SliceOf(rapid.Int64()).Draw(t, "records") {
			h.Record(time.Duration(d))
		}
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var got Histogram
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if !got.counts.Equals(h.counts) || got.overflow != h.overflow || got.negative != h.negative {
			t.Fatalf("decoded %v, want %v", got.Steps(), h.Steps())
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	one, err := of(Precise, time.Second).Encode()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := hdr.New(1, int64(time.Hour), 3).Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, data         string
		overflow, negative int64
		want               string
	}{
		{"nothing", "", 0, 0, "decode histogram"},
		{"text", "hello", 0, 0, "decode histogram"},
		{"a truncated one", one[:len(one)/2], 0, 0, "decode histogram"},
		{"too much", strings.Repeat("A", maxEncoded+1), 0, 0, "1048577 bytes, want at most 1048576"},
		{"another range", string(foreign), 0, 0, "range 1ns to 1h0m0s"},
		{"more overflow than records", one, 2, 0, "overflow 2 and negative 0 of 1 records"},
		{"more of both than records", one, 1, 1, "overflow 1 and negative 1 of 1 records"},
		{"a negative overflow", one, -1, 0, "overflow -1"},
	} {
		if _, err := Decode(row.data, row.overflow, row.negative); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

// Whatever decodes encodes to something that decodes to the same.
func FuzzDecode(f *testing.F) {
	for _, h := range []*Histogram{New(Coarse), of(Precise, 1, time.Millisecond, 2*Highest, -1)} {
		data, err := h.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, h.overflow, h.negative)
	}
	f.Add("HISTFAAAAB542pNpmSzMwMDAxAABzFCaEUoz", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, data string, overflow, negative int64) {
		h, err := Decode(data, overflow, negative)
		if err != nil {
			return
		}
		again, err := h.Encode()
		if err != nil {
			t.Fatal(err)
		}
		twin, err := Decode(again, overflow, negative)
		if err != nil {
			t.Fatal(err)
		}
		if !twin.counts.Equals(h.counts) || twin.Quantile(0.99) != h.Quantile(0.99) {
			t.Fatal("decode of encode differs")
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	h := New(Precise)
	b.ReportAllocs()
	d := time.Microsecond
	for b.Loop() {
		h.Record(d)
		if d += 37 * time.Microsecond; d > time.Second {
			d = time.Microsecond
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	h, o := New(Precise), New(Precise)
	for d := time.Microsecond; d < time.Second; d += time.Microsecond {
		o.Record(d)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Merge(o); err != nil {
			b.Fatal(err)
		}
	}
}
