package fanout

import "testing"

// cut is a member that took one publication and a third of the next, of three of three bytes.
func cut() (*Hub, *Loop, *peer) {
	hub := NewHub(Limits{Backlog: 100}, nil)
	loop := hub.NewLoop(peers{}, func(*Loop, int) {})
	p := &peer{buffer: 4}
	p.member.Owner = p
	hub.Join(loop, &p.member, "r", Plain, true)
	for range 3 {
		hub.Publish("r", nil, []byte("abc"))
	}
	loop.Step(1)
	return hub, loop, p
}

// A publication of which the rest is written apart from the passes is a delivery like any other.
func TestCutIsCounted(t *testing.T) {
	_, loop, p := cut()
	for _, n := range []int{1, 1} {
		p.member.Took(n)
	}
	p.buffer = 100
	loop.Resume(&p.member)
	if c := loop.Counts(); c.Deliveries != 3 || c.Bytes != 9 {
		t.Errorf("%d deliveries of %d bytes, want 3 of 9", c.Deliveries, c.Bytes)
	}
}

// So is one of which the rest is written after its member has left; what else the owner writes then is not counted.
func TestCutIsCountedAfterLeave(t *testing.T) {
	hub, loop, p := cut()
	loop.Wrote(&p.member, 5)
	hub.Leave(&p.member)
	for i, want := range []Counts{{Deliveries: 1, Bytes: 5}, {Deliveries: 2, Bytes: 6}, {Deliveries: 2, Bytes: 6}} {
		loop.Wrote(&p.member, i+1)
		if c := loop.Counts(); c.Deliveries != want.Deliveries || c.Bytes != want.Bytes {
			t.Errorf("%d deliveries of %d bytes, want %d of %d", c.Deliveries, c.Bytes, want.Deliveries, want.Bytes)
		}
	}
}
