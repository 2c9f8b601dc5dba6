// Package trend finds where a metric changed over stored runs of many commits.
//
// It searches with E-divisive (Matteson and James, A nonparametric approach for
// multiple change point analysis of multivariate data, 2014) in the variant of
// Hunter (Fleming, Kołaczkowski and others, arXiv 2301.03034): a t-test in place
// of random permutations, so that the same series always has the same changes;
// windows of a fixed length; and weak changes that are found first and sifted
// afterwards.
//
// A change found here is a hint where to look and never a gate: runs of
// different days differ by more than their commits, and the t-test judges a
// place that was chosen because it looked like a change. Package compare judges
// two commits. This package is arithmetic and reads no files.
package trend

import (
	"math"
	"slices"
	"time"

	"fanbench/bench/internal/stats"
)

// Point is one run's value of the metric.
type Point struct {
	Commit string
	Time   time.Time
	// Environment is the key of the machine, as in results.
	Environment string
	// Value in the metric's unit, above 0.
	Value float64
}

// Segment is a stretch of points of one environment: points[First:End]. Values
// are not compared across its ends.
type Segment struct {
	Environment string
	First, End  int
	// Searched is false for a segment of fewer than [LeastPoints].
	Searched bool
	Changes  []Change // in their order
}

// Change is a place where a metric changed.
type Change struct {
	// At is the index of the first point after it.
	At int
	// Before and After are medians, in the metric's unit, as far as the
	// neighbouring changes or the segment's ends.
	Before, After float64
	// P is the t-test's. The place was picked by the data, so that it is too
	// small by a factor of the order of the points searched.
	P float64

	short bool // one of the stretches has fewer than leastSide points
}

const (
	// LeastPoints that a segment needs to be searched.
	LeastPoints = 10
	// leastSide is how many points a level takes: one or two wild runs are none.
	leastSide = 3
	// window is how many points are looked at together, so that what was long
	// ago does not decide about the latest, and half of it the step.
	window = 50
	// significant is the level of the t-test, Hunter's. At ten times that,
	// changes are found first: each is then tested between its neighbours, and
	// the weakest is dropped until all hold.
	significant = 0.001
	weak        = 10 * significant
)

// Find splits points, in the order of their commits, where the environment
// changes, and finds the changes in each segment. Those by a smaller share than
// minEffect are left out: 0.05 is 5 %, up or down.
func Find(points []Point, minEffect float64) []Segment {
	var segments []Segment
	for first := 0; first < len(points); {
		end := first + 1
		for end < len(points) && points[end].Environment == points[first].Environment {
			end++
		}
		s := Segment{Environment: points[first].Environment, First: first, End: end, Searched: end-first >= LeastPoints}
		if s.Searched {
			values := make([]float64, 0, end-first)
			for _, p := range points[first:end] {
				values = append(values, p.Value)
			}
			s.Changes = sift(values, candidates(values), math.Log1p(minEffect))
			for i := range s.Changes {
				s.Changes[i].At += first
			}
		}
		segments = append(segments, s)
		first = end
	}
	return segments
}

// candidates are the weak changes of a series, in their order. Windows overlap
// by half, so that each place is well inside one of them.
func candidates(values []float64) []int {
	var found []int
	for start, end := 0, 0; end < len(values); start += window / 2 {
		end = min(start+window, len(values))
		for _, at := range split(values[start:end]) {
			found = append(found, start+at)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// split divides a series at its best place, and the parts again, as long as the
// t-test calls the parts different.
func split(values []float64) []int {
	at := divide(values)
	if at == 0 || tTest(values[:at], values[at:]) > weak {
		return nil
	}
	found := append(split(values[:at]), at)
	for _, later := range split(values[at:]) {
		found = append(found, at+later)
	}
	return found
}

// divide is the place that separates a series best: where the energy distance
// between the two parts, weighted by their sizes, is largest. It is 0 for a
// series that is too short to be divided.
func divide(values []float64) int {
	var left, right, across float64 // sums of the distances within and between the parts
	for i := range values {
		for j := range i {
			right += math.Abs(values[i] - values[j])
		}
	}
	best, place := math.Inf(-1), 0
	for at := 1; at <= len(values)-leastSide; at++ {
		moved := values[at-1]
		for _, v := range values[:at-1] {
			left += math.Abs(v - moved)
			across -= math.Abs(v - moved)
		}
		for _, v := range values[at:] {
			right -= math.Abs(v - moved)
			across += math.Abs(v - moved)
		}
		if at < leastSide {
			continue
		}
		m, n := float64(at), float64(len(values)-at)
		energy := 2*across/(m*n) - 2*left/(m*(m-1)) - 2*right/(n*(n-1))
		if q := m * n / (m + n) * energy; q > best {
			best, place = q, at
		}
	}
	return place
}

// sift drops the weakest of the candidates until all are significant between
// their neighbours, and then those that are too small; effect is a logarithm.
func sift(values []float64, places []int, effect float64) []Change {
	for {
		changes := describe(values, places)
		if len(changes) == 0 {
			return nil
		}
		weakest, least := 0, 0
		for i, c := range changes {
			if c.weakerThan(changes[weakest]) {
				weakest = i
			}
			if c.size() < changes[least].size() {
				least = i
			}
		}
		drop := weakest
		if w := changes[weakest]; !w.short && w.P <= significant {
			if drop = least; changes[least].size() >= effect {
				return changes
			}
		}
		places = slices.Delete(places, drop, drop+1)
	}
}

// weakerThan puts changes next to a stretch that is too short for a level, as
// two windows can leave it, before all others.
func (c Change) weakerThan(o Change) bool {
	if c.short != o.short {
		return c.short
	}
	return c.P > o.P
}

// describe measures the change at each place between its neighbours.
func describe(values []float64, places []int) []Change {
	changes := make([]Change, len(places))
	from := 0
	for i, at := range places {
		to := len(values)
		if i+1 < len(places) {
			to = places[i+1]
		}
		before, after := values[from:at], values[at:to]
		changes[i] = Change{
			At: at, Before: stats.Median(before), After: stats.Median(after), P: tTest(before, after),
			short: min(len(before), len(after)) < leastSide,
		}
		from = at
	}
	return changes
}

// size is the change as a logarithm, without its direction.
func (c Change) size() float64 { return math.Abs(math.Log(c.After / c.Before)) }
