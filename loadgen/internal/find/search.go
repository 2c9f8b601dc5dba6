package find

import (
	"cmp"
	"math"
	"slices"
)

// An Outcome is what one probe says about its load.
type Outcome string

const (
	// Held: every condition held, and the run is valid.
	Held Outcome = "held"
	// Broke: the target did not carry the load.
	Broke Outcome = "broke"
	// Unjudged: the run says nothing about the target, because the generator or
	// the link was the limit.
	Unjudged Outcome = "generator-limited"
	// Unfit: there was no run, because the generator's host cannot hold it.
	Unfit Outcome = "unfit"
)

const (
	// step is the factor between loads while none is known that does not hold.
	step = 2
	// near is how close, as a factor, the largest load that holds and the smallest
	// that does not are brought to each other.
	near = 1.05
	// margin is the factor by which the interval's ends lie outside of these: so
	// far from the edge chance no longer decides, and neither does a capacity that
	// drifts a little between two searches. near × margin² is ±9.2 % of the middle.
	margin = 1.07
)

// Options bound a search.
type Options struct {
	From, To float64 // smallest and largest load to probe, 0 < From ≤ To
	// Repeat is how many probes a load gets that the answer rests on, at least 1:
	// the majority decides. So many that judge nothing make it the generator's
	// limit.
	Repeat int
	Probes int  // at most so many in all, at least 1
	Whole  bool // loads are whole numbers
}

// A Point is one load with what its probes said.
type Point struct {
	Load                  float64
	Held, Broke, Unjudged int // probes
	Unfit                 bool
}

// outcome is what the point stands for: the majority of the probes that judge
// the target, or as long as there is none what there is more of, in doubt the
// worse.
func (s *Search) outcome(p *Point) (o Outcome, decided bool) {
	switch majority := s.Repeat/2 + 1; {
	case p.Unfit:
		return Unjudged, true
	case p.Held >= majority:
		return Held, true
	case p.Broke >= majority:
		return Broke, true
	case p.Unjudged >= s.Repeat:
		return Unjudged, true
	case p.Held > p.Broke:
		return Held, false
	case p.Broke > 0:
		return Broke, false
	default:
		return Unjudged, false
	}
}

// A Search is under way: ask Next for a load, probe it, Add the outcome.
type Search struct {
	Options
	points []Point // by load
	probes int
}

// New begins a search.
func New(o Options) *Search { return &Search{Options: o} }

// Add takes note of a probe.
func (s *Search) Add(load float64, o Outcome) {
	at, found := slices.BinarySearchFunc(s.points, load, func(p Point, load float64) int { return cmp.Compare(p.Load, load) })
	if !found {
		s.points = slices.Insert(s.points, at, Point{Load: load})
	}
	p := &s.points[at]
	switch o {
	case Held:
		p.Held++
	case Broke:
		p.Broke++
	case Unjudged:
		p.Unjudged++
	case Unfit:
		p.Unfit = true
	}
	s.probes++
}

// Next is the load to probe next; more is false when the search has ended.
func (s *Search) Next() (load float64, more bool) {
	load, more = s.next()
	return load, more && s.probes < s.Probes
}

// next leaves the number of probes out of account. Upward until a load does not
// hold, then between the two until they are near each other, and then the
// interval's ends until each is decided. A load that turns out to be something
// else moves the edge, and the search goes on from there.
func (s *Search) next() (load float64, more bool) {
	if len(s.points) == 0 {
		return s.From, true
	}
	low, high := s.edges()
	switch {
	case low == nil:
		return high.Load, !s.decided(high.Load)
	case high == nil && low.Load < s.To:
		return min(s.round(low.Load*step), s.To), true
	case high == nil:
		return low.Load, !s.decided(low.Load)
	}
	// Whoever else had the generator's machine for a moment may be gone.
	if o, decided := s.outcome(high); o == Unjudged && !decided {
		return high.Load, true
	}
	if between, finer := s.between(low.Load, high.Load); finer {
		return between, true
	}
	lower, upper := s.ends(low, high)
	for _, end := range []float64{upper, lower} {
		if !s.decided(end) {
			return end, true
		}
	}
	return 0, false
}

// ends are the loads that the answer rests on, outside of the edges. Beyond a
// load that cannot be judged there is nothing to look for; and where the upper
// end did not break, the edge itself has to be sure.
func (s *Search) ends(low, high *Point) (lower, upper float64) {
	lower, upper = max(s.From, s.round(low.Load/margin)), min(s.To, s.round(high.Load*margin))
	if o, decided := s.at(upper); decided && o != Broke {
		upper = high.Load
	}
	if o, _ := s.outcome(high); o == Unjudged {
		upper = high.Load
	}
	return lower, upper
}

// edges are the smallest load that does not hold, and the largest below it that
// does; nil where there is none.
func (s *Search) edges() (low, high *Point) {
	for i := range s.points {
		p := &s.points[i]
		if o, _ := s.outcome(p); o != Held {
			return low, p
		}
		low = p
	}
	return low, nil
}

// between is the geometric middle; finer is false if the two are as close as
// they have to be, or as they can be.
func (s *Search) between(low, high float64) (middle float64, finer bool) {
	middle = s.round(math.Sqrt(low * high))
	if s.Whole && high-low >= 2 { // rounding must not hide a number between them
		middle = min(max(middle, low+1), high-1)
	}
	return middle, high > low*near && middle > low && middle < high
}

// round leaves three significant digits, which people can read.
func (s *Search) round(load float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(load))-2)
	if s.Whole {
		unit = max(unit, 1)
	}
	if unit < 1 { // dividing by a whole number keeps the decimals exact
		return math.Round(load*math.Round(1/unit)) / math.Round(1/unit)
	}
	return math.Round(load/unit) * unit
}

// at is what a load stands for; Held if it was not probed, which is what is
// expected of it.
func (s *Search) at(load float64) (o Outcome, decided bool) {
	for i := range s.points {
		if p := &s.points[i]; p.Load == load {
			return s.outcome(p)
		}
	}
	return Held, false
}

func (s *Search) decided(load float64) bool {
	_, decided := s.at(load)
	return decided
}

// Left estimates how many probes are left: as many as there were if loads stayed
// what they are, and all others held below those that do not, and broke above.
func (s *Search) Left() int {
	ahead := &Search{Options: s.Options, points: slices.Clone(s.points), probes: s.probes}
	n := 0
	for {
		load, more := ahead.Next()
		if !more {
			return n
		}
		o, _ := ahead.at(load)
		if _, high := ahead.edges(); high != nil && load > high.Load {
			o = Broke
		}
		ahead.Add(load, o)
		n++
	}
}

// Made is how many probes there have been.
func (s *Search) Made() int { return s.probes }
