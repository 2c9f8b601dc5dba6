package find

import (
	"cmp"
	"math"
	"slices"
)

// A Sample is one probe on the latency–load curve.
type Sample struct {
	Load    float64
	Latency float64 // seconds, or any unit that is the same for all
}

// A Knee is the load beyond which latency grows faster than load.
type Knee struct {
	// Load is a load that was probed; nil if latency grew no faster than load
	// anywhere.
	Load *float64 `json:"load,omitempty"`
	// Next is the load up to which the curve rises from there: the knee is known
	// no closer than from Load to Next.
	Next *float64 `json:"next,omitempty"`
	// First: it already did from the smallest load on, so the knee is there or
	// below.
	First bool `json:"first,omitempty"`
}

// NewKnee finds the knee of a curve: on logarithmic axes, the first corner of
// its lower convex hull from which the hull rises with a slope above 1,
// d ln latency ÷ d ln load > 1. A hull's slope never falls, so beyond its knee
// it stays above 1, and a single slow probe is no corner of it. Of a load with
// several samples the median counts; samples that are not above 0 do not. Nil
// without samples at two loads.
func NewKnee(samples []Sample) *Knee {
	hull := lowerHull(Medians(samples))
	if len(hull) < 2 {
		return nil
	}
	for i, p := range hull[1:] {
		if from := hull[i]; slope(from, p) > 1 {
			return &Knee{Load: new(from.Load), Next: new(p.Load), First: i == 0}
		}
	}
	return &Knee{}
}

// Medians has one sample for each load, by load.
func Medians(samples []Sample) []Sample {
	sorted := slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool { return s.Load <= 0 || s.Latency <= 0 })
	slices.SortFunc(sorted, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(a.Load, b.Load), cmp.Compare(a.Latency, b.Latency))
	})
	var all []Sample
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].Load == sorted[0].Load {
			n++
		}
		middle := math.Sqrt(sorted[(n-1)/2].Latency * sorted[n/2].Latency)
		all = append(all, Sample{sorted[0].Load, middle})
		sorted = sorted[n:]
	}
	return all
}

// lowerHull leaves the corners of the lower convex hull on logarithmic axes.
func lowerHull(samples []Sample) []Sample {
	var hull []Sample
	for _, s := range samples {
		for len(hull) > 1 && slope(hull[len(hull)-2], hull[len(hull)-1]) >= slope(hull[len(hull)-1], s) {
			hull = hull[:len(hull)-1]
		}
		hull = append(hull, s)
	}
	return hull
}

// slope is d ln latency ÷ d ln load.
func slope(a, b Sample) float64 {
	return math.Log(b.Latency/a.Latency) / math.Log(b.Load/a.Load)
}
