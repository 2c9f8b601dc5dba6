package engine

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/result"
)

func TestFanout(t *testing.T) {
	for _, c := range []struct {
		name                           string
		connections, rooms, publishers int
		workers, loops                 int
		sources                        []netip.Addr
	}{
		{name: "one room", connections: 20, rooms: 1, publishers: 1, workers: 1, loops: 1},
		{name: "several publishers", connections: 10, rooms: 1, publishers: 4, workers: 1, loops: 2},
		{name: "rooms", connections: 30, rooms: 5, publishers: 10, workers: 1, loops: 3},
		{name: "workers", connections: 31, rooms: 3, publishers: 6, workers: 3, loops: 2},
		{name: "source addresses", connections: 10, rooms: 1, publishers: 1, workers: 1, loops: 1,
			sources: []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fanoutOf(t, c.connections, c.rooms, c.publishers)
			s.Workers, s.Loops = c.workers, c.loops
			target := startPeer(t, script{})
			var engines []*Engine
			for worker := range c.workers {
				config := configOf(t, s, worker, target.address())
				config.Sources = c.sources
				if worker > 0 {
					config.Epoch = engines[0].config.Epoch
				}
				e := startEngine(t, config)
				ramped(t, e)
				engines = append(engines, e)
			}
			phase(t, plan.WarmUp, allDelivered, engines...)
			phase(t, plan.Measure, allDelivered, engines...)

			var sum result.Ledger
			var counts [100]uint32
			for _, a := range settle(engines...) {
				balanced(t, a)
				sum.Planned += a.Ledger.Planned
				sum.Sent += a.Ledger.Sent
				sum.Expected += a.Ledger.Expected
				sum.Delivered += a.Ledger.Delivered
				sum.MeasuredSent += a.Ledger.MeasuredSent
				sum.MeasuredDelivered += a.Ledger.MeasuredDelivered
				sum.Misrouted += a.Ledger.Misrouted
				sum.Duplicated += a.Ledger.Duplicated
				sum.Reordered += a.Ledger.Reordered
				if a.MissingStamps != 0 {
					t.Errorf("%d arrivals without a kernel stamp", a.MissingStamps)
				}
			}
			for _, e := range engines {
				for k, p := range e.Records(0, 100) {
					counts[k] += p.Count
					if p.First > p.Last || p.First < 0 {
						t.Errorf("publication %d: %+v", k, p)
					}
				}
			}
			if part, whole := engines[0].Records(40, 60), engines[0].Records(0, 100); !slices.Equal(part, whole[40:60]) {
				t.Errorf("records 40 to 59 %+v, of all %+v", part, whole[40:60])
			}
			want := result.Ledger{Planned: 150, Sent: 150, MeasuredSent: 100}
			for k := range 100 {
				want.MeasuredDelivered += uint64(engines[0].config.Plan.RoomSubscribers(engines[0].config.Plan.At(plan.Measure, k).Room))
			}
			for k := range 50 {
				want.Expected += uint64(engines[0].config.Plan.RoomSubscribers(engines[0].config.Plan.At(plan.WarmUp, k).Room))
			}
			want.Expected += want.MeasuredDelivered
			want.Delivered = want.Expected
			if sum != want {
				t.Errorf("accounts together\n%+v, want\n%+v", sum, want)
			}
			for k, n := range counts {
				p := engines[0].config.Plan
				if want := p.RoomSubscribers(p.At(plan.Measure, k).Room); int(n) != want {
					t.Errorf("publication %d has %d deliveries, want %d", k, n, want)
				}
			}
		})
	}
}

func TestPacedEcho(t *testing.T) {
	s := echoOf(t, 7)
	target := startPeer(t, script{})
	e := startEngine(t, configOf(t, s, 0, target.address()))
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	phase(t, plan.Measure, allDelivered, e)
	a := settle(e)[0]
	balanced(t, a)
	if a.Ledger.Sent != 150 || a.Ledger.Delivered != 150 || a.Ledger.MeasuredDelivered != 100 || e.timetable.records != 0 {
		t.Errorf("ledger %+v with %d records", a.Ledger, e.timetable.records)
	}
}

func TestClosedLoopEcho(t *testing.T) {
	for _, window := range []int{1, 4} {
		s := closedLoopOf(t, 5, window)
		s.Loops = 2
		target := startPeer(t, script{})
		e := startEngine(t, configOf(t, s, 0, target.address()))
		ramped(t, e)
		phase(t, plan.WarmUp, allDelivered, e)
		phase(t, plan.Measure, allDelivered, e)
		a := settle(e)[0]
		balanced(t, a)
		l := a.Ledger
		if l.MeasuredSent < uint64(5*window) || l.MeasuredDelivered != l.MeasuredSent || l.Unsent != 0 {
			t.Errorf("window %d: ledger %+v", window, l)
		}
		if l.Sent == l.MeasuredSent {
			t.Errorf("window %d: nothing was sent to warm up", window)
		}
	}
}

// TestTicksAddUp: what ticks show of the histograms is all of it, once.
func TestTicksAddUp(t *testing.T) {
	s := fanoutOf(t, 10, 1, 2)
	s.Loops = 2
	s.Phases.WarmUp = 0
	target := startPeer(t, script{})
	e := startEngine(t, configOf(t, s, 0, target.address()))
	ramped(t, e)
	e.Begin(plan.Measure, e.config.Epoch)
	seen := make(map[string]int64)
	eventually(t, "deliveries", func() bool {
		tick := e.Tick()
		for name, h := range tick.Histograms {
			seen[name] += h.Count()
		}
		return tick.Delivered == 1000 && seen[Blocked] == 100
	})
	if want := map[string]int64{Delivery: 1000, SentDelivery: 1000, ReadLag: 1000, SendLag: 100, Blocked: 100}; !maps.Equal(seen, want) {
		t.Errorf("ticks show %v, want %v", seen, want)
	}
	tick := e.Tick()
	if len(tick.Histograms) != 0 {
		t.Errorf("ticks repeat %v", tick.Histograms)
	}
	if len(tick.Loops) != 3 {
		t.Errorf("CPU times of %d threads, want two receivers' and the sender's", len(tick.Loops))
	}
}

// TestAccountTravels: what a worker says crosses the border of its process.
func TestAccountTravels(t *testing.T) {
	s := fanoutOf(t, 3, 1, 1)
	target := startPeer(t, script{})
	e := startEngine(t, configOf(t, s, 0, target.address()))
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	phase(t, plan.Measure, allDelivered, e)
	a := settle(e)[0]
	encoded, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back Account
	if err := json.Unmarshal(encoded, &back); err != nil {
		t.Fatal(err)
	}
	if back.Ledger != a.Ledger {
		t.Errorf("ledger %+v came back as %+v", a.Ledger, back.Ledger)
	}
	for name, h := range a.Histograms {
		if back.Histograms[name].Count() != h.Count() || back.Histograms[name].Quantile(0.5) != h.Quantile(0.5) {
			t.Errorf("histogram %s changed on the way", name)
		}
	}
}
