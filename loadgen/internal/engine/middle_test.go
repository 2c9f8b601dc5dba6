package engine

import (
	"testing"

	"fanbench/loadgen/internal/plan"
)

func TestMiddlesAreHalfOfThoseWhoRead(t *testing.T) {
	subscriber := func(room int32, marks marks) conn { return conn{role: plan.Subscriber, room: room, marks: marks} }
	conns := []conn{
		subscriber(0, 0), subscriber(0, 0), subscriber(0, 0), subscriber(0, slow), subscriber(0, silent),
		subscriber(1, 0), {role: plan.Publisher, room: 1},
	}
	if got := middles(conns, 3); got[0] != 2 || got[1] != 1 || got[2] != 0 {
		t.Errorf("middles %v", got)
	}
}

func TestMiddle(t *testing.T) {
	for _, c := range []struct {
		a, b       int64
		inA, inB   uint32
		want       int64
		difference string
	}{
		{100, 200, 50, 50, 150, "groups of one size"},
		{100, 200, 75, 25, 125, "the larger group counts for more"},
		{0, 200, 3, 50, 200, "too few arrived in the first"},
		{100, 0, 50, 3, 100, "too few arrived in the second"},
	} {
		if got := Middle(c.a, c.b, c.inA, c.inB); got != c.want {
			t.Errorf("%s: %d, want %d", c.difference, got, c.want)
		}
	}
}

// The median of deliveries that are read in the order of their arrival is exact.
func TestTheMiddleDeliveryIsTheMedian(t *testing.T) {
	r := &receiver{recorded: newHistograms(delivery, sentDelivery, readLag), records: make([]PublicationRecord, 1), middles: []uint32{3}}
	said := &seen{due: 1000, sent: 1000}
	for _, at := range []int64{1010, 1020, 1040, 1050, 1090} {
		r.at, r.readAt = at, at+5
		r.measure(said, true)
	}
	if got := r.records[0]; got != (PublicationRecord{First: 10, Middle: 40, Last: 90, Count: 5}) {
		t.Errorf("record %+v", got)
	}
	if n := testing.AllocsPerRun(100, func() { r.measure(said, true) }); n != 0 {
		t.Errorf("%v allocations a delivery", n)
	}
	closed := r.records[0]
	r.settled = true
	if r.measure(said, true); r.records[0] != closed {
		t.Errorf("record %+v after the account was closed with %+v", r.records[0], closed)
	}
}

func TestThreadsTellTheirRunDelay(t *testing.T) {
	thread, err := newThread()
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan struct{})
	hold := make(chan struct{})
	thread.start(func() { close(running); <-hold })
	<-running
	if delay, counted := thread.runDelay(); counted && delay < 0 {
		t.Errorf("a run delay of %v", delay)
	}
	if thread.id.Load() == 0 {
		t.Error("the kernel's number of the thread is not known")
	}
	close(hold)
	<-thread.done
}
