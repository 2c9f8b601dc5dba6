package plan

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestZipf(t *testing.T) {
	for _, row := range []struct {
		n, rooms int
		s        float64
		want     []int32
	}{
		{10, 1, 1, []int32{10}},
		{5, 5, 1, []int32{1, 1, 1, 1, 1}},
		{11, 3, 1, []int32{6, 3, 2}},         // 6 : 3 : 2
		{1100, 3, 1, []int32{600, 300, 200}}, // the same
		{12, 3, 1, []int32{7, 3, 2}},         // 6.55, 3.27 and 2.18: the greatest remainder is the first
		{14, 3, 2, []int32{10, 3, 1}},        // 10.3, 2.6 and 1.1
		{10, 4, 3, []int32{7, 1, 1, 1}},      // shares of less than one are one
		{100, 4, 0.000001, []int32{25, 25, 25, 25}},
		{20, 3, 10, []int32{18, 1, 1}},
	} {
		if got := zipf(row.n, row.rooms, row.s); !slices.Equal(got, row.want) {
			t.Errorf("%d in %d rooms by %v: %v, want %v", row.n, row.rooms, row.s, got, row.want)
		}
	}
}

// Rooms have all subscribers together, each at least one, none more than the
// one before it.
func TestZipfApportionsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rooms := rapid.IntRange(1, 500).Draw(t, "rooms")
		n := rooms + rapid.IntRange(0, 20_000).Draw(t, "more than rooms")
		sum := 0
		counts := zipf(n, rooms, rapid.Float64Range(0.01, 10).Draw(t, "exponent"))
		for room, count := range counts {
			sum += int(count)
			if count < 1 || room > 0 && count > counts[room-1] {
				t.Fatalf("room %d has %d", room, count)
			}
		}
		if sum != n {
			t.Fatalf("rooms have %d of %d", sum, n)
		}
	})
}

// The largest room's members are spread over the workers.
func TestZipfRoomsAreSpread(t *testing.T) {
	p := made(t, "connections=4000", "rooms=100", "membership=zipf", "workers=4")
	for w := range 4 {
		mine := 0
		for _, c := range p.Share(w).Connections {
			if c.Role == Subscriber && c.Room == 0 {
				mine++
			}
		}
		if quarter := p.RoomSubscribers(0) / 4; mine < quarter*8/10 || mine > quarter*12/10 {
			t.Errorf("worker %d has %d of the largest room's, want about %d", w, mine, quarter)
		}
	}
}

func TestThrottledShares(t *testing.T) {
	for _, row := range []struct {
		settings     []string
		slow, silent int
	}{
		{[]string{"connections=1000", "slow.share=1%"}, 10, 0},
		{[]string{"connections=1000", "silent.share=2.5%"}, 0, 25},
		{[]string{"connections=100", "slow.share=40%", "silent.share=60%"}, 40, 60},
		{[]string{"connections=10", "slow.share=1%", "silent.share=1%"}, 1, 1},
	} {
		p := made(t, append(row.settings, "workers=3", "rooms=7")...)
		slows, silents := 0, 0
		for w := range 3 {
			for _, c := range p.Share(w).Connections {
				if c.Slow && c.Silent || (c.Slow || c.Silent) && c.Role != Subscriber {
					t.Errorf("%v: %+v", row.settings, c)
				}
				if c.Slow {
					slows++
				}
				if c.Silent {
					silents++
				}
			}
		}
		if slows != row.slow || silents != row.silent {
			t.Errorf("%v: %d slow and %d silent, want %d and %d", row.settings, slows, silents, row.slow, row.silent)
		}
	}
}

// Whoever leaves is a reader, has come back before it leaves again, and comes
// back within the phase; all take turns.
func TestChurn(t *testing.T) {
	p := made(t, "connections=100", "rooms=3", "slow.share=10%", "silent.share=10%", "churn.rate=50/s", "phases.measure=5s")
	if p.Churns() != 245 { // (5s − 100ms) × 50/s
		t.Fatalf("%d leave, want 245", p.Churns())
	}
	throttled, times, away := make(map[int]bool), make(map[int]int), make(map[int]time.Duration)
	for _, c := range p.Share(0).Connections {
		throttled[c.ID] = c.Slow || c.Silent
	}
	last := time.Duration(0)
	for k := range p.Churns() {
		id, leave, back := p.Churn(k)
		if throttled[id] || id >= 100 || leave < last || leave < away[id] || back != leave+100*time.Millisecond || back > 5*time.Second {
			t.Errorf("entry %d: connection %d leaves at %v, after %v, until %v", k, id, leave, last, back)
		}
		last, away[id] = leave, back
		times[id]++
	}
	for id := range 100 {
		if n := times[id]; throttled[id] != (n == 0) || n > 4 { // 245 turns of 80
			t.Errorf("connection %d leaves %d times", id, n)
		}
	}
}
