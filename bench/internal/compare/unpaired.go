package compare

import (
	"fmt"
	"math"
	"slices"

	"fanbench/bench/internal/stats"
	"fanbench/loadgen/result"
)

// Unpaired judges stored runs of two servers that were not made in pairs, a and
// b, at most [stats.MostUnpaired] that count together: by the test of Mann and
// Whitney and the shift between their logarithms. The rules' Pairs and MostVoid
// do not apply; too few runs come out inconclusive.
//
// It is advisory, and says so in its reasons. Whatever changed between the runs
// besides the server is in the difference too, and more runs only make that
// error look surer.
func Unpaired(a, b []Trial, rules Rules) Comparison {
	goodA, goodB := valid(a), valid(b)
	c := Comparison{Counted: min(len(goodA), len(goodB)), Voided: len(a) + len(b) - len(goodA) - len(goodB)}
	if n := len(goodA) + len(goodB); n > stats.MostUnpaired {
		c.because(Invalid, fmt.Sprintf("%d runs; at most %d are compared", n, stats.MostUnpaired))
		return c
	}
	for _, m := range rules.Metrics {
		c.Metrics = append(c.Metrics, estimateUnpaired(goodA, goodB, m, rules))
	}
	correct(c.Metrics, rules.Alpha)
	interval := func(j *Judged, level float64) (low, high float64) {
		return stats.ShiftInterval(logs(goodA, j.Name), logs(goodB, j.Name), level)
	}
	for i := range c.Metrics {
		j := &c.Metrics[i]
		missing := ""
		if has, runs := len(logs(goodA, j.Name))+len(logs(goodB, j.Name)), len(goodA)+len(goodB); has < runs {
			missing = fmt.Sprintf("measured in %d of %d runs", has, runs)
		}
		j.weigh(rules.Alpha, missing, interval)
	}
	if !c.faults(sumTrials(a), sumTrials(b)) {
		c.conclude()
	}
	c.Reasons = append(c.Reasons, "advisory: the runs were not made in pairs, and what else changed between them counts as change")
	return c
}

func valid(trials []Trial) []Trial {
	return slices.DeleteFunc(slices.Clone(trials), func(t Trial) bool { return t.Invalid != "" })
}

// estimateUnpaired is [estimate] without pairs. N is the number of values on the
// side that has fewer.
func estimateUnpaired(a, b []Trial, m Metric, rules Rules) Judged {
	j := Judged{Metric: m, P: 1, Adjusted: 1, Level: rules.Alpha}
	la, lb := logs(a, m.Name), logs(b, m.Name)
	j.N = min(len(la), len(lb))
	if j.N == 0 {
		j.bounds(rules.Noise[m.Name], 1)
		j.absent(len(la)+len(lb) > 0)
		return j
	}
	for _, t := range slices.Concat(a, b) {
		if t.Publications < m.Publications && j.Gating {
			j.Gating, j.Why = false, fmt.Sprintf("rests on %d publications, gates from %d", t.Publications, m.Publications)
		}
	}
	// a pair's noise has the variance of one trial on each side
	j.bounds(rules.Noise[m.Name], math.Sqrt((1/float64(len(la))+1/float64(len(lb)))/2))
	j.P = stats.RankSum(la, lb)
	j.Adjusted = j.P
	j.Estimate = number(math.Exp(stats.Shift(la, lb)))
	j.Baseline, j.Candidate = number(math.Exp(stats.Median(la))), number(math.Exp(stats.Median(lb)))
	return j
}

// logs are the logarithms of a metric's values, where there is a positive one.
func logs(trials []Trial, name string) []float64 {
	var values []float64
	for _, t := range trials {
		if v := t.Values[name]; v > 0 {
			values = append(values, math.Log(v))
		}
	}
	return values
}

func sumTrials(trials []Trial) (all result.Faults) {
	for _, t := range trials {
		all = all.Plus(t.Faults)
	}
	return all
}
