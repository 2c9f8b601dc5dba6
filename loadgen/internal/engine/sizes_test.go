package engine

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/stamp"
	"fanbench/loadgen/scenario"
)

// mixed is a distribution over the three forms of a frame's length (RFC 6455
// §5.2).
var mixed = []scenario.WeightedSize{{Size: 64, Weight: 5}, {Size: 1 << 10, Weight: 5}, {Size: 70 << 10, Weight: 1}}

// TestSizesAndArrivals: publications leave in the sizes of the plan and are
// recognised by their receivers, whatever the arrivals.
func TestSizesAndArrivals(t *testing.T) {
	for _, payload := range []scenario.Payload{scenario.Padding, scenario.JSON} {
		t.Run(string(payload), func(t *testing.T) {
			s := fanoutOf(t, 6, 2, 4)
			s.Size, s.Sizes, s.Payload, s.Arrivals = 0, mixed, payload, scenario.Poisson
			if payload == scenario.JSON {
				s.Sizes = append([]scenario.WeightedSize{{Size: 200, Weight: 5}}, mixed[1:]...)
			}
			var mu sync.Mutex
			got, want := map[string]int{}, map[string]int{}
			target := startPeer(t, script{deliver: func(_, member int, message []byte) [][]byte {
				if said, _ := stamp.Find(message); member == 0 {
					mu.Lock()
					got[fmt.Sprintf("publisher %d, sequence %d: %d bytes", said.Publisher, said.Sequence, len(message))]++
					mu.Unlock()
				}
				return [][]byte{message}
			}})
			e := startEngine(t, configOf(t, s, 0, target.address()))
			ramped(t, e)
			phase(t, plan.WarmUp, allDelivered, e)
			phase(t, plan.Measure, allDelivered, e)
			a := settle(e)[0]
			balanced(t, a)
			if a.Ledger.Delivered != 150*3 || a.Ledger.Corrupt+a.Ledger.Unknown != 0 {
				t.Errorf("ledger %+v", a.Ledger)
			}
			for _, ph := range []plan.Phase{plan.WarmUp, plan.Measure} {
				for k := range e.config.Plan.Publications(ph) {
					p := e.config.Plan.At(ph, k)
					want[fmt.Sprintf("publisher %d, sequence %d: %d bytes", p.Publisher, p.Sequence, p.Size)]++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if !maps.Equal(got, want) {
				t.Errorf("publications\n%v, want\n%v", got, want)
			}
		})
	}
}

func TestEchoSizes(t *testing.T) {
	paced := echoOf(t, 7)
	paced.Arrivals = scenario.Poisson
	for name, s := range map[string]scenario.Scenario{"paced, Poisson": paced, "closed loop": closedLoopOf(t, 5, 4)} {
		t.Run(name, func(t *testing.T) {
			s.Size, s.Sizes = 0, mixed
			e := startEngine(t, configOf(t, s, 0, startPeer(t, script{}).address()))
			ramped(t, e)
			phase(t, plan.WarmUp, allDelivered, e)
			phase(t, plan.Measure, allDelivered, e)
			a := settle(e)[0]
			balanced(t, a)
			if l := a.Ledger; l.Delivered == 0 || l.Delivered != l.Planned || l.Corrupt+l.Unknown != 0 {
				t.Errorf("ledger %+v", l)
			}
		})
	}
}

// writerOfSizes is freeWriter with three sizes, each of which the socket takes
// at once.
func writerOfSizes(t testing.TB) (w *writer, o *outbox, drain func()) {
	_, o, drain = freeWriter(t)
	s := scenarioOf(t, "workload", "fanout", "connections", "1", "sizes", "64B:1,1KiB:1,20KiB:1")
	return newWriter(configOf(t, s, 0, refusedAddress(t))), o, drain
}

func TestPublishingSizesDoesNotAllocate(t *testing.T) {
	w, o, drain := writerOfSizes(t)
	d := departure{phase: plan.Measure}
	if n := testing.AllocsPerRun(200, func() {
		d.due = clock.Now()
		w.publish(o, d)
		d.sequence++
		drain()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if w.counts.sent != d.sequence || w.waiting != 0 {
		t.Errorf("sent %+v, %d wait", w.counts, w.waiting)
	}
}

func BenchmarkPublishSizes(b *testing.B) {
	w, o, drain := writerOfSizes(b)
	d := departure{phase: plan.Measure}
	b.ReportAllocs()
	for b.Loop() {
		d.due = clock.Now()
		w.publish(o, d)
		d.sequence++
		drain()
	}
}

// TestCaches: each size has its own memory, small ones as many entries as
// without the large.
func TestCaches(t *testing.T) {
	for _, row := range []struct {
		sizes   string
		entries []int
	}{
		{"128B:1", []int{4096}},
		{"64KiB:1", []int{32}},
		{"16KiB:5,128B:70", []int{4096, 64}},
		{"16MB:1", []int{1}},
	} {
		caches := newCaches(scenarioOf(t, "sizes", row.sizes))
		if len(caches) != len(row.entries) {
			t.Errorf("%s: %d caches", row.sizes, len(caches))
			continue
		}
		for i, want := range row.entries {
			if c := caches[i]; len(c.entries) != want || len(c.slots) != want*c.slot || i > 0 && c.slot <= caches[i-1].slot {
				t.Errorf("%s: cache %d has %d entries of %d bytes, want %d", row.sizes, i, len(c.entries), c.slot, want)
			}
		}
	}
}
