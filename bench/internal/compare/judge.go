package compare

import (
	"fmt"
	"math"
	"slices"

	"fanbench/bench/internal/stats"
)

// Judge weighs the pairs. It does not mind more pairs than the rules ask for;
// with fewer, or with too many void ones, the comparison is invalid, and its
// figures stand all the same.
func Judge(pairs []Pair, rules Rules) Comparison {
	good := counted(pairs)
	c := Comparison{Counted: len(good), Voided: len(pairs) - len(good)}
	for _, m := range rules.Metrics {
		c.Metrics = append(c.Metrics, estimate(good, m, rules))
	}
	correct(good, c.Metrics, rules.Alpha)
	for i := range c.Metrics {
		if j := &c.Metrics[i]; j.Gating {
			j.Verdict, j.Why = verdict(j)
		}
	}
	c.conclude(pairs, rules)
	return c
}

func counted(pairs []Pair) []Pair {
	return slices.DeleteFunc(slices.Clone(pairs), func(p Pair) bool { return p.Void() != "" })
}

// logRatios are ln(candidate/baseline) by pair: changes of +10 % and of −9.1 %
// are then equally far from none. They are rounded to 1e-12, so that equal
// changes are ties and not ranked by rounding errors. NaN where a side has no
// positive value.
func logRatios(pairs []Pair, name string) []float64 {
	ratios := make([]float64, len(pairs))
	for i, p := range pairs {
		b, c := p.Baseline.Values[name], p.Candidate.Values[name]
		ratios[i] = math.NaN()
		if b > 0 && c > 0 {
			ratios[i] = math.Round(1e12*(math.Log(c)-math.Log(b))) / 1e12
		}
	}
	return ratios
}

func percentile95(values []float64) float64 { return stats.Quantile(values, 0.95) }

// estimate is what the pairs say about a metric before it is known what else is
// judged. A metric that lacks publications in any trial does not gate.
func estimate(pairs []Pair, m Metric, rules Rules) Judged {
	j := Judged{Metric: m, P: 1, Adjusted: 1, Level: rules.Alpha, Effect: max(m.MinEffect, rules.Noise[m.Name])}
	var present, baseline, candidate []float64
	for i, d := range logRatios(pairs, m.Name) {
		j.Ratios = append(j.Ratios, math.Exp(d))
		if !math.IsNaN(d) {
			present = append(present, d)
			baseline = append(baseline, pairs[i].Baseline.Values[m.Name])
			candidate = append(candidate, pairs[i].Candidate.Values[m.Name])
		}
		if fewest := min(pairs[i].Baseline.Publications, pairs[i].Candidate.Publications); fewest < m.Publications && j.Gating {
			j.Gating, j.Why = false, fmt.Sprintf("rests on %d publications, gates from %d", fewest, m.Publications)
		}
	}
	j.N = len(present)
	if j.N == 0 {
		j.Gating, j.Why, j.Ratios = false, "not measured", nil
		return j
	}
	j.P = stats.SignedRank(present)
	j.Adjusted = j.P
	j.Estimate = number(math.Exp(stats.HodgesLehmann(present)))
	j.Baseline, j.Candidate = number(stats.Median(baseline)), number(stats.Median(candidate))
	return j
}

// correct applies Holm's correction to the gating metrics, and gives each
// interval the level that agrees with it.
func correct(pairs []Pair, all []Judged, alpha float64) {
	var p []float64
	for _, j := range all {
		if j.Gating {
			p = append(p, j.P)
		}
	}
	adjusted, levels := stats.Holm(p), stats.HolmLevels(p, alpha)
	for i := range all {
		j := &all[i]
		if j.N == 0 {
			continue
		}
		if j.Gating {
			j.Adjusted, adjusted = adjusted[0], adjusted[1:]
			j.Level, levels = levels[0], levels[1:]
		}
		present := slices.DeleteFunc(logRatios(pairs, j.Name), math.IsNaN)
		if low, high := stats.SignedRankInterval(present, j.Level); !math.IsInf(low, 0) {
			j.Low, j.High = number(math.Exp(low)), number(math.Exp(high))
		}
	}
}

