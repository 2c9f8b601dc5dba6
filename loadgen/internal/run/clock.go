package run

import (
	"context"
	"time"

	"fanbench/loadgen/internal/clock"
)

// System is the machine's clock.
type System struct{}

// Mono reads CLOCK_MONOTONIC in nanoseconds.
func (System) Mono() int64 { return clock.Now() }

// Wall reads the wall clock.
func (System) Wall() time.Time { return time.Now() }

// Sleep waits until the instant at, or until ctx ends.
func (System) Sleep(ctx context.Context, at int64) {
	timer := time.NewTimer(time.Duration(at - clock.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
