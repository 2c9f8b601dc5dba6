package ledger

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestLedger(t *testing.T) {
	type want struct {
		Counts
		lost, surplus, missing uint64
	}
	for _, c := range []struct {
		name     string
		arrivals []uint32
		closing  uint64
		want     want
	}{
		{"nothing sent, nothing arrived", nil, 0, want{}},
		{"all in order", []uint32{0, 1, 2}, 3, want{Counts: Counts{Delivered: 3}}},
		{"none arrived", nil, 3, want{lost: 3}},
		{"first lost", []uint32{1, 2}, 3, want{Counts: Counts{Delivered: 2}, lost: 1, missing: 1}},
		{"middle lost", []uint32{0, 3}, 4, want{Counts: Counts{Delivered: 2}, lost: 2, missing: 2}},
		{"tail lost", []uint32{0, 1}, 5, want{Counts: Counts{Delivered: 2}, lost: 3}},
		{"doubled at once", []uint32{0, 0, 1}, 2, want{Counts: Counts{Delivered: 2, Duplicated: 1}}},
		{"doubled later", []uint32{0, 1, 2, 0}, 3, want{Counts: Counts{Delivered: 3, Duplicated: 1}}},
		{"swapped", []uint32{1, 0, 2}, 3, want{Counts: Counts{Delivered: 3, Reordered: 1}}},
		{"swapped and doubled", []uint32{1, 0, 0, 1}, 2, want{Counts: Counts{Delivered: 2, Reordered: 1, Duplicated: 2}}},
		{"gap filled from its start", []uint32{3, 0, 1}, 4, want{Counts: Counts{Delivered: 3, Reordered: 2}, lost: 1, missing: 1}},
		{"gap filled from its end", []uint32{3, 2, 1}, 4, want{Counts: Counts{Delivered: 3, Reordered: 2}, lost: 1, missing: 1}},
		{"gap split", []uint32{3, 1}, 4, want{Counts: Counts{Delivered: 2, Reordered: 1}, lost: 2, missing: 2}},
		{"doubled inside a split gap", []uint32{3, 1, 1}, 4, want{Counts: Counts{Delivered: 2, Reordered: 1, Duplicated: 1}, lost: 2, missing: 2}},
		{"more than was sent", []uint32{0, 1, 2}, 2, want{Counts: Counts{Delivered: 3}, surplus: 1}},
		{"more than was sent, after a gap", []uint32{0, 4}, 2, want{Counts: Counts{Delivered: 2}, lost: 1, surplus: 1, missing: 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := New(1)
			for _, sequence := range c.arrivals {
				l.Arrive(0, sequence)
			}
			s := l.Settle(0, Closing{End: uint32(c.closing)}, nil)
			if got := (want{l.Counts(), s.Up, s.Surplus, l.Missing()}); got != c.want || s.Down+s.Excluded > 0 {
				t.Errorf("arrivals %v of %d sent:\n%+v, want\n%+v", c.arrivals, c.closing, got, c.want)
			}
			if c.closing+s.Surplus != l.Counts().Delivered+s.Up {
				t.Errorf("the two counts disagree")
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	l := New(2)
	for i, c := range []struct {
		cell     int
		sequence uint32
		want     Outcome
	}{
		{0, 0, Delivered}, {1, 0, Delivered}, {0, 2, Delivered}, {0, 1, Reordered},
		{0, 1, Duplicated}, {1, 0, Duplicated}, {1, 1, Delivered},
	} {
		if got := l.Arrive(c.cell, c.sequence); got != c.want {
			t.Errorf("arrival %d: outcome %d, want %d", i, got, c.want)
		}
	}
}

// TestTooManyGaps leaves one more range open than a cell keeps: the oldest is
// lost from then on, and what arrives there is late.
func TestTooManyGaps(t *testing.T) {
	l := New(1)
	const open = maxSpans + 1
	for i := range uint32(open) {
		l.Arrive(0, 2*i+1) // every even one is missing
	}
	if got := l.Missing(); got != maxSpans {
		t.Fatalf("%d missing in open ranges, want %d", got, maxSpans)
	}
	if got := l.Arrive(0, 0); got != Late {
		t.Errorf("arrival in the settled range: outcome %d, want Late", got)
	}
	if got := l.Arrive(0, 2); got != Reordered {
		t.Errorf("arrival in the oldest open range: outcome %d, want Reordered", got)
	}
	s := l.Settle(0, Closing{End: 2 * open}, nil)
	if s != (Settlement{Up: open - 1}) || 2*open != l.Counts().Delivered+s.Up {
		t.Errorf("%+v of %d sent with %+v", s, 2*open, l.Counts())
	}
}

// TestSplitOfTooManyGaps splits a range when the list is full.
func TestSplitOfTooManyGaps(t *testing.T) {
	l := New(1)
	for i := range uint32(maxSpans) {
		l.Arrive(0, 4*i+3) // three of four are missing
	}
	const sent = 4 * maxSpans
	if got := l.Arrive(0, sent-3); got != Reordered {
		t.Fatalf("outcome %d, want Reordered", got)
	}
	if got := l.Arrive(0, 1); got != Late {
		t.Errorf("arrival in the range given up: outcome %d, want Late", got)
	}
	if s := l.Settle(0, Closing{End: sent}, nil); sent != l.Counts().Delivered+s.Up {
		t.Errorf("%+v of %d sent with %+v", s, sent, l.Counts())
	}
}

// TestAgainstModel drops, doubles and swaps at random and compares with plain
// maps.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.IntRange(1, 4).Draw(t, "cells")
		sent := rapid.IntRange(0, 60).Draw(t, "sent")
		l := New(cells)
		var want Counts
		arrived := make([]map[uint32]bool, cells)
		highest := make([]int, cells)
		for cell := range cells {
			arrived[cell], highest[cell] = map[uint32]bool{}, -1
		}
		if sent > 0 {
			type arrival struct{ cell, sequence int }
			for _, a := range rapid.SliceOfN(rapid.Custom(func(t *rapid.T) arrival {
				return arrival{rapid.IntRange(0, cells-1).Draw(t, "cell"), rapid.IntRange(0, sent-1).Draw(t, "sequence")}
			}), 0, 200).Draw(t, "arrivals") {
				outcome := l.Arrive(a.cell, uint32(a.sequence))
				expected := Delivered
				switch {
				case arrived[a.cell][uint32(a.sequence)]:
					expected = Duplicated
					want.Duplicated++
				case a.sequence < highest[a.cell]:
					expected = Reordered
					want.Delivered++
					want.Reordered++
				default:
					want.Delivered++
				}
				arrived[a.cell][uint32(a.sequence)] = true
				highest[a.cell] = max(highest[a.cell], a.sequence)
				if outcome != expected || outcome.First() != (expected != Duplicated) {
					t.Fatalf("%+v: outcome %d, want %d", a, outcome, expected)
				}
			}
		}
		if l.Counts() != want {
			t.Fatalf("counts %+v, want %+v", l.Counts(), want)
		}
		var missing uint64
		for cell := range cells {
			missing += uint64(highest[cell] + 1 - len(arrived[cell]))
			s := l.Settle(cell, Closing{End: uint32(sent)}, nil)
			if s != (Settlement{Up: uint64(sent - len(arrived[cell]))}) {
				t.Fatalf("cell %d: %+v, with %d of %d arrived", cell, s, len(arrived[cell]), sent)
			}
		}
		if l.Missing() != missing {
			t.Fatalf("%d missing, want %d", l.Missing(), missing)
		}
	})
}

func TestInOrderNothingIsAllocated(t *testing.T) {
	l := New(1)
	sequence := uint32(0)
	if n := testing.AllocsPerRun(1000, func() { l.Arrive(0, sequence); sequence++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkArrive enters each publication once for every subscriber, as a
// fan-out does.
func BenchmarkArrive(b *testing.B) {
	for _, cells := range []int{1, 5_000} {
		b.Run(fmt.Sprintf("%d-subscribers", cells), func(b *testing.B) {
			l := New(cells)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if l.Arrive(i%cells, uint32(i/cells)) != Delivered {
					b.Fatal("not delivered")
				}
			}
		})
	}
}
