// Package ledger keeps the exact account of deliveries: what each subscriber
// got of each publisher's numbered publications, and what it did not.
//
// It is pure: no clock, no socket, no locks. A ledger has a single owner; the
// ledgers of several owners add up. What a publication is and whether it is
// sound is decided before it gets here.
package ledger

// Outcome is what one arrival was.
type Outcome uint8

const (
	// Delivered: the first arrival, in its order.
	Delivered Outcome = iota
	// Reordered: the first arrival, after a later publication.
	Reordered
	// Duplicated: it had arrived before.
	Duplicated
	// Late: it falls among publications that were settled as lost, because the
	// list of missing ranges was full. It may be a duplicate of one that
	// arrived between two of those ranges.
	Late
)

// First says that the arrival was the publication's first.
func (o Outcome) First() bool { return o <= Reordered }

// Counts of arrivals.
type Counts struct {
	Delivered  uint64 // unique, reordered ones included
	Reordered  uint64
	Duplicated uint64
	Late       uint64
}

// Ledger has a cell for each pair of a subscriber and a publisher whose
// publications it receives. A cell costs 4 bytes until something is missing.
type Ledger struct {
	counts  Counts
	next    []uint32 // by cell: one more than the highest sequence that arrived
	gaps    map[int]*gaps
	missing uint64 // over all open ranges
}

// New returns a ledger of so many cells.
func New(cells int) *Ledger {
	return &Ledger{next: make([]uint32, cells), gaps: map[int]*gaps{}}
}

// Counts so far.
func (l *Ledger) Counts() Counts { return l.counts }

// Missing is the number of publications that are missing before a later one
// that arrived, just now.
func (l *Ledger) Missing() uint64 { return l.missing }

// Arrive enters the arrival of a sequence number in a cell. In order it does
// not allocate; sequences are below 2^32−1.
func (l *Ledger) Arrive(cell int, sequence uint32) Outcome {
	if next := &l.next[cell]; sequence == *next {
		*next = sequence + 1
		l.counts.Delivered++
		return Delivered
	}
	return l.arriveElsewhere(cell, sequence)
}

func (l *Ledger) arriveElsewhere(cell int, sequence uint32) Outcome {
	next := l.next[cell]
	g := l.gaps[cell]
	if sequence > next {
		if g == nil {
			g = &gaps{}
			l.gaps[cell] = g
		}
		l.missing += uint64(sequence - next)
		l.missing -= g.open(Span{next, sequence})
		l.next[cell] = sequence + 1
		l.counts.Delivered++
		return Delivered
	}
	if g != nil {
		found, settled := g.fill(sequence)
		if found {
			l.missing -= 1 + settled
			l.counts.Delivered++
			l.counts.Reordered++
			return Reordered
		}
		if sequence < g.settledBelow {
			l.counts.Late++
			return Late
		}
	}
	l.counts.Duplicated++
	return Duplicated
}

// Next is one more than the highest sequence that arrived in a cell.
func (l *Ledger) Next(cell int) uint32 { return l.next[cell] }
