// Package compare judges an experiment: pairs of trials, baseline and candidate
// side by side, in; for every metric an estimate, its interval and one of five
// verdicts out. docs/comparing.md explains them to people.
//
// It is arithmetic: it starts nothing and reads no files. The numbers come from
// package stats, the pairs from package experiment or from stored runs.
package compare

import (
	"math"

	"fanbench/loadgen/result"
)

// A Verdict is what can be said of a metric, or of a whole experiment.
type Verdict string

const (
	// Regression: the candidate is worse, by the minimum effect at least.
	Regression Verdict = "regression"
	// Improvement: it is better, by the minimum effect at least.
	Improvement Verdict = "improvement"
	// Equivalent: whatever difference there may be is below the minimum effect.
	Equivalent Verdict = "equivalent"
	// Inconclusive: the pairs allow none of the above.
	Inconclusive Verdict = "inconclusive"
	// Invalid: there is nothing to judge by.
	Invalid Verdict = "invalid"
)

// A Direction says which values of a metric are better.
type Direction string

const (
	Lower  Direction = "lower"
	Higher Direction = "higher"
)

// Metric is one figure that is compared.
type Metric struct {
	// Name as in results.
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Better Direction `json:"better"`
	// MinEffect is the smallest change that matters, as a share: 0.05 is 5 %.
	MinEffect float64 `json:"min_effect"`
	// Gating metrics decide the experiment's verdict; the others are reported.
	Gating bool `json:"gating"`
	// Publications that must stand behind a value in every trial for the metric
	// to gate; with fewer it is reported. 0 for none.
	Publications uint64 `json:"publications"`
}

// Trial is what one trial contributes.
type Trial struct {
	// Values of metrics in their units. What was not measured, or cannot be
	// trusted, is absent, never 0.
	Values map[string]float64 `json:"values"`
	// Publications behind the trial's delivery quantiles.
	Publications uint64        `json:"publications"`
	Faults       result.Faults `json:"faults"`
	// Invalid says why the trial does not count; "" if it does.
	Invalid string `json:"invalid,omitempty"`
	// Directory of the run, relative to the experiment's.
	Directory string `json:"directory,omitempty"`
}

// Pair is one trial of the baseline and one of the candidate, made one after
// the other. A pair counts only whole.
type Pair struct {
	// BaselineFirst says which of the two was made first.
	BaselineFirst bool  `json:"baseline_first"`
	Baseline      Trial `json:"baseline"`
	Candidate     Trial `json:"candidate"`
}

// Void says why a pair does not count; "" if it does.
func (p Pair) Void() string {
	switch {
	case p.Baseline.Invalid != "":
		return "baseline: " + p.Baseline.Invalid
	case p.Candidate.Invalid != "":
		return "candidate: " + p.Candidate.Invalid
	}
	return ""
}

// Rules are what pairs are judged by. They are fixed before the first trial.
type Rules struct {
	Metrics []Metric `json:"metrics"`
	// Noise is by how much two trials of one server differ on this machine, by
	// metric, see [Noise]. Over n pairs an estimate is apart by less, by the
	// square root of n, and a minimum effect is never below twice that. nil if
	// it has not been measured.
	Noise map[string]float64 `json:"noise,omitempty"`
	// Alpha is the chance, at most, that any gating metric of an unchanged
	// server is judged changed.
	Alpha float64 `json:"alpha"`
	// Pairs that must count for a verdict, and MostVoid, how many may be void.
	Pairs    int `json:"pairs"`
	MostVoid int `json:"most_void"`
}

// Judged is a metric with what the pairs say about it. Ratios are candidate to
// baseline.
type Judged struct {
	Metric
	// N pairs have a value on both sides; unpaired, the values on the side that
	// has fewer.
	N int `json:"n"`
	// Estimate of the ratio, and the interval Low to High at 1 − Level. They
	// are absent if N is 0, and the interval also where N is too small for any
	// at that level. It is the one that the verdict rests on: Holm's level for a
	// change, the rules' Alpha for equivalence.
	Estimate *float64 `json:"estimate,omitempty"`
	Low      *float64 `json:"low,omitempty"`
	High     *float64 `json:"high,omitempty"`
	Level    float64  `json:"level"`
	// P of the test that nothing changed, and after the correction for several
	// gating metrics. Of a metric that does not gate both are the same.
	P        float64 `json:"p"`
	Adjusted float64 `json:"p_adjusted"`
	// Effect is the minimum effect that was applied, as a share: the stated one,
	// or twice the noise of an estimate over so many pairs if that is larger.
	Effect float64 `json:"effect"`
	// Margin within which the interval must lie for sides that show no change to
	// be equivalent: the stated effect, or the noise of a pair if that is larger.
	Margin float64 `json:"margin"`
	// Verdict of a gating metric; "" of one that is only reported.
	Verdict Verdict `json:"verdict,omitempty"`
	// Why in a few words, where the numbers do not say it.
	Why string `json:"why,omitempty"`
	// Ratios of the pairs, in their order; NaN where a side has no value.
	Ratios []float64 `json:"-"`

	// Median values of the two sides, in the metric's unit.
	Baseline  *float64 `json:"baseline,omitempty"`
	Candidate *float64 `json:"candidate,omitempty"`
}

// Comparison is the judged experiment.
type Comparison struct {
	Verdict Verdict  `json:"verdict"`
	Metrics []Judged `json:"metrics"`
	// Counted and Voided pairs; unpaired, the runs that count on the side that
	// has fewer, and those left out.
	Counted int `json:"counted"`
	Voided  int `json:"voided"`
	// Reasons in plain words, the verdict's first.
	Reasons []string `json:"reasons"`
}

// Noise is the 95th percentile, over pairs of one and the same server, of how
// far the two trials' values are apart, as a share of the smaller one; by
// metric. Metrics without values are absent.
func Noise(pairs []Pair, metrics []Metric) map[string]float64 {
	noise := make(map[string]float64)
	for _, m := range metrics {
		var apart []float64
		for _, d := range logRatios(counted(pairs), m.Name) {
			if !math.IsNaN(d) {
				apart = append(apart, math.Abs(d))
			}
		}
		if len(apart) > 0 {
			noise[m.Name] = math.Expm1(percentile95(apart))
		}
	}
	return noise
}
