package compare_test

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fanbench/bench/internal/compare"
)

const cpu = "target.cpu_per_delivery_seconds"

// cheaper is a metric of which less is better, gating from 5 %.
var cheaper = compare.Metric{Name: cpu, Better: compare.Lower, MinEffect: 0.05, Gating: true}

// faster is one of which more is better.
var faster = compare.Metric{Name: "deliveries_per_second", Better: compare.Higher, MinEffect: 0.05, Gating: true}

func rules(pairs int, metrics ...compare.Metric) compare.Rules {
	return compare.Rules{Metrics: metrics, Alpha: 0.05, Pairs: pairs, MostVoid: 2}
}

// pairsOf makes pairs whose ratios of every metric are given, in percent, the
// baseline's values 1, 2, 3, …
func pairsOf(percent []float64, metrics ...compare.Metric) []compare.Pair {
	var pairs []compare.Pair
	for i, p := range percent {
		pair := compare.Pair{BaselineFirst: i%2 == 0}
		pair.Baseline.Values, pair.Candidate.Values = map[string]float64{}, map[string]float64{}
		for _, m := range metrics {
			pair.Baseline.Values[m.Name] = float64(i + 1)
			pair.Candidate.Values[m.Name] = float64(i+1) * (1 + p/100)
		}
		pairs = append(pairs, pair)
	}
	return pairs
}

// around spreads n changes evenly over centre ± width, in percent.
func around(centre, width float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = centre - width + 2*width*float64(i)/float64(n-1)
	}
	return all
}

// One metric, every verdict.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name    string
		metric  compare.Metric
		percent []float64
		want    compare.Verdict
	}{
		{"10 % dearer", cheaper, around(10, 3, 12), compare.Regression},
		{"10 % cheaper", cheaper, around(-10, 3, 12), compare.Improvement},
		{"10 % faster", faster, around(10, 3, 12), compare.Improvement},
		{"10 % slower", faster, around(-10, 3, 12), compare.Regression},
		{"nothing but noise", cheaper, around(0, 3, 12), compare.Equivalent},
		{"not a bit of difference", cheaper, make([]float64, 12), compare.Equivalent},
		{"clearly 2 % dearer, which does not matter", cheaper, around(2, 1, 12), compare.Equivalent},
		{"4 % dearer, perhaps more than matters", cheaper, around(4, 3.5, 12), compare.Inconclusive},
		{"too noisy to say", cheaper, around(0, 25, 12), compare.Inconclusive},
		{"one wild pair of twelve", cheaper, append(around(0, 2, 11), 300), compare.Equivalent},
		{"5 pairs cannot be significant", cheaper, around(50, 1, 5), compare.Inconclusive},
		{"6 pairs can", cheaper, around(50, 1, 6), compare.Regression},
	} {
		got := compare.Judge(pairsOf(c.percent, c.metric), rules(len(c.percent), c.metric))
		if got.Verdict != c.want || got.Metrics[0].Verdict != c.want || len(got.Reasons) == 0 {
			t.Errorf("%s: %s (%s) %v, want %s", c.name, got.Verdict, got.Metrics[0].Verdict, got.Reasons, c.want)
		}
	}
}

// The gate can fail: an experiment that passes fails once its candidate is
// slower, with nothing else changed.
func TestTheGateCanFail(t *testing.T) {
	pairs := pairsOf(around(0, 2, 12), cheaper, faster)
	if got := compare.Judge(pairs, rules(12, cheaper, faster)); got.Verdict != compare.Equivalent {
		t.Fatalf("before: %s %v", got.Verdict, got.Reasons)
	}
	for i := range pairs {
		pairs[i].Candidate.Values[cpu] *= 1.15
	}
	got := compare.Judge(pairs, rules(12, cheaper, faster))
	if got.Verdict != compare.Regression || !strings.Contains(got.Reasons[0], cpu+": regression, +15") {
		t.Errorf("after: %s %v", got.Verdict, got.Reasons)
	}
}

// What estimates over so many pairs of one server may differ by is no change, and
// sides that differ by less than two trials of one server are equivalent.
func TestNoiseRaisesTheBounds(t *testing.T) {
	for _, c := range []struct {
		name    string
		percent []float64
		noise   float64
		effect  float64 // at least to hundredths of a percent
		want    compare.Verdict
	}{
		{"8 % at little noise", around(8, 1, 12), 0.01, 0.05, compare.Regression},
		{"8 % where 12 pairs must be 6.8 % apart", around(8, 1, 12), 0.12, 0.0676, compare.Regression},
		{"8 % where 16 pairs must be 7.2 % apart", around(8, 1, 16), 0.15, 0.0724, compare.Regression},
		{"8 % where 12 pairs must be 11 % apart", around(8, 1, 12), 0.20, 0.1110, compare.Equivalent},
		{"no change, too loose for 5 %", around(0, 12, 12), 0, 0.05, compare.Inconclusive},
		{"no change, and no looser than noise", around(0, 12, 12), 0.12, 0.0676, compare.Equivalent},
		{"4 %, perhaps less: noise excuses no change that is shown", around(4, 3.5, 12), 0.09, 0.0510, compare.Inconclusive},
	} {
		r := rules(len(c.percent), cheaper)
		r.Noise = map[string]float64{cpu: c.noise}
		got := compare.Judge(pairsOf(c.percent, cheaper), r)
		j := got.Metrics[0]
		if got.Verdict != c.want || math.Abs(j.Effect-c.effect) > 5e-5 || j.Margin != max(0.05, c.noise) {
			t.Errorf("%s: %s %v at %.4f within %.4f, want %s at %v", c.name, got.Verdict, got.Reasons, j.Effect, j.Margin, c.want, c.effect)
		}
	}
}

