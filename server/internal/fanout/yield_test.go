package fanout

import "testing"

// counting is a sink that takes everything and counts its writes.
type counting struct{ writes int }

func (c *counting) Write(ops []Op) {
	discard{}.Write(ops)
	c.writes += len(ops)
}

// A pass over 18,000 members returns to its caller after every 256 writes, so that reads, pongs and joins have their turn. What such
// a read brings, here a join and a publication in a small room, is delivered in the step after the next.
func TestLongPassYields(t *testing.T) {
	const members, budget = 18000, 256
	var sink counting
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(&sink, func(*Loop, int) {})
	step := func() (more bool) {
		before := sink.writes
		more = loop.Step(budget).More
		if got := sink.writes - before; got > budget {
			t.Fatalf("a step made %d writes, want %d at most", got, budget)
		}
		return more
	}
	joinAll(hub, loop, "large", members)
	hub.Publish("large", nil, []byte("x"))
	turns := 0
	for more := true; more; turns++ {
		newcomer := joinAll(hub, loop, "small", 1)[0]
		hub.Publish("small", nil, []byte("y"))
		step()
		more = step()
		if newcomer.Backlog() > 0 {
			t.Fatalf("turn %d: the newcomer still waits after two steps", turns)
		}
		hub.Leave(newcomer)
	}
	if want := members + turns; sink.writes != want {
		t.Errorf("%d writes in all, want %d", sink.writes, want)
	}
	if want := members / (2 * budget); turns < want {
		t.Errorf("others had %d turns during the pass, want %d or more", turns, want)
	}
}