// verdict of a gating metric. Bounds are symmetric in logarithms, so that
// swapping the sides swaps the verdicts and nothing else.
func verdict(j *Judged) (Verdict, string) {
	if j.N < len(j.Ratios) {
		return Invalid, fmt.Sprintf("measured in %d of %d pairs", j.N, len(j.Ratios))
	}
	if j.Low == nil {
		return Inconclusive, fmt.Sprintf("%d pairs are too few for an interval at %.3g", j.N, 1-j.Level)
	}
	bound := math.Log1p(j.Effect)
	low, high, at := math.Log(*j.Low), math.Log(*j.High), math.Log(*j.Estimate)
	changed := (low > 0 || high < 0) && j.P <= j.Level // they differ at most where pairs are tied
	switch {
	case changed && math.Abs(at) >= bound:
		if (at > 0) == (j.Better == Lower) {
			return Regression, ""
		}
		return Improvement, ""
	case low > -bound && high < bound:
		return Equivalent, ""
	case changed:
		return Inconclusive, "changed, but it may be by less than the minimum effect"
	}
	return Inconclusive, "the interval holds both no change and more than the minimum effect"
}

// conclude gives the whole its verdict: what fails it before what is missing,
// and that before what is well.
func (c *Comparison) conclude(pairs []Pair, rules Rules) {
	if f := sum(pairs, func(p Pair) Faults { return p.Candidate.Faults }); f != (Faults{}) {
		c.because(Regression, "deliveries of the candidate went wrong: "+f.String())
		return
	}
	if f := sum(pairs, func(p Pair) Faults { return p.Baseline.Faults }); f != (Faults{}) {
		c.because(Invalid, "deliveries of the baseline went wrong: "+f.String())
	}
	if c.Voided > rules.MostVoid {
		c.because(Invalid, fmt.Sprintf("%d pairs are void, %d may be", c.Voided, rules.MostVoid))
	}
	if c.Counted < rules.Pairs {
		c.because(Invalid, fmt.Sprintf("%d of %d pairs count", c.Counted, rules.Pairs))
	}
	if c.Verdict == Invalid {
		return
	}
	for _, v := range []Verdict{Regression, Invalid, Inconclusive, Improvement, Equivalent} {
		for _, j := range c.Metrics {
			if j.Verdict == v {
				c.because(v, j.sentence())
			}
		}
	}
	if c.Verdict == "" {
		c.because(Invalid, "no gating metric was measured")
	}
}

// sum adds up one side's faults, those of void pairs too: a loss is a finding,
// whatever became of the pair.
func sum(pairs []Pair, of func(Pair) Faults) (all Faults) {
	for _, p := range pairs {
		f := of(p)
		all.Lost += f.Lost
		all.Duplicated += f.Duplicated
		all.Reordered += f.Reordered
		all.Corrupt += f.Corrupt
		all.Misrouted += f.Misrouted
	}
	return all
}

// because adds a reason; the first one's verdict is the whole's.
func (c *Comparison) because(v Verdict, reason string) {
	if c.Verdict == "" {
		c.Verdict = v
	}
	c.Reasons = append(c.Reasons, reason)
}

// sentence says a metric's verdict in one line.
func (j Judged) sentence() string {
	s := fmt.Sprintf("%s: %s", j.Name, j.Verdict)
	if j.Estimate != nil {
		s += fmt.Sprintf(", %+.1f %%", 100*(*j.Estimate-1))
	}
	if j.Low != nil {
		s += fmt.Sprintf(" (%+.1f to %+.1f)", 100*(*j.Low-1), 100*(*j.High-1))
	}
	if j.Why != "" {
		s += ": " + j.Why
	}
	return s
}

func number(v float64) *float64 { return &v }

// Restore fills in what a stored comparison leaves out because its pairs say
// it: the ratios.
func (c *Comparison) Restore(pairs []Pair) {
	good := counted(pairs)
	for i := range c.Metrics {
		j := &c.Metrics[i]
		j.Ratios = nil
		if j.N == 0 {
			continue
		}
		for _, d := range logRatios(good, j.Name) {
			j.Ratios = append(j.Ratios, math.Exp(d))
		}
	}
}