func TestNoise(t *testing.T) {
	pairs := pairsOf([]float64{0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, cheaper) // 21, one of them apart
	noise := compare.Noise(pairs, []compare.Metric{cheaper, faster})
	if len(noise) != 1 || noise[cpu] != 0 {
		t.Errorf("one of 21 pairs apart: %v, want 0 for the one metric that was measured", noise)
	}
	pairs = pairsOf(make([]float64, 20), cheaper)
	for i := range pairs { // every pair by 10 %, in turn up and down
		if pairs[i].Candidate.Values[cpu] *= 1.1; i%2 == 0 {
			pairs[i].Baseline, pairs[i].Candidate = pairs[i].Candidate, pairs[i].Baseline
		}
	}
	if noise := compare.Noise(pairs, []compare.Metric{cheaper}); math.Abs(noise[cpu]-0.1) > 1e-12 {
		t.Errorf("every pair 10 %% apart: %v", noise)
	}
}

func TestWhatCannotBeJudged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]compare.Pair)
		want   compare.Verdict
		says   string
	}{
		{"nothing", func([]compare.Pair) {}, compare.Equivalent, cpu + ": equivalent"},
		{"a loss in the candidate", func(p []compare.Pair) { p[3].Candidate.Faults.Lost = 2 }, compare.Regression, "lost 2, duplicated 0"},
		{"a duplicate in a void pair", func(p []compare.Pair) {
			p[3].Candidate.Faults.Duplicated, p[3].Baseline.Invalid = 1, "generator-limited"
		}, compare.Regression, "duplicated 1"},
		{"a reordering in the baseline", func(p []compare.Pair) { p[0].Baseline.Faults.Reordered = 1 }, compare.Invalid, "of the baseline went wrong"},
		{"a void pair", func(p []compare.Pair) { p[0].Candidate.Invalid = "generator-limited" }, compare.Equivalent, "equivalent"},
		{"more void pairs than may be", func(p []compare.Pair) {
			for i := range 3 {
				p[i].Baseline.Invalid = "generator-limited"
			}
		}, compare.Invalid, "3 pairs are void, 2 may be"},
		{"a value that is absent once", func(p []compare.Pair) { delete(p[5].Candidate.Values, cpu) }, compare.Invalid, "measured in 13 of 14 pairs"},
		{"a value of 0", func(p []compare.Pair) { p[5].Baseline.Values[cpu] = 0 }, compare.Invalid, "measured in 13 of 14 pairs"},
		{"a value that one side never has", func(p []compare.Pair) {
			for i := range p {
				delete(p[i].Candidate.Values, cpu)
			}
		}, compare.Invalid, "measured in 0 of 14 pairs"},
		{"a value that one side never has positive", func(p []compare.Pair) {
			for i := range p {
				p[i].Baseline.Values[cpu] = -1
			}
		}, compare.Invalid, "measured in 0 of 14 pairs"},
		{"a value that nobody has", func(p []compare.Pair) {
			for i := range p {
				delete(p[i].Baseline.Values, cpu)
				delete(p[i].Candidate.Values, cpu)
			}
		}, compare.Equivalent, "equivalent"},
		{"no values at all", func(p []compare.Pair) {
			for i := range p {
				p[i].Baseline.Values, p[i].Candidate.Values = nil, nil
			}
		}, compare.Invalid, "no gating metric was measured"},
	} {
		pairs := pairsOf(around(0, 2, 14), cheaper, faster)
		c.change(pairs)
		got := compare.Judge(pairs, rules(12, cheaper, faster))
		if got.Verdict != c.want || !strings.Contains(strings.Join(got.Reasons, "; "), c.says) {
			t.Errorf("%s: %s %v, want %s with %q", c.name, got.Verdict, got.Reasons, c.want, c.says)
		}
	}
	if got := compare.Judge(pairsOf(around(20, 1, 11), cheaper), rules(12, cheaper)); got.Verdict != compare.Invalid {
		t.Errorf("11 of 12 pairs: %s, want invalid", got.Verdict)
	}
}

