package find

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// seek runs a search to its end.
func seek(o Options, probe func(load float64) Outcome) *Search {
	s := New(o)
	for load, more := s.Next(); more; load, more = s.Next() {
		s.Add(load, probe(load))
	}
	return s
}

// threshold carries every load below its capacity.
func threshold(capacity float64) func(float64) Outcome {
	return func(load float64) Outcome {
		if load < capacity {
			return Held
		}
		return Broke
	}
}

// below cannot be judged from a load on.
func below(ceiling float64, probe func(float64) Outcome) func(float64) Outcome {
	return func(load float64) Outcome {
		if load >= ceiling {
			return Unjudged
		}
		return probe(load)
	}
}

func TestTheOrderOfProbes(t *testing.T) {
	never := math.Inf(1)
	for _, c := range []struct {
		name   string
		from   float64
		to     float64
		repeat int
		whole  bool
		probe  func(float64) Outcome
		loads  []float64
		state  State
		lower  float64 // 0: none
		upper  float64
	}{
		{"doubles, halves, and decides the ends outside of the edge", 100, 1e9, 3, false, threshold(450),
			[]float64{100, 200, 400, 800, 566, 476, 436, 456, 488, 488, 407, 407}, Found, 407, 488},
		{"one probe each", 100, 1e9, 1, false, threshold(450), []float64{100, 200, 400, 800, 566, 476, 436, 456, 488, 407}, Found, 407, 488},
		{"the largest load holds", 100, 300, 3, false, threshold(never), []float64{100, 200, 300, 300}, Above, 300, 0},
		{"the only load holds", 100, 100, 3, false, threshold(never), []float64{100, 100}, Above, 100, 0},
		{"the smallest load does not hold", 100, 300, 3, false, threshold(50), []float64{100, 100}, Below, 0, 100},
		{"the generator is the limit", 100, 1e9, 3, false, below(300, threshold(never)),
			[]float64{100, 200, 400, 400, 400, 283, 336, 336, 336, 308, 308, 308, 295, 276, 276}, Limited, 276, 0},
		{"it is from the start", 100, 1e9, 3, false, below(50, threshold(never)), []float64{100, 100, 100}, Limited, 0, 0},
		{"the host cannot hold more", 100, 1e9, 1, false, func(load float64) Outcome {
			if load > 300 {
				return Unfit
			}
			return Held
		}, []float64{100, 200, 400, 283, 336, 308, 295, 276}, Limited, 276, 0},
		{"the target breaks before the generator", 100, 1e9, 1, false, below(300, threshold(250)),
			[]float64{100, 200, 400, 283, 238, 260, 249, 278, 233}, Found, 233, 278},
		{"neighbours cannot be closer", 1, 100, 1, true, threshold(3), []float64{1, 2, 4, 3}, Found, 2, 3},
		{"small rates have decimals", 1, 1e9, 1, false, threshold(3), []float64{1, 2, 4, 2.83, 3.36, 3.08, 2.95, 3.3, 2.76}, Found, 2.76, 3.3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var loads []float64
			s := seek(Options{From: c.from, To: c.to, Repeat: c.repeat, Probes: 100, Whole: c.whole}, func(load float64) Outcome {
				loads = append(loads, load)
				return c.probe(load)
			})
			if !slices.Equal(loads, c.loads) {
				t.Errorf("probed %v, want %v", loads, c.loads)
			}
			a := s.Answer()
			if a.State != c.state || value(a.Lower) != c.lower || value(a.Upper) != c.upper {
				t.Errorf("%s from %v to %v, want %s from %v to %v", a.State, value(a.Lower), value(a.Upper), c.state, c.lower, c.upper)
			}
			if s.Left() != 0 {
				t.Errorf("%d probes left", s.Left())
			}
		})
	}
}

func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// An outcome that chance turned over moves an edge, and the repeats move it
// back.
func TestOneWrongProbeIsOutvoted(t *testing.T) {
	honest := threshold(450)
	for wrong := range 8 {
		for _, instead := range []Outcome{Held, Broke, Unjudged} {
			n := 0
			s := seek(Options{From: 100, To: 1e9, Repeat: 3, Probes: 24}, func(load float64) Outcome {
				n++
				if n == wrong+1 {
					return instead
				}
				return honest(load)
			})
			if a := s.Answer(); a.State != Found || *a.Lower >= 450 || *a.Upper < 450 {
				t.Errorf("probe %d %s: %s from %v to %v", wrong, instead, a.State, value(a.Lower), value(a.Upper))
			}
		}
	}
}

