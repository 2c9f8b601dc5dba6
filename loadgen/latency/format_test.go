package latency

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

func TestLogReadsBack(t *testing.T) {
	start := time.UnixMilli(1_767_323_045_678)
	var b bytes.Buffer
	l, err := NewLog(&b, start, "of a test")
	if err != nil {
		t.Fatal(err)
	}
	whole := of(Precise, 20*time.Microsecond, time.Second, 2*Highest, -1)
	if err := l.Write("send-lag", 1500*time.Millisecond, 2500*time.Millisecond, whole); err != nil {
		t.Fatal(err)
	}
	if err := l.Write("with space", 0, 1, whole); err == nil {
		t.Error("wrote a tag that splits the line")
	}
	head := "#of a test\n#[Histogram log format version 1.3]\n#[BaseTime: 1767323045.678 (seconds since epoch)]\n" +
		"#[StartTime: 1767323045.678 (seconds since epoch), 2026-01-02T03:04:05Z]\n" +
		`"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"` + "\n" +
		fmt.Sprintf("Tag=send-lag,1.500000,1.000000,%f,HISTF", float64(Highest)/1e6)
	if !strings.HasPrefix(b.String(), head) {
		t.Errorf("log begins\n%s\nwant\n%s", b.String(), head)
	}
	got, err := hdr.NewHistogramLogReader(&b).NextIntervalHistogram()
	if err != nil {
		t.Fatal(err)
	}
	if got.Tag() != "send-lag" || !got.Equals(whole.counts) || got.StartTimeMs() != start.UnixMilli()+1500 || got.EndTimeMs() != start.UnixMilli()+2500 {
		t.Errorf("read %q with %d records from %d to %d ms", got.Tag(), got.TotalCount(), got.StartTimeMs(), got.EndTimeMs())
	}
}

// What other programs read is what the library writes, to the byte.
func TestEncodesAsTheLibrary(t *testing.T) {
	many := New(Precise)
	for i := range time.Duration(100_000) {
		many.Record(i * i % 7919 * time.Microsecond)
	}
	tests := map[string]*Histogram{
		"nothing":            New(Precise),
		"only the first":     of(Precise, 0),
		"one zero between":   of(Precise, 0, 2*Lowest),
		"two zeros between":  of(Precise, 0, 3*Lowest),
		"the longest":        of(Coarse, Highest),
		"outside":            of(Coarse, -1, 2*Highest),
		"counts of 3 bytes":  many,
		"emptied":            of(Precise, 1, 2, 3),
		"one digit":          of(1, time.Second, time.Minute),
		"counts of one byte": of(Precise, time.Second, time.Second, time.Minute),
	}
	tests["emptied"].Reset()
	for name, h := range tests {
		got, err := h.Encode()
		want, wrong := h.counts.Encode(hdr.V2CompressedEncodingCookieBase)
		if err != nil || wrong != nil || got != string(want) {
			t.Errorf("%s: %v, %v:\n%s\nwant\n%s", name, err, wrong, got, want)
		}
	}
}

func TestDistribution(t *testing.T) {
	h := New(Precise)
	for range 999_999 {
		h.Record(time.Millisecond)
	}
	h.Record(time.Second)
	var b bytes.Buffer
	if err := h.WriteDistribution(&b, "of a test"); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if lines[0] != "       Value     Percentile TotalCount 1/(1-Percentile)" || lines[1] != "" ||
		lines[2] != "       1.000 0.000000000000     999999           1.00" {
		t.Errorf("begins\n%s", strings.Join(lines[:3], "\n"))
	}
	// The one in a million, which six digits of the percentile do not show.
	tail := slices.Index(lines, "    1000.342 1.000000000000    1000000")
	if tail < 0 {
		t.Fatalf("no line for the maximum in\n%s", b.String())
	}
	want := []string{
		"#[Mean    =        1.001, StdDeviation   =        0.999]",
		"#[Max     =     1000.342, Total count    =      1000000]",
		"#[Buckets =           25, SubBuckets     =         2048]",
		"# of a test", "",
	}
	if got := lines[tail+1:]; !slices.Equal(got, want) {
		t.Errorf("ends\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	b.Reset()
	if err := New(Coarse).WriteDistribution(&b); err != nil || !strings.Contains(b.String(), "Total count    =            0]") {
		t.Errorf("an empty one: %v\n%s", err, b.String())
	}
}

type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWritersSayWhatFailed(t *testing.T) {
	if _, err := NewLog(full{}, time.Unix(0, 0)); !errors.Is(err, errFull) {
		t.Errorf("log: %v", err)
	}
	if err := New(Coarse).WriteDistribution(full{}); !errors.Is(err, errFull) {
		t.Errorf("distribution: %v", err)
	}
}

func TestWithout(t *testing.T) {
	whole := of(Precise, 1e6, 1e6, 2e6, 2*Highest, -1)
	rest, err := whole.Without(of(Precise, 1e6, 2*Highest))
	if err != nil {
		t.Fatal(err)
	}
	if want := of(Precise, 1e6, 2e6, -1); !rest.counts.Equals(want.counts) || rest.Overflow() != 0 || rest.Negative() != 1 {
		t.Errorf("rest %v, want %v", rest.Steps(), want.Steps())
	}
	for name, part := range map[string]*Histogram{
		"a record that the whole lacks":    of(Precise, 3e6),
		"more records than the whole has":  of(Precise, 2e6, 2e6),
		"more overflow, of the same steps": of(Precise, 2*Highest, -1, -1),
		"other digits":                     of(Coarse, 1e6),
	} {
		if rest, err := whole.Without(part); err == nil {
			t.Errorf("%s: %v", name, rest.Steps())
		}
	}
}