// A tail quantile gates only with the publications behind it; the figure stands
// in the table all the same.
func TestPublicationsBehindAQuantile(t *testing.T) {
	tail := compare.Metric{Name: "delivery.p99", Better: compare.Lower, MinEffect: 0.15, Gating: true, Publications: 1000}
	pairs := pairsOf(around(40, 1, 12), tail, cheaper)
	for i := range pairs {
		pairs[i].Candidate.Values[cpu] = pairs[i].Baseline.Values[cpu]
		pairs[i].Baseline.Publications, pairs[i].Candidate.Publications = 1000, 1000
	}
	if got := compare.Judge(pairs, rules(12, tail, cheaper)); got.Verdict != compare.Regression {
		t.Errorf("with 1,000 publications in each trial: %s, want regression", got.Verdict)
	}
	pairs[7].Candidate.Publications = 999
	got := compare.Judge(pairs, rules(12, tail, cheaper))
	if got.Verdict != compare.Equivalent || got.Metrics[0].Verdict != "" || got.Metrics[0].Estimate == nil || got.Metrics[0].Why == "" {
		t.Errorf("with 999 in one: %s, the tail %+v; want equivalent and the tail reported", got.Verdict, got.Metrics[0])
	}
}

func TestMetrics(t *testing.T) {
	due, sent := compare.Metrics(false), compare.Metrics(true)
	for i, m := range due {
		want := m.Name
		if strings.HasPrefix(want, "delivery.") {
			want = "sent_" + want
		}
		if sent[i].Name != want || m.Gating != (i < 5) || m.Gating && m.MinEffect == 0 {
			t.Errorf("%+v, from sent %s", m, sent[i].Name)
		}
	}
}

// Swapped sides give reciprocal ratios and mirrored verdicts, whatever the
// pairs are.
func TestMirrored(t *testing.T) {
	mirror := map[compare.Verdict]compare.Verdict{
		compare.Regression: compare.Improvement, compare.Improvement: compare.Regression,
		compare.Equivalent: compare.Equivalent, compare.Inconclusive: compare.Inconclusive,
	}
	rapid.Check(t, func(t *rapid.T) {
		pairs := pairsOf(rapid.SliceOfN(rapid.Float64Range(-30, 40), 12, 20).Draw(t, "percent"), cheaper)
		swapped := make([]compare.Pair, len(pairs))
		for i, p := range pairs {
			p.Candidate.Values[faster.Name] = rapid.Float64Range(1, 1.2).Draw(t, "candidate")
			p.Baseline.Values[faster.Name] = rapid.Float64Range(1, 1.2).Draw(t, "baseline")
			swapped[i] = compare.Pair{Baseline: p.Candidate, Candidate: p.Baseline}
		}
		a, b := compare.Judge(pairs, rules(12, cheaper, faster)), compare.Judge(swapped, rules(12, cheaper, faster))
		for i, m := range a.Metrics {
			o := b.Metrics[i]
			if math.Abs(*m.Estimate**o.Estimate-1) > 1e-9 || math.Abs(*m.Low**o.High-1) > 1e-9 || m.P != o.P || m.Adjusted != o.Adjusted {
				t.Fatalf("%s: %v (%v to %v), swapped %v (%v to %v)", m.Name, *m.Estimate, *m.Low, *m.High, *o.Estimate, *o.Low, *o.High)
			}
			if o.Verdict != mirror[m.Verdict] {
				t.Fatalf("%s: %s, swapped %s", m.Name, m.Verdict, o.Verdict)
			}
		}
	})
}

// No verdict contradicts its own interval or the correction for several
// metrics.
func TestVerdictAndIntervalAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metrics := []compare.Metric{cheaper, faster, {Name: "third", Better: compare.Lower, MinEffect: 0.1, Gating: true}}
		pairs := pairsOf(make([]float64, 12), metrics...)
		for i := range pairs {
			for k, m := range metrics {
				pairs[i].Candidate.Values[m.Name] *= rapid.Float64Range(0.9, 1.1+float64(k)/10).Draw(t, m.Name)
			}
		}
		r := rules(12, metrics...)
		r.Noise = map[string]float64{cpu: 0.08}
		for _, j := range compare.Judge(pairs, r).Metrics {
			excludes := *j.Low > 1 || *j.High < 1
			if changed := j.Verdict == compare.Regression || j.Verdict == compare.Improvement; changed && (!excludes || j.Adjusted > 0.05) {
				t.Fatalf("%s: %s, but the interval is %v to %v and p %v", j.Name, j.Verdict, *j.Low, *j.High, j.Adjusted)
			}
			bound := j.Margin
			if excludes {
				bound = j.Effect
			}
			if j.Verdict == compare.Equivalent && (*j.High >= 1+bound || *j.Low <= 1/(1+bound) || j.Level != 0.05) {
				t.Fatalf("%s: equivalent within %v, but the interval at %v is %v to %v", j.Name, bound, j.Level, *j.Low, *j.High)
			}
		}
	})
}