// The interval holds the capacity wherever that is, is no wider than ±10 %, and
// takes few probes.
func TestTheIntervalHoldsTheCapacity(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		from := math.Exp(random.Float64() * math.Log(1e4))
		capacity := from * math.Exp(random.Float64()*math.Log(100)) * 1.0001
		s := seek(Options{From: from, To: 1e9, Repeat: 3, Probes: 24}, threshold(capacity))
		a := s.Answer()
		if a.State != Found || *a.Lower >= capacity || *a.Upper < capacity || *a.HalfWidth > 0.1 {
			t.Fatalf("capacity %v from %v: %s from %v to %v, %v", capacity, from, a.State, value(a.Lower), value(a.Upper), value(a.HalfWidth))
		}
		if s.Made() > 20 {
			t.Errorf("capacity %v from %v: %d probes", capacity, from, s.Made())
		}
	}
}

// Near the capacity a probe is a toss-up: within ±8 % the chance to hold falls
// from 1 to 0; and the capacity is 5 % more in every other search. The interval
// then has it, give or take the stretch in which there is no telling, and two
// searches' overlap.
func TestTheIntervalHoldsANoisyCapacity(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const capacity, noise, searches = 450.0, 0.08, 500
	finished, overlaps := 0, 0
	var before Answer
	for i := range searches {
		now := capacity * (1 + 0.05*float64(i%2))
		s := seek(Options{From: 50, To: 1e9, Repeat: 3, Probes: 24}, func(load float64) Outcome {
			return threshold(now * (1 + noise*(2*random.Float64()-1)))(load)
		})
		a := s.Answer()
		if s.Made() > 24 {
			t.Fatalf("%d probes", s.Made())
		}
		if a.State != Found {
			continue
		}
		finished++
		if *a.Lower > now*(1+noise) || *a.Upper < now*(1-noise) || *a.HalfWidth > 0.1 {
			t.Errorf("from %v to %v, ±%.1f %%", *a.Lower, *a.Upper, 100**a.HalfWidth)
		}
		if before.State == "" || *before.Lower < *a.Upper && *a.Lower < *before.Upper {
			overlaps++
		}
		before = a
	}
	if finished < searches*95/100 || overlaps < finished*95/100 {
		t.Errorf("of %d searches %d ended, and %d overlap the one before", searches, finished, overlaps)
	}
}

// A target without any order ends the search nevertheless.
func TestASearchIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	outcomes := []Outcome{Held, Broke, Unjudged, Unfit}
	for range 2000 {
		o := Options{From: 1 + float64(random.IntN(100)), To: 1 + float64(100+random.IntN(1e6)),
			Repeat: 1 + random.IntN(5), Probes: 1 + random.IntN(30), Whole: random.IntN(2) == 0}
		s := seek(o, func(load float64) Outcome {
			if load < o.From || load > o.To {
				t.Errorf("%+v: probed %v", o, load)
			}
			return outcomes[random.IntN(4)]
		})
		if s.Made() > o.Probes {
			t.Errorf("%+v: %d probes", o, s.Made())
		}
		if a := s.Answer(); a.Lower != nil && a.Upper != nil && *a.Lower >= *a.Upper {
			t.Errorf("%+v: from %v to %v", o, *a.Lower, *a.Upper)
		}
	}
}

func TestASearchCutShort(t *testing.T) {
	for _, c := range []struct {
		probes int
		lower  float64
		upper  float64
		left   int
	}{
		{0, 0, 0, 24}, {1, 100, 0, 23}, {3, 400, 0, 21}, {4, 400, 800, 8}, {6, 400, 476, 6},
	} {
		s := New(Options{From: 100, To: 1e9, Repeat: 3, Probes: 24})
		for range c.probes {
			load, _ := s.Next()
			s.Add(load, threshold(450)(load))
		}
		a := s.Answer()
		if a.State != Unfinished || value(a.Lower) != c.lower || value(a.Upper) != c.upper || s.Left() != c.left {
			t.Errorf("after %d: %s from %v to %v, %d left, want %+v", c.probes, a.State, value(a.Lower), value(a.Upper), s.Left(), c)
		}
	}
}
