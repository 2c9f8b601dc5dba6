package ledger

import "slices"

// maxSpans bounds a cell's open ranges. A subscriber that misses more of them
// at once than this has lost the oldest for good.
const maxSpans = 1024

// span is the sequences from first to before end.
type span struct{ first, end uint32 }

func (s span) size() uint64 { return uint64(s.end - s.first) }

// gaps is what a cell misses before its highest arrival. Cells have one only
// once something is missing.
type gaps struct {
	spans []span // ascending and apart
	// settled counts what was missing in the spans that were given up, all of
	// which lie below settledBelow.
	settled      uint64
	settledBelow uint32
}

// open adds a span above all others and returns how many publications that
// settles as lost.
func (g *gaps) open(s span) (settled uint64) {
	g.spans = append(g.spans, s)
	return g.bound()
}

// fill takes a sequence out of the span that it is missing in, if there is one,
// and returns how many others that settles as lost: splitting makes a span more.
func (g *gaps) fill(sequence uint32) (found bool, settled uint64) {
	i, _ := slices.BinarySearchFunc(g.spans, sequence, func(s span, sequence uint32) int {
		if s.end <= sequence {
			return -1
		}
		return 1
	})
	if i == len(g.spans) || g.spans[i].first > sequence {
		return false, 0
	}
	switch s := &g.spans[i]; {
	case s.size() == 1:
		g.spans = slices.Delete(g.spans, i, i+1)
	case s.first == sequence:
		s.first++
	case s.end == sequence+1:
		s.end--
	default:
		rest := span{sequence + 1, s.end}
		s.end = sequence
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
	g.settledBelow = oldest.end
	return oldest.size()
}

// missing counts what is missing below a closing count, settled included, and
// from it on.
func (g *gaps) missing(closing uint64) (below, beyond uint64) {
	below = g.settled
	for _, s := range g.spans {
		inside := min(max(closing, uint64(s.first)), uint64(s.end)) - uint64(s.first)
		below += inside
		beyond += s.size() - inside
	}
	return below, beyond
}
