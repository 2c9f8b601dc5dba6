package engine

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
)

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

// policyOf is the policy of the calling thread, without its flags.
func policyOf(t *testing.T) uint32 {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Error(err)
		return 0
	}
	return attr.Policy
}

// TestPrecedence: what is said of a thread's scheduling is what the kernel says,
// whatever this process may; and a real-time thread is one for as long as it
// leaves the CPU to others half of the time.
func TestPrecedence(t *testing.T) {
	for _, row := range []struct {
		name         string
		period, used time.Duration
		gone         bool
	}{
		{"before the period is over", watchPeriod / 2, watchPeriod / 2, false},
		{"hardly used", 10 * watchPeriod, watchPeriod, false},
		{"used up", 10 * watchPeriod, 6 * watchPeriod, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			onThread(func() {
				var p precedence
				p.raise()
				raised := p.way
				if got := policyOf(t); (got == unix.SCHED_FIFO) != (raised == fifo) {
					t.Errorf("it says %q, and the policy is %d", raised, got)
				}
				p.since, p.used = clock.Now()-int64(row.period), cpu()-row.used
				p.watch()
				want := raised
				if raised == fifo && row.gone {
					want = fifoOnce
				}
				if p.way != want {
					t.Errorf("%q after the watch, want %q", p.way, want)
				}
				if got := policyOf(t); (got == unix.SCHED_FIFO) != (want == fifo) {
					t.Errorf("it says %q, and the policy is %d", p.way, got)
				}
			})
		})
	}
}

// TestFlushIsBounded: what waits on one connection does not keep the sender from
// the others, and is written to the last.
func TestFlushIsBounded(t *testing.T) {
	w, o, drain := freeWriter(t)
	watcher, err := newThread()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { watcher.start(func() {}); <-watcher.done })
	o.watcher, o.tag = watcher, 7
	const waiting = 2*politeness + 10
	for i := range waiting {
		o.queue = append(o.queue, departure{sequence: uint64(i), phase: plan.Measure, first: clock.Now()})
	}
	w.waiting = waiting
	events := make([]unix.EpollEvent, 4)
	for _, want := range []uint64{politeness, 2 * politeness, waiting} {
		w.flush(o)
		if w.counts.sent != want || w.waiting != waiting-int(want) {
			t.Fatalf("%d sent and %d waiting, want %d sent", w.counts.sent, w.waiting, want)
		}
		drain()
		if want == waiting {
			break
		}
		if n := watcher.wait(events, int(patience/time.Millisecond)); n != 1 || events[0].Fd != 7 {
			t.Fatalf("%d events, the first for %d", n, events[0].Fd)
		}
	}
}
