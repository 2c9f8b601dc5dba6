package ledger

import "slices"

// maxSpans bounds a cell's open ranges. A subscriber that misses more of them
// at once than this has lost the oldest for good.
const maxSpans = 1024

// Span is the sequences from First to before End.
type Span struct {
	First uint32 `json:"f"`
	End   uint32 `json:"e"`
}

func (s Span) size() uint64 { return uint64(s.End - s.First) }

// within is the part of s that lies in o, which may be empty.
func (s Span) within(o Span) Span {
	first := max(s.First, o.First)
	return Span{first, max(first, min(s.End, o.End))}
}

// gaps is what a cell misses before its highest arrival. Cells have one only
// once something is missing.
type gaps struct {
	spans []Span // ascending and apart
	// settled counts what was missing in the spans that were given up, all of
	// which lie below settledBelow.
	settled      uint64
	settledBelow uint32
}

// open adds a span above all others and returns how many publications that
// settles as lost.
func (g *gaps) open(s Span) (settled uint64) {
	g.spans = append(g.spans, s)
	return g.bound()
}

// fill takes a sequence out of the span that it is missing in, if there is one,
// and returns how many others that settles as lost: splitting makes a span more.
func (g *gaps) fill(sequence uint32) (found bool, settled uint64) {
	i, _ := slices.BinarySearchFunc(g.spans, sequence, func(s Span, sequence uint32) int {
		if s.End <= sequence {
			return -1
		}
		return 1
	})
	if i == len(g.spans) || g.spans[i].First > sequence {
		return false, 0
	}
	switch s := &g.spans[i]; {
	case s.size() == 1:
		g.spans = slices.Delete(g.spans, i, i+1)
	case s.First == sequence:
		s.First++
	case s.End == sequence+1:
		s.End--
	default:
		rest := Span{sequence + 1, s.End}
		s.End = sequence
		g.spans = slices.Insert(g.spans, i+1, rest)
		settled = g.bound()
	}
	return true, settled
}

// bound gives up the oldest span if there are too many.
func (g *gaps) bound() (settled uint64) {
	if len(g.spans) <= maxSpans {
		return 0
	}
	oldest := g.spans[0]
	g.spans = slices.Delete(g.spans, 0, 1)
	g.settled += oldest.size()
	g.settledBelow = oldest.End
	return oldest.size()
}

// missing counts what is missing within a span, as far as that is known: not
// what was settled.
func (g *gaps) missing(within Span) (n uint64) {
	i, _ := slices.BinarySearchFunc(g.spans, within.First, func(s Span, first uint32) int {
		if s.End <= first {
			return -1
		}
		return 1
	})
	for ; i < len(g.spans) && g.spans[i].First < within.End; i++ {
		n += g.spans[i].within(within).size()
	}
	return n
}
