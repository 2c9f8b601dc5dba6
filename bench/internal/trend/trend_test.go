package trend

import (
	_ "embed"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// golden is written by scripts/golden/trend.py with SciPy.
//
//go:embed testdata/scipy.json
var golden []byte

type expectedChange struct {
	At               int
	Before, After, P float64
}

func same(got, want float64) bool {
	return math.Abs(got-want) <= 1e-9*max(1, math.Abs(want))
}

// pointsOf makes a series of one environment, a commit an hour.
func pointsOf(values []float64) []Point {
	points := make([]Point, len(values))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, v := range values {
		points[i] = Point{Time: start.Add(time.Duration(i) * time.Hour), Environment: "machine", Value: v}
	}
	return points
}

func TestSciPy(t *testing.T) {
	var all struct {
		Series []struct {
			Name    string
			Values  []float64
			Changes []expectedChange
		}
		Tests []struct {
			A, B []float64
			P    float64
		}
	}
	if err := json.Unmarshal(golden, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Series) < 8 || len(all.Tests) < 6 {
		t.Fatalf("the golden values have only %d series and %d tests", len(all.Series), len(all.Tests))
	}
	for _, s := range all.Series {
		got := Find(pointsOf(s.Values), 0)
		if len(got) != 1 || len(got[0].Changes) != len(s.Changes) {
			t.Errorf("%s: %+v, want %+v", s.Name, got, s.Changes)
			continue
		}
		for i, want := range s.Changes {
			c := got[0].Changes[i]
			if c.At != want.At || !same(c.Before, want.Before) || !same(c.After, want.After) || !same(c.P, want.P) {
				t.Errorf("%s: %+v, want %+v", s.Name, c, want)
			}
		}
	}
	for _, c := range all.Tests {
		if got := tTest(c.A, c.B); math.Abs(got-c.P) > 1e-9*c.P {
			t.Errorf("t-test of %d and %d values: p %v, want %v", len(c.A), len(c.B), got, c.P)
		}
	}
}

// levels are stretches of exact values: what is found in them needs no luck.
func levels(parts ...[2]float64) (values []float64) {
	for _, p := range parts {
		for range int(p[0]) {
			values = append(values, p[1])
		}
	}
	return values
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		least  float64
		want   []Change
	}{
		{"always the same", levels([2]float64{30, 8}), 0, nil},
		{"a step", levels([2]float64{12, 8}, [2]float64{10, 9}), 0.1, []Change{{At: 12, Before: 8, After: 9}}},
		{"a step that does not matter", levels([2]float64{12, 8}, [2]float64{10, 9}), 0.15, nil},
		{"there and back", levels([2]float64{12, 8}, [2]float64{10, 9}, [2]float64{10, 8}), 0, []Change{{At: 12, Before: 8, After: 9}, {At: 22, Before: 9, After: 8}}},
		{"the latest three", levels([2]float64{40, 8}, [2]float64{3, 9}), 0, []Change{{At: 40, Before: 8, After: 9}}},
		{"the latest one may be chance", levels([2]float64{40, 8}, [2]float64{1, 9}), 0.05, nil},
		{"9 points are too few", levels([2]float64{5, 8}, [2]float64{4, 9}), 0, nil},
		{"10 are not", levels([2]float64{5, 8}, [2]float64{5, 9}), 0, []Change{{At: 5, Before: 8, After: 9}}},
		{"beyond the first window", levels([2]float64{170, 8}, [2]float64{10, 9}), 0, []Change{{At: 170, Before: 8, After: 9}}},
	} {
		got := Find(pointsOf(c.values), c.least)
		if len(got) != 1 || got[0].Searched != (len(c.values) >= LeastPoints) || len(got[0].Changes) != len(c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			continue
		}
		for i := range c.want {
			if got[0].Changes[i] != c.want[i] {
				t.Errorf("%s: %+v, want %+v", c.name, got[0].Changes[i], c.want[i])
			}
		}
	}
	if got := Find(nil, 0); got != nil {
		t.Errorf("of nothing: %+v", got)
	}
}

// Another machine's level is no change, and a change is told by its place in
// the whole series.
func TestEnvironmentsAreNotCompared(t *testing.T) {
	points := pointsOf(levels([2]float64{20, 8}, [2]float64{4, 5}, [2]float64{10, 12}, [2]float64{10, 14}))
	for i := range points[20:] {
		points[20+i].Environment = "another"
	}
	for i := range points[24:] {
		points[24+i].Environment = "a third"
	}
	got := Find(points, 0)
	if len(got) != 3 || got[0].Changes != nil || !got[0].Searched || got[1].Searched || got[1].First != 20 || got[1].End != 24 ||
		len(got[2].Changes) != 1 || got[2].Changes[0].At != 34 || got[2].Environment != "a third" {
		t.Errorf("%+v", got)
	}
}

// noise draws values about a level, apart by a share, log-normally as durations
// are.
func noise(random *rand.Rand, n int, level, share float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = level * math.Exp(share*random.NormFloat64())
	}
	return values
}

// The rate of false changes that docs/comparing.md states: of series in which
// nothing changed, at most 1 in 20 has one.
func TestNoiseIsNoChange(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const series = 1000
	for _, n := range []int{10, 20, 40, 100} {
		found := 0
		for range series {
			if len(Find(pointsOf(noise(random, n, 8, 0.05)), 0)[0].Changes) > 0 {
				found++
			}
		}
		t.Logf("%d points: a change in %d of %d series", n, found, series)
		if found > series/20 {
			t.Errorf("%d points: a change in %d of %d series of noise", n, found, series)
		}
	}
}

// A step of five times the noise is found at its place, whichever it is and
// whatever else was drawn.
func TestAStepIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := rapid.IntRange(6, 60).Draw(t, "before"), rapid.IntRange(6, 60).Draw(t, "after")
		ratio := rapid.SampledFrom([]float64{0.85, 1 / 0.85}).Draw(t, "ratio")
		jitter := rapid.SliceOfN(rapid.Float64Range(-0.03, 0.03), before+after, before+after).Draw(t, "jitter")
		values := make([]float64, before+after)
		for i := range values {
			if values[i] = 8 * (1 + jitter[i]); i >= before {
				values[i] *= ratio
			}
		}
		for _, c := range Find(pointsOf(values), 0.1)[0].Changes {
			if c.At >= before-1 && c.At <= before+1 && (c.After > c.Before) == (ratio > 1) {
				return
			}
		}
		t.Fatalf("no change at %d in %v", before, values)
	})
}

// The same points in another unit have the same changes.
func TestUnitsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(1, 2), 10, 80).Draw(t, "values")
		scaled := make([]float64, len(values))
		for i, v := range values {
			scaled[i] = v / 1024 // a power of two: no rounding
		}
		a, b := Find(pointsOf(values), 0.02)[0].Changes, Find(pointsOf(scaled), 0.02)[0].Changes
		if len(a) != len(b) {
			t.Fatalf("%v and, scaled, %v", a, b)
		}
		for i := range a {
			if a[i].At != b[i].At || !same(a[i].P, b[i].P) {
				t.Fatalf("%v and, scaled, %v", a[i], b[i])
			}
		}
	})
}
