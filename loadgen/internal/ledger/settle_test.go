package ledger

import (
	"testing"

	"pgregory.net/rapid"
)

// sequences from first to before end.
func sequences(first, end uint32) (list []uint32) {
	for s := first; s < end; s++ {
		list = append(list, s)
	}
	return list
}

func left(first, end uint32) Absence    { return Absence{Span{first, end}, true} }
func dropped(first, end uint32) Absence { return Absence{Span{first, end}, false} }

const never = 1<<32 - 1

// TestSettleAbsences: ten publications, of which 0 to 3 and 7 to 9 arrive unless
// the case says otherwise.
func TestSettleAbsences(t *testing.T) {
	around := append(sequences(0, 4), sequences(7, 10)...)
	for _, c := range []struct {
		name     string
		arrivals []uint32
		holes    []Span
		absences []Absence
		want     Settlement
	}{
		{"a gap with no absence", around, nil, nil, Settlement{Up: 3}},
		{"left for exactly the gap", around, nil, []Absence{left(4, 7)}, Settlement{Excluded: 3}},
		{"dropped for exactly the gap", around, nil, []Absence{dropped(4, 7)}, Settlement{Down: 3}},
		{"absent for longer than the gap", around, nil, []Absence{left(2, 9)}, Settlement{Excluded: 3}},
		{"lost before leaving", around, nil, []Absence{left(6, 8)}, Settlement{Up: 2, Excluded: 1}},
		{"lost after coming back", around, nil, []Absence{left(3, 5)}, Settlement{Up: 2, Excluded: 1}},
		{"never back", sequences(0, 4), nil, []Absence{dropped(4, never)}, Settlement{Down: 6}},
		{"silence long before leaving", sequences(0, 1), nil, []Absence{left(7, never)}, Settlement{Up: 6, Excluded: 3}},
		{"nothing since coming back", sequences(0, 4), nil, []Absence{left(4, 6)}, Settlement{Up: 4, Excluded: 2}},
		{"left, and could not come back", sequences(0, 4), nil, []Absence{left(4, 6), dropped(6, never)}, Settlement{Excluded: 2, Down: 4}},
		{"overlapping: the earlier counts", around, nil, []Absence{left(3, 6), dropped(4, 8)}, Settlement{Excluded: 2, Down: 1}},
		{"dropped twice with nothing between", sequences(0, 4), nil, []Absence{dropped(4, 6), dropped(4, 9)}, Settlement{Down: 5, Up: 1}},
		{"an absence beyond the end", sequences(0, 10), nil, []Absence{left(20, never), dropped(3, 30)}, Settlement{}},
		{"holes were never sent", around, []Span{{4, 6}}, nil, Settlement{Up: 1}},
		{"holes in an absence", around, []Span{{4, 6}}, []Absence{dropped(4, 7)}, Settlement{Down: 1}},
		{"holes across the edge of an absence", around, []Span{{4, 6}}, []Absence{left(5, 7)}, Settlement{Excluded: 1}},
		{"a hole in the tail", sequences(0, 4), []Span{{5, 8}}, nil, Settlement{Up: 3}},
		{"an arrival in a hole", around, []Span{{2, 6}}, nil, Settlement{Up: 1, Surplus: 2}},
		{"an arrival behind the end", append(around, 12), nil, []Absence{dropped(4, 7)}, Settlement{Down: 3, Surplus: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := New(1)
			for _, s := range c.arrivals {
				l.Arrive(0, s)
			}
			closing := Closing{End: 10, Holes: c.holes}
			got := l.Settle(0, closing, c.absences)
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if n := l.Counts().Delivered; closing.Sent()+got.Surplus != n+got.Up+got.Down+got.Excluded {
				t.Errorf("the two counts disagree: %d sent, %d delivered, %+v", closing.Sent(), n, got)
			}
		})
	}
}

// TestSettleAgainstModel asks of each sequence by itself what became of it.
func TestSettleAgainstModel(t *testing.T) {
	span := rapid.Custom(func(t *rapid.T) Span {
		first := rapid.Uint32Range(0, 40).Draw(t, "first")
		return Span{first, first + rapid.Uint32Range(0, 20).Draw(t, "length")}
	})
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.Uint32Range(0, 50).Draw(t, "end")
		absences := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Absence {
			return Absence{span.Draw(t, "span"), rapid.Bool().Draw(t, "left")}
		}), 0, 4).Draw(t, "absences")
		closing := Closing{End: end}
		for _, h := range rapid.SliceOfN(span, 0, 3).Draw(t, "holes") {
			if n := len(closing.Holes); h.size() > 0 && h.End < end && (n == 0 || h.First > closing.Holes[n-1].End) {
				closing.Holes = append(closing.Holes, h)
			}
		}
		l, arrived := New(1), map[uint32]bool{}
		for _, s := range rapid.SliceOf(rapid.Uint32Range(0, 60)).Draw(t, "arrivals") {
			l.Arrive(0, s)
			arrived[s] = true
		}
		var want Settlement
		done := uint32(0)
		classes := map[uint32]bool{} // absent: by its own will
		for _, a := range absences {
			for s := max(a.First, done); s < a.End; s++ {
				classes[s] = a.Left
			}
			done = max(done, min(a.End, max(a.First, end)), a.First)
		}
		for s := range uint32(100) {
			sent := s < end
			for _, h := range closing.Holes {
				sent = sent && (s < h.First || s >= h.End)
			}
			byWill, absent := classes[s]
			switch {
			case sent == arrived[s]:
			case !sent:
				want.Surplus++
			case !absent:
				want.Up++
			case byWill:
				want.Excluded++
			default:
				want.Down++
			}
		}
		if got := l.Settle(0, closing, absences); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
