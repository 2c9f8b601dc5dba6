package stats

import (
	"math"
	"slices"
)

// MostPairs is how many pairs the exact signed-rank distribution is counted out
// for: beyond it the counts, up to 2^n, would no longer be exact in a float64.
const MostPairs = 52

// HodgesLehmann estimates the centre of symmetric differences: the median of
// their Walsh averages, the means of every two of them and of each with itself
// (Hodges and Lehmann, Estimates of location based on rank tests, 1963). One
// wild difference of n moves it little. It takes at least one difference.
func HodgesLehmann(differences []float64) float64 { return Median(walsh(differences)) }

// walsh returns the n(n+1)/2 Walsh averages.
func walsh(d []float64) []float64 {
	averages := make([]float64, 0, len(d)*(len(d)+1)/2)
	for i := range d {
		for j := range i + 1 {
			averages = append(averages, (d[i]+d[j])/2)
		}
	}
	return averages
}

// SignedRank is the two-sided p-value of Wilcoxon's signed-rank test that
// differences are symmetric about 0. Zeros are left out, as Wilcoxon did; ties
// share their ranks' mean and the distribution is that of the ranks at hand. It
// is 1 for no differences, and takes at most [MostPairs].
func SignedRank(differences []float64) float64 {
	var sizes []float64
	var positive []bool
	for _, d := range differences {
		if d != 0 {
			sizes, positive = append(sizes, math.Abs(d)), append(positive, d > 0)
		}
	}
	ranks := doubledMidranks(sizes)
	observed := 0
	for i, r := range ranks {
		if positive[i] {
			observed += r
		}
	}
	return twoSided(subsetSums(ranks), observed)
}

// subsetSums counts, for each sum, the subsets of ranks that have it.
func subsetSums(ranks []int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	counts := make([]float64, total+1)
	counts[0] = 1
	reached := 0
	for _, r := range ranks {
		for sum := reached; sum >= 0; sum-- {
			counts[sum+r] += counts[sum]
		}
		reached += r
	}
	return counts
}

// SignedRankInterval is the confidence interval about [HodgesLehmann] that
// inverts [SignedRank]: the values whose test at level alpha is not rejected,
// for differences without ties. The level is kept, that is, the interval covers
// with at least 1 − alpha. It is unbounded where too few differences were made
// for any test at that level to be rejected: n with 2^(1−n) > alpha.
func SignedRankInterval(differences []float64, alpha float64) (low, high float64) {
	n := len(differences)
	averages := walsh(differences)
	slices.Sort(averages)
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = i + 1
	}
	within := outermost(subsetSums(ranks), alpha)
	if within == 0 {
		return math.Inf(-1), math.Inf(1)
	}
	return averages[within-1], averages[len(averages)-within]
}

// outermost is how many of the lowest values have, together, at most alpha/2 of
// the chance.
func outermost(counts []float64, alpha float64) int {
	var all, tail float64
	for _, n := range counts {
		all += n
	}
	for value, n := range counts {
		if tail += n; 2*tail > alpha*all {
			return value
		}
	}
	return len(counts)
}
