package calibration

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

func TestTheBarIsOnePercentOr50Microseconds(t *testing.T) {
	for _, c := range []struct {
		truth, measured time.Duration
		within          bool
	}{
		{0, 0, true},
		{0, 50 * time.Microsecond, true},
		{0, 50*time.Microsecond + 1, false},
		{time.Millisecond, 950 * time.Microsecond, true},
		{time.Millisecond, 949 * time.Microsecond, false},
		{time.Second, 1010 * time.Millisecond, true},
		{time.Second, 990 * time.Millisecond, true},
		{time.Second, 1011 * time.Millisecond, false},
		{time.Second, 989 * time.Millisecond, false},
	} {
		got := Compare("p50", c.truth, c.measured)
		if got.Within != c.within || got.Name != "p50" || got.True != c.truth.Seconds() || got.Measured != c.measured.Seconds() {
			t.Errorf("true %v, measured %v: %+v", c.truth, c.measured, got)
		}
	}
}

// The truth's quantiles follow the histograms' rule: else the two would differ
// by rule and not by error.
func TestNearestIsTheHistogramsRule(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 999, 1000, 1001} {
		h := latency.New(latency.Precise)
		var all []time.Duration
		for i := range n {
			d := time.Duration(16 * (i + 1)) // each a step of its own
			h.Record(d)
			all = append(all, d)
		}
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
			if got, want := Nearest(all, q), h.Quantile(q); (want - got).Abs() >= latency.Lowest {
				t.Errorf("quantile %v of %d: %v, the histogram says %v", q, n, got, want)
			}
		}
	}
	if got := Nearest(nil, 0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
}

func TestSortedCountsFromTheEpoch(t *testing.T) {
	if got := Sorted([]int64{1300, 1100, 1200}, 1000); !slices.Equal(got, []time.Duration{100, 200, 300}) {
		t.Errorf("%v", got)
	}
}

// sample is a calibration that can be trusted.
func sample(t *testing.T) *Calibration {
	t.Helper()
	c := &Calibration{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Host: "here",
		Environment: result.Environment{Key: "0123456789ab"},
		Ceilings:    []Ceiling{{Name: "deliveries", Metric: result.Metric{Value: 4.1e6, Unit: "deliveries/s"}, Setting: "flood"}},
		Cases: []Case{{Name: "none", Publications: 11000, Deliveries: 220000, ExactShare: 0.999,
			Quantiles: []Quantile{Compare("p50", 100*time.Microsecond, 104*time.Microsecond)}}},
	}
	if err := c.Judge(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Calibration)
		reason string
	}{
		{"all is well", func(*Calibration) {}, ""},
		{"a quantile is off", func(c *Calibration) { c.Cases[0].Quantiles[0] = Compare("p50", 0, time.Millisecond) }, "none: p50 is off"},
		{"too few publications", func(c *Calibration) { c.Cases[0].Publications = MinPublications - 1 }, "none: 9999 publications, want at least 10000"},
		{"no case", func(c *Calibration) { c.Cases = nil }, "nothing was held"},
		{"a fault", func(c *Calibration) { c.Cases[0].Faults = []string{"lost"} }, "none: lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := sample(t)
			id := k.ID
			c.change(k)
			if err := k.Judge(); err != nil {
				t.Fatal(err)
			}
			if c.reason == "" {
				if !k.Trustworthy || len(k.Reasons) != 0 || k.ID != id {
					t.Errorf("%+v", k)
				}
				return
			}
			if k.Trustworthy || len(k.Reasons) != 1 || !strings.HasPrefix(k.Reasons[0], c.reason) || k.ID == id {
				t.Errorf("%+v", k)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	c := sample(t)
	if found, err := Find(c.Environment, "here"); found != nil || err != nil {
		t.Errorf("before there is one: %+v, %v", found, err)
	}
	path, err := Path(c.Environment)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(path, c); err != nil {
		t.Fatal(err)
	}
	if found, err := Find(c.Environment, "here"); err != nil || !reflect.DeepEqual(found, c) {
		t.Errorf("%+v, %v, want %+v", found, err, c)
	}
	if found, err := Find(c.Environment, "elsewhere"); found != nil || err != nil {
		t.Errorf("of another host: %+v, %v", found, err)
	}
	if found, err := Find(result.Environment{Key: "ba9876543210"}, "here"); found != nil || err != nil {
		t.Errorf("of another environment: %+v, %v", found, err)
	}
	for name, content := range map[string]string{"no JSON": "{", "another file": `{"kind":"run","schema_version":1}`, "a newer one": `{"kind":"calibration","schema_version":2}`} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if found, err := Find(c.Environment, "here"); found != nil || err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

func TestARelativeStateFolderIsIgnored(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "relative")
	got, err := Path(result.Environment{Key: "k"})
	if want := filepath.Join(home, ".local/state/fanbench/calibration/k.json"); got != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestReport(t *testing.T) {
	c := sample(t)
	var b bytes.Buffer
	if err := Report(&b, c); err != nil {
		t.Fatal(err)
	}
	want := "calibration " + c.ID + ` of here, environment 0123456789ab

ceiling                             setting
deliveries  4,100,000 deliveries/s  flood

injected delay  quantile  true    measured  off by   exact stamps
none            p50       100 µs  104 µs    4.00 µs  99.90 %

trustworthy: every quantile is within 1 % or 50µs of the truth
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
