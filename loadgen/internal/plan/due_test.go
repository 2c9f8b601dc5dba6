package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"fanbench/loadgen/scenario"
)

// TestDueBefore counts the timetable's entries one by one.
func TestDueBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rooms := rapid.IntRange(1, 3).Draw(t, "rooms")
		publishers := rooms * rapid.IntRange(1, 3).Draw(t, "publishers of a room")
		s := scenario.Default()
		s.Connections, s.Rooms, s.Publishers, s.Rate = 9, rooms, publishers, 50
		s.Phases.WarmUp = time.Duration(rapid.IntRange(0, 300).Draw(t, "warm-up")) * time.Millisecond
		s.Phases.Measure = 500 * time.Millisecond
		p, err := New(s, rapid.Uint64().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		ph := Phase(rapid.IntRange(0, 1).Draw(t, "phase"))
		since := time.Duration(rapid.IntRange(-10, 600).Draw(t, "since")) * time.Millisecond
		for publisher := range publishers {
			want := uint64(0)
			for earlier := WarmUp; earlier <= ph; earlier++ {
				for k := range p.Publications(earlier) {
					if at := p.At(earlier, k); at.Publisher == publisher && (earlier < ph || at.Due < since) {
						want++
					}
				}
			}
			if got := p.DueBefore(ph, publisher, since); got != want {
				t.Errorf("publisher %d, %v into %v: %d, want %d", publisher, since, ph, got, want)
			}
		}
	})
}
