package stats

import (
	"math"
	"slices"
)

// MostUnpaired is how many values, both samples together, the exact rank-sum
// distribution is counted out for.
const MostUnpaired = 50

// Shift estimates by how much b lies above a: the median of all differences
// between a value of b and one of a (Hodges and Lehmann, 1963).
func Shift(a, b []float64) float64 { return Median(differences(a, b)) }

func differences(a, b []float64) []float64 {
	all := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			all = append(all, y-x)
		}
	}
	return all
}

// RankSum is the two-sided p-value of the test of Mann, Whitney and Wilcoxon
// that two samples come from one distribution. Ties share their ranks' mean and
// the distribution is that of the ranks at hand. It takes at least one value a
// side and at most [MostUnpaired] together.
func RankSum(a, b []float64) float64 {
	ranks := doubledMidranks(slices.Concat(a, b))
	observed := 0
	for _, r := range ranks[:len(a)] {
		observed += r
	}
	return twoSided(choices(ranks, len(a)), observed)
}

// choices counts, for each sum, the ways to choose so many ranks that have it.
func choices(ranks []int, chosen int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	counts := make([][]float64, chosen+1) // by how many are chosen, by sum
	for i := range counts {
		counts[i] = make([]float64, total+1)
	}
	counts[0][0] = 1
	for _, r := range ranks {
		for n := chosen; n > 0; n-- {
			for sum := r; sum <= total; sum++ {
				counts[n][sum] += counts[n-1][sum-r]
			}
		}
	}
	return counts[chosen]
}

// ShiftInterval is the confidence interval about [Shift] that inverts
// [RankSum], for samples without ties; it covers with at least 1 − alpha and is
// unbounded where the samples are too small for that level.
func ShiftInterval(a, b []float64, alpha float64) (low, high float64) {
	all := differences(a, b)
	slices.Sort(all)
	ranks := make([]int, len(a)+len(b))
	for i := range ranks {
		ranks[i] = i + 1
	}
	least := len(a) * (len(a) + 1) / 2 // the smallest sum of so many ranks
	within := outermost(choices(ranks, len(a))[least:], alpha)
	if within == 0 {
		return math.Inf(-1), math.Inf(1)
	}
	return all[within-1], all[len(all)-within]
}
