package stats_test

import (
	_ "embed"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fanbench/bench/internal/stats"
)

// golden is written by scripts/golden/stats.py with SciPy.
//
//go:embed testdata/scipy.json
var golden []byte

type expected struct {
	P, Estimate, Alpha float64
	Interval           []*float64 // null for an unbounded side, absent where SciPy was not asked
}

type values struct {
	Paired []struct {
		Differences []float64
		expected
	}
	Unpaired []struct {
		A, B []float64
		expected
	}
	Holm []struct{ P, Adjusted []float64 }

	Quantiles []struct{ Values, Q, Quantiles []float64 }
}

// near is the agreement that the golden values are held to.
const near = 1e-9

func same(got, want float64) bool {
	return got == want || math.Abs(got-want) <= near*max(1, math.Abs(want))
}

func (e expected) check(t *testing.T, about any, p, estimate float64, interval func(alpha float64) (low, high float64)) {
	t.Helper()
	if !same(p, e.P) || !same(estimate, e.Estimate) {
		t.Errorf("%v: p %v, estimate %v; want %v and %v", about, p, estimate, e.P, e.Estimate)
	}
	if len(e.Interval) == 0 {
		return
	}
	want := [2]float64{math.Inf(-1), math.Inf(1)}
	for i, edge := range e.Interval {
		if edge != nil {
			want[i] = *edge
		}
	}
	if low, high := interval(e.Alpha); !same(low, want[0]) || !same(high, want[1]) {
		t.Errorf("%v: interval %v to %v at %v, want %v", about, low, high, e.Alpha, want)
	}
}

func TestSciPy(t *testing.T) {
	var all values
	if err := json.Unmarshal(golden, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Paired) < 15 || len(all.Unpaired) < 10 || len(all.Holm) < 4 || len(all.Quantiles) < 4 {
		t.Fatalf("the golden values have only %d, %d, %d and %d cases", len(all.Paired), len(all.Unpaired), len(all.Holm), len(all.Quantiles))
	}
	for _, c := range all.Paired {
		c.check(t, c.Differences, stats.SignedRank(c.Differences), stats.HodgesLehmann(c.Differences),
			func(alpha float64) (float64, float64) { return stats.SignedRankInterval(c.Differences, alpha) })
	}
	for _, c := range all.Unpaired {
		c.check(t, [2]any{c.A, c.B}, stats.RankSum(c.A, c.B), stats.Shift(c.A, c.B),
			func(alpha float64) (float64, float64) { return stats.ShiftInterval(c.A, c.B, alpha) })
	}
	for _, c := range all.Holm {
		if got := stats.Holm(c.P); !slices.EqualFunc(got, c.Adjusted, same) {
			t.Errorf("Holm of %v is %v, want %v", c.P, got, c.Adjusted)
		}
	}
	for _, c := range all.Quantiles {
		for i, q := range c.Q {
			if got := stats.Quantile(c.Values, q); !same(got, c.Quantiles[i]) {
				t.Errorf("quantile %v of %v is %v, want %v", q, c.Values, got, c.Quantiles[i])
			}
		}
	}
}

// The smallest p-values that so many pairs can give, of which the choice of the
// number of pairs follows (docs/comparing.md).
func TestSmallestP(t *testing.T) {
	for n, want := range map[int]float64{0: 1, 5: 0.0625, 6: 0.03125, 8: 0.0078125, 12: 0.00048828125, stats.MostPairs: math.Exp2(1 - stats.MostPairs)} {
		d := make([]float64, n)
		for i := range d {
			d[i] = float64(i + 1)
		}
		if got := stats.SignedRank(d); got != want {
			t.Errorf("%d differences of one sign: p %v, want %v", n, got, want)
		}
	}
}

// distinct draws differences without ties or zeros.
func distinct(t *rapid.T, name string, least, most int) []float64 {
	sizes := rapid.SliceOfNDistinct(rapid.IntRange(1, 1000), least, most, rapid.ID).Draw(t, name)
	d := make([]float64, len(sizes))
	for i, size := range sizes {
		d[i] = float64(size) + float64(i)/1024
		if rapid.Bool().Draw(t, "negative") {
			d[i] = -d[i]
		}
	}
	return d
}

// Test and interval are one statement: the interval excludes 0 exactly if the
// test rejects, whatever the level.
func TestIntervalAgreesWithTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alpha := rapid.Float64Range(0.001, 0.3).Draw(t, "alpha")
		d := distinct(t, "differences", 1, 20)
		low, high := stats.SignedRankInterval(d, alpha)
		if rejected := stats.SignedRank(d) <= alpha; rejected != (low > 0 || high < 0) {
			t.Fatalf("p %v at %v, interval %v to %v", stats.SignedRank(d), alpha, low, high)
		}
		if estimate := stats.HodgesLehmann(d); estimate < low || estimate > high {
			t.Fatalf("the estimate %v is outside %v to %v", estimate, low, high)
		}
		a, b := d[:len(d)/2], d[len(d)/2:]
		if len(a) == 0 {
			return
		}
		low, high = stats.ShiftInterval(a, b, alpha)
		if rejected := stats.RankSum(a, b) <= alpha; rejected != (low > 0 || high < 0) {
			t.Fatalf("unpaired: p %v at %v, interval %v to %v", stats.RankSum(a, b), alpha, low, high)
		}
	})
}

// Who is called baseline does not matter to anything but the sign.
func TestMirrored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SliceOfN(rapid.Float64Range(-10, 10), 1, 16).Draw(t, "differences")
		mirrored := make([]float64, len(d))
		for i := range d {
			mirrored[i] = -d[i]
		}
		low, high := stats.SignedRankInterval(d, 0.05)
		mlow, mhigh := stats.SignedRankInterval(mirrored, 0.05)
		if stats.SignedRank(d) != stats.SignedRank(mirrored) || stats.HodgesLehmann(d) != -stats.HodgesLehmann(mirrored) || low != -mhigh || high != -mlow {
			t.Fatalf("%v and its mirror image differ", d)
		}
	})
}

// At HolmLevels an interval excludes 0 exactly if Holm rejects its test.
func TestHolmLevels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Float64Range(0, 0.2), 1, 8).Draw(t, "p")
		alpha := rapid.Float64Range(0.01, 0.1).Draw(t, "alpha")
		adjusted, levels := stats.Holm(p), stats.HolmLevels(p, alpha)
		for i := range p {
			if (adjusted[i] <= alpha) != (p[i] <= levels[i]) {
				t.Fatalf("p %v at %v: adjusted %v, level %v", p, alpha, adjusted[i], levels[i])
			}
			if levels[i] > alpha || levels[i] < alpha/float64(len(p)) {
				t.Fatalf("level %v of %d tests at %v", levels[i], len(p), alpha)
			}
		}
	})
}
