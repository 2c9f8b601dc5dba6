package compare_test

import (
	"math"
	"strings"
	"testing"

	"fanbench/bench/internal/compare"
)

// runsOf makes runs whose CPU per delivery is given.
func runsOf(values ...float64) (runs []compare.Trial) {
	for _, v := range values {
		runs = append(runs, compare.Trial{Values: map[string]float64{cpu: v}})
	}
	return runs
}

func shifted(percent float64, n int) (values []float64) {
	for _, p := range around(percent, 2, n) {
		values = append(values, 1+p/100)
	}
	return values
}

func TestUnpaired(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []compare.Trial
		want compare.Verdict
		says string
	}{
		{"10 % dearer", runsOf(shifted(0, 6)...), runsOf(shifted(10, 6)...), compare.Regression, cpu + ": regression, +10.0 %"},
		{"10 % cheaper", runsOf(shifted(10, 6)...), runsOf(shifted(0, 7)...), compare.Improvement, cpu + ": improvement, -9.1 %"},
		{"the same", runsOf(shifted(0, 8)...), runsOf(shifted(0.1, 8)...), compare.Equivalent, cpu + ": equivalent"},
		{"three runs can show nothing", runsOf(shifted(0, 3)...), runsOf(shifted(50, 3)...), compare.Inconclusive, "3 on a side are too few"},
		{"four can", runsOf(shifted(0, 4)...), runsOf(shifted(50, 4)...), compare.Regression, "+50.0 %"},
		{"a value that is absent once", runsOf(shifted(0, 6)...), runsOf(append(shifted(10, 6), 0)...), compare.Invalid, "measured in 12 of 13 runs"},
		{"a side without values", runsOf(shifted(0, 6)...), runsOf(0, 0, 0), compare.Invalid, "measured in 6 of 9 runs"},
		{"no values at all", runsOf(0, 0), runsOf(0, 0, 0), compare.Invalid, "no gating metric was measured"},
		{"no runs", nil, nil, compare.Invalid, "no gating metric was measured"},
		{"more than are compared", runsOf(shifted(0, 26)...), runsOf(shifted(0, 25)...), compare.Invalid, "51 runs; at most 50"},
	} {
		got := compare.Unpaired(c.a, c.b, rules(12, cheaper))
		if got.Verdict != c.want || !strings.Contains(strings.Join(got.Reasons, "; "), c.says) {
			t.Errorf("%s: %s %q, want %s with %q", c.name, got.Verdict, got.Reasons, c.want, c.says)
		}
		if last := got.Reasons[len(got.Reasons)-1]; c.want != compare.Invalid && !strings.HasPrefix(last, "advisory") {
			t.Errorf("%s: it ends with %q and does not say that it is advisory", c.name, last)
		}
	}
}

func TestUnpairedFaults(t *testing.T) {
	a, b := runsOf(shifted(0, 6)...), runsOf(shifted(0.1, 6)...)
	b[2].Faults.Lost = 1
	if got := compare.Unpaired(a, b, rules(12, cheaper)); got.Verdict != compare.Regression || !strings.Contains(got.Reasons[0], "lost 1") {
		t.Errorf("a loss in the second: %s %q", got.Verdict, got.Reasons)
	}
	if got := compare.Unpaired(b, a, rules(12, cheaper)); got.Verdict != compare.Invalid {
		t.Errorf("a loss in the first: %s %q", got.Verdict, got.Reasons)
	}
	b[2] = compare.Trial{Invalid: "generator-limited"}
	if got := compare.Unpaired(a, b, rules(12, cheaper)); got.Verdict != compare.Equivalent || got.Voided != 1 || got.Counted != 5 {
		t.Errorf("an invalid run: %s, %d left out, %d counted", got.Verdict, got.Voided, got.Counted)
	}
}

// The shift of few runs is as uncertain as both sides are.
func TestUnpairedNoise(t *testing.T) {
	r := rules(12, cheaper)
	r.Noise = map[string]float64{cpu: 0.12}
	j := compare.Unpaired(runsOf(shifted(0, 8)...), runsOf(shifted(0, 24)...), r).Metrics[0]
	if want := math.Pow(1.12, 2*math.Sqrt((1./8+1./24)/2)) - 1; math.Abs(j.Effect-want) > 1e-12 || j.Margin != 0.12 {
		t.Errorf("%v within %v, want %v within 0.12", j.Effect, j.Margin, want)
	}
}
