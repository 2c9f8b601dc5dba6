package find

// A State is how a search ended.
type State string

const (
	// Found: the capacity is between Lower and Upper.
	Found State = "found"
	// Above: the largest load that was to be probed holds.
	Above State = "above"
	// Below: the smallest load that was to be probed does not hold.
	Below State = "below"
	// Limited: the generator is the limit before the target is.
	Limited State = "generator-limited"
	// Unfinished: the search was ended before it had an answer.
	Unfinished State = "unfinished"
)

// Answer is what a search found: an interval, never a point.
type Answer struct {
	State State `json:"state"`
	// Lower held and Upper did not, each by a majority; nil if there is none. In
	// an unfinished search they are the largest and the smallest such load as
	// far as it got, and may rest on single probes.
	Lower *float64 `json:"lower,omitempty"`
	Upper *float64 `json:"upper,omitempty"`
	// HalfWidth is half of Upper − Lower as a share of the interval's middle; nil
	// unless both are there.
	HalfWidth *float64 `json:"half_width_share,omitempty"`
	// Ceiling is the load at which the generator was the limit; nil if it was at
	// none.
	Ceiling *float64 `json:"ceiling,omitempty"`
}

// Answer sums up what has been probed so far.
func (s *Search) Answer() Answer {
	a := Answer{State: s.state()}
	low, high := s.edges()
	if low != nil {
		a.Lower = new(low.Load)
	}
	if high != nil {
		if o, _ := s.outcome(high); o == Unjudged {
			a.Ceiling = new(high.Load)
		}
	}
	a.Upper = s.broken(low)
	if low != nil && high != nil && a.State != Unfinished {
		lower, upper := s.ends(low, high)
		a.Lower = &lower
		if a.State == Found {
			a.Upper = &upper
		}
	}
	if a.Lower != nil && a.Upper != nil {
		half := (*a.Upper - *a.Lower) / (*a.Upper + *a.Lower)
		a.HalfWidth = &half
	}
	return a
}

func (s *Search) state() State {
	if _, more := s.next(); more {
		return Unfinished
	}
	low, high := s.edges()
	if high == nil {
		return Above
	}
	o, _ := s.outcome(high)
	switch {
	case o == Unjudged:
		return Limited
	case low == nil:
		return Below
	default:
		return Found
	}
}

// broken is the smallest load above low at which the target did not hold.
func (s *Search) broken(low *Point) *float64 {
	for i := range s.points {
		p := &s.points[i]
		if o, _ := s.outcome(p); o == Broke && (low == nil || p.Load > low.Load) {
			return new(p.Load)
		}
	}
	return nil
}
