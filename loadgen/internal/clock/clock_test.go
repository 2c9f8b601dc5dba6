package clock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func monotonic(t testing.TB) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano()
}

// TestNowIsMonotonic brackets Now by the system call. The anchor's own width is
// allowed for: far below it stays what the two would differ by if they counted
// from different origins.
func TestNowIsMonotonic(t *testing.T) {
	const allowed = int64(time.Millisecond)
	for range 100 {
		before := monotonic(t)
		now := Now()
		after := monotonic(t)
		if now < before-allowed || now > after+allowed {
			t.Fatalf("Now() = %d, CLOCK_MONOTONIC read %d before and %d after", now, before, after)
		}
	}
}

// clocks is a pair of scripted clocks.
type clocks struct{ wall, mono, width int64 }

func (c *clocks) read() (wall, mono, width int64) { return c.wall, c.mono, c.width }

func (c *clocks) advance(d time.Duration) { c.wall += int64(d); c.mono += int64(d) }

func (c *clocks) step(d time.Duration) { c.wall += int64(d) }

// TestStepsLeaveInstantsUnchanged steps the wall clock between two stamps. A
// small step leaves stamps from before it off by as much, because they lie as
// well after it as before; a stamp from after any step is right.
func TestStepsLeaveInstantsUnchanged(t *testing.T) {
	for _, c := range []struct {
		step  time.Duration
		small bool
	}{
		{step: time.Hour}, {step: -time.Hour}, {step: time.Second}, {step: -time.Second},
		{20 * time.Microsecond, true}, {-20 * time.Microsecond, true},
	} {
		t.Run(c.step.String(), func(t *testing.T) {
			clocks := &clocks{wall: 1_700_000_000_000_000_000, mono: 1_000_000_000_000, width: 50}
			w := newWall(clocks.read)

			clocks.advance(time.Second)
			before, wantBefore := clocks.wall, clocks.mono
			clocks.step(c.step)
			clocks.advance(time.Millisecond)
			after, wantAfter := clocks.wall, clocks.mono
			clocks.advance(maxAge)
			w.Refresh(clocks.mono)

			if got := w.Mono(after, clocks.mono); got != wantAfter {
				t.Errorf("stamp after the step: %v off", time.Duration(got-wantAfter))
			}
			if got := w.Mono(before, clocks.mono); !c.small && got != wantBefore {
				t.Errorf("stamp before the step: %v off", time.Duration(got-wantBefore))
			}
			if w.Steps() != 1 {
				t.Errorf("%d steps noticed, want 1", w.Steps())
			}
		})
	}
}

// TestLateReadsAroundASmallStep reads arrivals late, as slow readers and a
// generator that is behind do. An arrival that was read after the step, and lies
// by the new offset after it, is ambiguous only after a step back.
func TestLateReadsAroundASmallStep(t *testing.T) {
	const lag = 200 * time.Millisecond
	for _, step := range []time.Duration{50 * time.Millisecond, 150 * time.Millisecond, time.Second, -time.Second} {
		c := &clocks{wall: 1_700_000_000_000_000_000, mono: 1_000_000_000_000, width: 50}
		w := newWall(c.read)
		type arrival struct{ stamp, at int64 }
		var unread []arrival
		for n := range 5000 {
			if n == 1000 {
				c.step(step)
			}
			c.advance(time.Millisecond)
			w.Refresh(c.mono)
			unread = append(unread, arrival{c.wall, c.mono})
			for len(unread) > 0 && c.mono-unread[0].at >= int64(lag) {
				if got := w.Mono(unread[0].stamp, c.mono); got != unread[0].at {
					t.Fatalf("step %v, %v after it: %v off", step, time.Duration(n-1000)*time.Millisecond, time.Duration(got-unread[0].at))
				}
				unread = unread[1:]
			}
		}
		if w.Steps() != 1 {
			t.Errorf("step %v: %d steps noticed, want 1", step, w.Steps())
		}
	}
}

// TestStepBetweenSamples converts a stamp from after a step that no sample has
// seen yet: the odd result must bring the sample about.
func TestStepBetweenSamples(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		c := &clocks{wall: 1_700_000_000_000_000_000, mono: 1_000_000_000_000, width: 50}
		w := newWall(c.read)
		c.step(step)
		stamp, want := c.wall, c.mono
		c.advance(time.Millisecond)
		if got := w.Mono(stamp, c.mono); got != want {
			t.Errorf("step %v: %v off", step, time.Duration(got-want))
		}
	}
}

func TestLateReadsAreNoSteps(t *testing.T) {
	c := &clocks{wall: 1_700_000_000_000_000_000, mono: 1_000_000_000_000, width: 50}
	w := newWall(c.read)
	stamp, want := c.wall, c.mono
	c.advance(30 * time.Second)
	if got := w.Mono(stamp, c.mono); got != want {
		t.Errorf("%v off", time.Duration(got-want))
	}
	if w.Steps() != 0 {
		t.Errorf("%d steps noticed, want none", w.Steps())
	}
}

// TestWideReadingsAreNoSteps preempts the sampling itself.
func TestWideReadingsAreNoSteps(t *testing.T) {
	c := &clocks{wall: 1_700_000_000_000_000_000, mono: 1_000_000_000_000, width: 50}
	w := newWall(c.read)
	c.advance(maxAge)
	c.wall += int64(time.Millisecond)
	c.width = int64(2 * time.Millisecond)
	w.Refresh(c.mono)
	if w.Steps() != 0 {
		t.Errorf("%d steps noticed, want none", w.Steps())
	}
}

func TestWallReadsTheKernelsClocks(t *testing.T) {
	w := NewWall()
	before := Now()
	at := time.Now().UnixNano()
	if got := w.Mono(at, Now()); got < before-int64(time.Millisecond) || got > Now()+int64(time.Millisecond) {
		t.Errorf("a wall reading converts to %v from now", time.Duration(got-before))
	}
}

func BenchmarkNow(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Now()
	}
}

// TestFault32ClockStepped receives 10 s of deliveries, each 2 ms
// after it was sent and read 300 µs after it arrived, while somebody steps the
// clock there and back. The stamps are the wall clock's, the latencies are not.
func TestFault32ClockStepped(t *testing.T) {
	const latency, lag, gap = int64(2 * time.Millisecond), int64(300 * time.Microsecond), time.Millisecond
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		c := &clocks{wall: 1_700_000_000_000_000_000, mono: 1_000_000_000_000, width: 50}
		w := newWall(c.read)
		for n := range 10_000 {
			switch n {
			case 3_000:
				c.step(step)
			case 7_001:
				c.step(-step)
			}
			c.advance(gap)
			sent, stamp := c.mono-latency, c.wall
			if n == 5_000 || n == 7_500 { // between an arrival and its read
				c.step(step)
				step = -step
			}
			read := c.mono + lag
			if got := w.Mono(stamp, read) - sent; got != latency {
				t.Fatalf("step %v, delivery %d: latency %v, want %v", step, n, time.Duration(got), time.Duration(latency))
			}
			w.Refresh(read)
		}
		if w.Steps() != 4 {
			t.Errorf("step %v: %d steps noticed, want 4", step, w.Steps())
		}
	}
}
