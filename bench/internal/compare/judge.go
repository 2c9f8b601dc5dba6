package compare

import (
	"fmt"
	"math"
	"slices"

	"fanbench/bench/internal/stats"
	"fanbench/loadgen/result"
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
	correct(c.Metrics, rules.Alpha)
	interval := func(j *Judged, level float64) (low, high float64) {
		return stats.SignedRankInterval(slices.DeleteFunc(logRatios(good, j.Name), math.IsNaN), level)
	}
	for i := range c.Metrics {
		j := &c.Metrics[i]
		missing := ""
		if j.N < len(good) {
			missing = fmt.Sprintf("measured in %d of %d pairs", j.N, len(good))
		}
		j.weigh(rules.Alpha, missing, interval)
	}
	failed := c.faults(sum(pairs, func(p Pair) result.Faults { return p.Baseline.Faults }), sum(pairs, func(p Pair) result.Faults { return p.Candidate.Faults }))
	if failed {
		return c
	}
	if c.Voided > rules.MostVoid {
		c.because(Invalid, fmt.Sprintf("%d pairs are void, %d may be", c.Voided, rules.MostVoid))
	}
	if c.Counted < rules.Pairs {
		c.because(Invalid, fmt.Sprintf("%d of %d pairs count", c.Counted, rules.Pairs))
	}
	c.conclude()
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
// judged. A metric that lacks publications in any trial does not gate, nor does
// one that no trial has; one that only one side has does.
func estimate(pairs []Pair, m Metric, rules Rules) Judged {
	j := Judged{Metric: m, P: 1, Adjusted: 1, Level: rules.Alpha}
	var present, baseline, candidate []float64
	anywhere := false
	for i, d := range logRatios(pairs, m.Name) {
		j.Ratios = append(j.Ratios, math.Exp(d))
		if !math.IsNaN(d) {
			present = append(present, d)
			baseline = append(baseline, pairs[i].Baseline.Values[m.Name])
			candidate = append(candidate, pairs[i].Candidate.Values[m.Name])
		}
		anywhere = anywhere || pairs[i].Baseline.Values[m.Name] > 0 || pairs[i].Candidate.Values[m.Name] > 0
		if fewest := min(pairs[i].Baseline.Publications, pairs[i].Candidate.Publications); fewest < m.Publications && j.Gating {
			j.Gating, j.Why = false, fmt.Sprintf("rests on %d publications, gates from %d", fewest, m.Publications)
		}
	}
	j.N = len(present)
	j.bounds(rules.Noise[m.Name], math.Sqrt(1/float64(max(1, j.N))))
	if j.N == 0 {
		j.Ratios = nil
		j.absent(anywhere)
		return j
	}
	j.P = stats.SignedRank(present)
	j.Adjusted = j.P
	j.Estimate = number(math.Exp(stats.HodgesLehmann(present)))
	j.Baseline, j.Candidate = number(stats.Median(baseline)), number(stats.Median(candidate))
	return j
}

// absent is for a metric that cannot be compared; anywhere says whether any trial
// has it.
func (j *Judged) absent(anywhere bool) {
	if !anywhere {
		j.Gating, j.Why = false, "not measured"
	}
}

// spare is by how much a change must exceed the noise of its estimate. That is
// known from a dozen pairs or so, exceeded by 1 of 20 estimates of an unchanged
// server, and there are several metrics: without it more than 1 of 100
// comparisons of a server with itself call something changed
// (docs/comparing.md).
const spare = 2

// bounds sets how large a change must be and how small a difference: noise is
// that of one pair, and closer how much less the estimate's is, which rests on
// many.
func (j *Judged) bounds(noise, closer float64) {
	j.Effect = max(j.MinEffect, math.Expm1(math.Log1p(noise)*min(1, spare*closer)))
	j.Margin = max(j.MinEffect, noise)
}

// correct applies Holm's correction to the gating metrics that can be compared,
// and gives each the level at which its interval agrees with it.
func correct(all []Judged, alpha float64) {
	var p []float64
	for _, j := range all {
		if j.Gating && j.N > 0 {
			p = append(p, j.P)
		}
	}
	adjusted, levels := stats.Holm(p), stats.HolmLevels(p, alpha)
	for i := range all {
		if j := &all[i]; j.Gating && j.N > 0 {
			j.Adjusted, adjusted = adjusted[0], adjusted[1:]
			j.Level, levels = levels[0], levels[1:]
		}
	}
}

// weigh gives a metric its interval and, if it gates, its verdict; missing says
// which values are, if any. That nothing matters is judged at the full level:
// all metrics have to show it before the whole is equivalent, so that there is
// no choice among them to correct for (Berger, Multiparameter hypothesis testing
// and acceptance sampling, 1982).
func (j *Judged) weigh(alpha float64, missing string, interval func(j *Judged, level float64) (low, high float64)) {
	if j.N == 0 {
		if j.Gating {
			j.Verdict, j.Why = Invalid, missing
		}
		return
	}
	low, high := interval(j, j.Level)
	if j.Gating {
		if j.Verdict, j.Why = j.changed(low, high, missing); j.Verdict == Inconclusive {
			if l, h := interval(j, alpha); j.same(l, h) {
				j.Level, low, high = alpha, l, h // the interval that the verdict rests on
				j.Verdict, j.Why = Equivalent, j.within(low, high)
			}
		}
	}
	if !math.IsInf(low, 0) {
		j.Low, j.High = number(math.Exp(low)), number(math.Exp(high))
	}
}

// changed is the verdict as far as the corrected test goes: a change that
// matters, or inconclusive. Bounds are symmetric in logarithms, so that swapping
// the sides swaps the verdicts and nothing else.
func (j *Judged) changed(low, high float64, missing string) (Verdict, string) {
	if missing != "" {
		return Invalid, missing
	}
	at := math.Log(*j.Estimate)
	switch {
	case math.IsInf(low, 0):
		return Inconclusive, fmt.Sprintf("%d on a side are too few for an interval at %.3g", j.N, 1-j.Level)
	case low <= 0 && high >= 0 || j.P > j.Level: // they differ at most where pairs are tied
		return Inconclusive, "the interval holds both no change and one that matters"
	case math.Abs(at) < math.Log1p(j.Effect):
		return Inconclusive, "changed, but it may be by less than the minimum effect"
	case (at > 0) == (j.Better == Lower):
		return Regression, ""
	}
	return Improvement, ""
}

// same says whether an interval leaves room only for differences that do not
// matter: below the minimum effect, or, where none is shown, below what two
// trials of one server differ by.
func (j *Judged) same(low, high float64) bool {
	below := func(share float64) bool { return low > -math.Log1p(share) && high < math.Log1p(share) }
	return below(j.Effect) || low <= 0 && high >= 0 && below(j.Margin)
}

func (j *Judged) within(low, high float64) string {
	if bound := math.Log1p(j.Effect); low > -bound && high < bound {
		return ""
	}
	return fmt.Sprintf("within the %.1f %% by which two trials of one server differ", 100*j.Margin)
}

// faults judges by deliveries that went wrong; it is true if that ends it.
func (c *Comparison) faults(baseline, candidate result.Faults) bool {
	if candidate.Any() {
		c.because(Regression, "deliveries of the candidate went wrong: "+candidate.String())
		return true
	}
	if baseline.Any() {
		c.because(Invalid, "deliveries of the baseline went wrong: "+baseline.String())
	}
	return false
}

// conclude gives the whole its verdict: what fails it before what is missing,
// and that before what is well.
func (c *Comparison) conclude() {
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
func sum(pairs []Pair, of func(Pair) result.Faults) (all result.Faults) {
	for _, p := range pairs {
		all = all.Plus(of(p))
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
