//go:build linux && slower

package gateway

import (
	"time"

	"golang.org/x/sys/unix"

	"fanbench/server/internal/fanout"
)

// A server that is built with the tag slower takes 15 % more CPU for what it writes to members. It is there to be found out, by
// "bench ab --aa --candidate-tags slower . .": a comparison that does not find it proves nothing by finding no difference elsewhere.
func init() { handicap = func(s fanout.Sink) fanout.Sink { return slower{s} } }

type slower struct{ fanout.Sink }

func (s slower) Write(ops []fanout.Op) {
	began, wall := threadCPU(), time.Now()
	s.Sink.Write(ops)
	// The wall bounds it where the goroutine has changed threads meanwhile, whose clocks differ.
	took := min(threadCPU()-began, time.Since(wall))
	for began, wall = threadCPU(), time.Now(); threadCPU()-began < took*15/100 && time.Since(wall) < took; {
	}
}

func threadCPU() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}
