package plan

import (
	"math"
	"sort"
	"time"

	"fanbench/loadgen/scenario"
)

// arrivals is when the publications of one phase fall due.
type arrivals struct {
	count int
	rate  float64
	// times, in nanoseconds since the phase's start; nil where they are a
	// multiple of the gap. 8 bytes a publication, for at most
	// [scenario.MaxPublications] of them.
	times []int64
}

func newArrivals(s scenario.Scenario, ph Phase, d time.Duration, seed uint64) arrivals {
	a := arrivals{count: int(math.Round(float64(s.Rate) * d.Seconds())), rate: float64(s.Rate)}
	if s.Arrivals == scenario.Poisson {
		a.times = poisson(a.count, d, seed, ph)
	}
	return a
}

// poisson draws the times of a Poisson process that has n arrivals within d:
// sums of exponential gaps, n+1 of which fill d. Given their number, the times
// of a Poisson process are distributed like this and like nothing else.
func poisson(n int, d time.Duration, seed uint64, ph Phase) []int64 {
	gap := func(k int) float64 { return exponential(draw(seed, forArrivals, uint64(ph), uint64(k))) }
	whole := 0.0
	for k := range n + 1 {
		whole += gap(k)
	}
	times, sum := make([]int64, n), 0.0
	for k := range times {
		sum += gap(k)
		times[k] = int64(sum / whole * float64(d))
	}
	return times
}

// due is when the k-th publication is due, since the phase's start.
func (a *arrivals) due(k int) time.Duration {
	if a.times != nil {
		return time.Duration(a.times[k])
	}
	return time.Duration(float64(k) * float64(time.Second) / a.rate)
}

// sizes are what publications are drawn from, by their weights.
type sizes struct {
	size  []int
	below []uint64 // sum of the weights up to and including this one's
}

func newSizes(distribution []scenario.WeightedSize) sizes {
	var all sizes
	sum := uint64(0)
	for _, w := range distribution {
		sum += uint64(w.Weight)
		all.size = append(all.size, int(w.Size))
		all.below = append(all.below, sum)
	}
	return all
}

// Size of a publication's payload in bytes. It panics where nothing is
// published.
func (p *Plan) Size(publisher int, sequence uint64) int {
	if len(p.sizes.size) == 1 {
		return p.sizes.size[0]
	}
	sums := p.sizes.below
	drawn := below(draw(p.seed, forSizes, uint64(publisher), sequence), sums[len(sums)-1])
	return p.sizes.size[sort.Search(len(sums), func(i int) bool { return drawn < sums[i] })]
}
