//go:build linux && slower

package gateway

import (
	"time"

	"golang.org/x/sys/unix"

	"fanbench/server/internal/fanout"
)

// A server that is built with the tag slower takes about 15 % more CPU per delivery. It is there to be found out, by
// "bench ab --aa --candidate-tags slower . .": a comparison that does not find it proves nothing by finding no difference elsewhere.
func init() { handicap = func(s fanout.Sink) fanout.Sink { return slower{s} } }

// handicapShare of what a write took is spent once more. With 0.15 CPU per delivery rose by 9 and by 13 % (24 trials each): receivers
// get to read meanwhile, and what is written to who has read is cheaper.
const handicapShare = 0.20

type slower struct{ fanout.Sink }

func (s slower) Write(ops []fanout.Op) {
	began, wall := threadCPU(), time.Now()
	s.Sink.Write(ops)
	// The wall bounds it where the goroutine has changed threads meanwhile, whose clocks differ.
	took := min(threadCPU()-began, time.Since(wall))
	extra := time.Duration(handicapShare * float64(took))
	for began, wall = threadCPU(), time.Now(); threadCPU()-began < extra && time.Since(wall) < took; {
	}
}

func threadCPU() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}
