package ledger

// Closing is what a publisher sent: the sequences below End, all but Holes,
// which are ascending, apart and below End.
type Closing struct {
	End   uint32
	Holes []Span
}

// Sent is how many publications that is.
func (c Closing) Sent() uint64 {
	sent := uint64(c.End)
	for _, h := range c.Holes {
		sent -= h.size()
	}
	return sent
}

// An Absence is a stretch of a publisher's sequences for which a subscriber may
// not have been a member. What of it arrived is delivered all the same.
type Absence struct {
	Span
	// Left: the subscriber went by its own will, so that what it missed was
	// nobody's to deliver. Otherwise the target had ended the connection.
	Left bool
}

// Settlement is what became of one publisher's publications at one subscriber,
// besides what was delivered.
type Settlement struct {
	Up       uint64 // lost while the subscriber was a member
	Down     uint64 // missed because the target had ended the connection
	Excluded uint64 // missed because the subscriber had left
	Surplus  uint64 // arrived, and nobody sent it
}

// Settle counts a cell against its publisher's closing count. Each number is
// counted by what is missing and never as a difference from what was sent: open
// ranges, ranges settled before, and the tail behind the last arrival, less the
// holes. Absences are in the order in which they came about; where they
// overlap, the earlier one counts.
//
// Over all cells the other, independent count must agree:
//
//	Σ Sent + Σ Surplus = Counts.Delivered + Σ (Up + Down + Excluded)
func (l *Ledger) Settle(cell int, c Closing, absences []Absence) (s Settlement) {
	g, next := l.gaps[cell], l.next[cell]
	missing := func(within Span) (n uint64) {
		if g != nil {
			n = g.missing(within)
		}
		return n + within.within(Span{next, max(next, within.End)}).size()
	}
	// lost is what is missing and had been sent.
	lost := func(within Span) uint64 {
		n := missing(within)
		for _, h := range c.Holes {
			n -= missing(h.within(within))
		}
		return n
	}
	done := Span{0, c.End} // what no absence has covered yet
	for _, a := range absences {
		covered := a.Span.within(done)
		if done.First = max(done.First, covered.End); a.Left {
			s.Excluded += lost(covered)
		} else {
			s.Down += lost(covered)
		}
	}
	s.Up = lost(Span{0, c.End}) - s.Down - s.Excluded
	for _, h := range c.Holes {
		s.Surplus += h.size() - missing(h)
	}
	if next > c.End {
		s.Surplus += uint64(next-c.End) - missing(Span{c.End, next})
	}
	if g != nil {
		s.Up += g.settled
	}
	return s
}
