package compare_test

import (
	"math/rand/v2"
	"testing"

	"fanbench/bench/internal/compare"
)

func TestLooks(t *testing.T) {
	for _, c := range []struct {
		looks   compare.Looks
		pairs   int
		verdict compare.Verdict
		next    int // 0 for the end
	}{
		{compare.Sequential(), 8, compare.Inconclusive, 16},
		{compare.Sequential(), 16, compare.Inconclusive, 0},
		{compare.Sequential(), 8, compare.Regression, 0},
		{compare.Sequential(), 8, compare.Equivalent, 0},
		{compare.Sequential(), 8, compare.Invalid, 0},
		{compare.Fixed(12), 12, compare.Inconclusive, 0},
	} {
		next, more := c.looks.Next(c.pairs, c.verdict)
		if more != (c.next != 0) || more && next != c.next {
			t.Errorf("%v after %d pairs, %s: %d, %v; want %d", c.looks, c.pairs, c.verdict, next, more, c.next)
		}
	}
}

// What can end a sequential comparison at its first look: that nothing matters,
// of any number of metrics; a change only of a few, because 8 pairs cannot give
// a p below 0.0078, and Holm asks the first of m for 0.029/m.
func TestFirstLook(t *testing.T) {
	metrics := func(n int) (all []compare.Metric) {
		for i := range n {
			all = append(all, compare.Metric{Name: string(rune('a' + i)), Better: compare.Lower, MinEffect: 0.05, Gating: true})
		}
		return all
	}
	for n := 1; n <= 5; n++ {
		for percent, want := range map[float64]compare.Verdict{0: compare.Equivalent, 20: compare.Regression} {
			if percent > 0 && n > 3 {
				want = compare.Inconclusive
			}
			pairs := pairsOf(around(0, 2, 8), metrics(n)...)
			for i := range pairs {
				pairs[i].Candidate.Values["a"] *= 1 + percent/100
			}
			r := rules(8, metrics(n)...)
			r.Alpha = compare.Sequential().Alpha
			if got := compare.Judge(pairs, r); got.Verdict != want {
				t.Errorf("%d metrics, the first %v %% dearer: %s %v, want %s", n, percent, got.Verdict, got.Reasons, want)
			}
		}
	}
}

// Two looks call no more unchanged servers changed than one.
func TestSequentialRates(t *testing.T) {
	const comparisons = 200
	all := recordings(t)
	metrics := compare.Metrics(false)
	random := rand.New(rand.NewPCG(8, 16))
	looks := compare.Sequential()
	r := rules(0, metrics...)
	r.Noise, r.Alpha = compare.Noise(neighbours(random, all[0], len(all[0])/2), metrics), looks.Alpha
	changed, early := 0, 0
	for range comparisons {
		pairs := neighbours(random, all[1], 16)
		for n, more := looks.Pairs[0], true; more; {
			r.Pairs = n
			verdict := compare.Judge(pairs[:n], r).Verdict
			if verdict == compare.Regression || verdict == compare.Improvement {
				changed++
			}
			if n, more = looks.Next(n, verdict); !more && n == looks.Pairs[0] {
				early++
			}
		}
	}
	t.Logf("%d of %d changed, %d ended at the first look", changed, comparisons, early)
	if changed > comparisons/100 || early < comparisons/2 {
		t.Errorf("of %d: %d changed, %d ended at the first look", comparisons, changed, early)
	}
}
