// Package stats holds the few statistics that comparing runs takes: estimates
// of location, exact rank tests with the intervals that belong to them, and
// Holm's correction.
//
// Everything is exact: distributions are counted out, also with ties, and
// nothing is approximated by a normal curve. The package is pure and knows
// nothing of runs; what the numbers mean is package compare's.
package stats

import (
	"math"
	"slices"
)

// Median of at least one value; of an even number the mean of the middle two.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Quantile is the q-quantile, 0 to 1, of at least one value, interpolated
// linearly between order statistics (type 7 of Hyndman and Fan, Sample
// quantiles in statistical packages, 1996; R's and NumPy's default).
func Quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(math.Floor(at))
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Holm adjusts p-values of a family of tests, so that rejecting those at most
// alpha keeps the chance of any false rejection below alpha (Holm, A simple
// sequentially rejective multiple test procedure, 1979). The order is kept.
func Holm(p []float64) []float64 {
	adjusted := make([]float64, len(p))
	least := 0.0
	for rank, i := range order(p) {
		least = max(least, min(1, float64(len(p)-rank)*p[i]))
		adjusted[i] = least
	}
	return adjusted
}

// HolmLevels are the levels at which a family's intervals agree with Holm's
// decisions at alpha: an interval at 1 − level excludes no effect exactly if
// its test is rejected. A rejected test has the level of its own step; those
// from the first that is not rejected share that step's (Strassburger and
// Bretz, Compatible simultaneous lower confidence bounds, 2008).
func HolmLevels(p []float64, alpha float64) []float64 {
	levels := make([]float64, len(p))
	stopped := false
	level := alpha
	for rank, i := range order(p) {
		if !stopped {
			level = alpha / float64(len(p)-rank)
			stopped = p[i] > level
		}
		levels[i] = level
	}
	return levels
}

// order lists the indices of values from the smallest value to the largest.
func order(values []float64) []int {
	indices := make([]int, len(values))
	for i := range indices {
		indices[i] = i
	}
	slices.SortStableFunc(indices, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	return indices
}

// doubledMidranks are twice the ranks of values from 1, ties sharing the mean
// of theirs: whole numbers, so that sums of them can be counted.
func doubledMidranks(values []float64) []int {
	ranks := make([]int, len(values))
	sorted := order(values)
	for from := 0; from < len(sorted); {
		to := from
		for to < len(sorted) && values[sorted[to]] == values[sorted[from]] {
			to++
		}
		for _, i := range sorted[from:to] {
			ranks[i] = from + 1 + to
		}
		from = to
	}
	return ranks
}

// twoSided is the chance of a value at least as far out as the observed one,
// twice the smaller tail, given how many of the equally likely outcomes lead to
// each value.
func twoSided(counts []float64, observed int) float64 {
	var all, below, above float64
	for value, n := range counts {
		all += n
		if value <= observed {
			below += n
		}
		if value >= observed {
			above += n
		}
	}
	return min(1, 2*min(below, above)/all)
}
