package engine

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
)

const (
	realTime = 1   // SCHED_FIFO priority of the sender's thread
	niceness = -20 // its nice value, where it may not have that

	// watchPeriod and watchShare bound what a real-time thread may take from the
	// machine, which has nobody else to stop it: a period in which it was on a CPU
	// for more than one part in watchShare is its last as one.
	watchPeriod = 100 * time.Millisecond
	watchShare  = 2
)

// Ways of scheduling in [Account.SenderScheduling].
const (
	fifo     = "SCHED_FIFO"
	fifoOnce = "SCHED_FIFO until it took more than half of a CPU"
	nice     = "nice -20"
	asOthers = "as others"
)

// A precedence is how a thread comes before others that want its CPU. It is the
// thread's own.
type precedence struct {
	way string

	since int64 // the period's start, CLOCK_MONOTONIC in nanoseconds
	used  time.Duration
}

// raise puts the calling thread before others, as far as the process may. Under
// SCHED_FIFO it runs as soon as it wakes up; a nice value makes that likely.
func (p *precedence) raise() {
	p.way = asOthers
	if unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceness) == nil {
		p.way = nice
	}
	if setPolicy(unix.SCHED_FIFO, realTime) == nil {
		p.way, p.since, p.used = fifo, clock.Now(), cpu()
	}
}

// watch ends a real-time thread's precedence if it is on the CPU too much. It
// wants to be called often.
func (p *precedence) watch() {
	if p.way != fifo {
		return
	}
	now := clock.Now()
	period := now - p.since
	if period < int64(watchPeriod) {
		return
	}
	used := cpu()
	if int64(used-p.used) > period/watchShare && setPolicy(unix.SCHED_NORMAL, 0) == nil {
		p.way = fifoOnce
	}
	p.since, p.used = now, used
}

// setPolicy sets how the calling thread is scheduled, see sched(7): threads that
// it starts are not, and its nice value stays.
func setPolicy(policy uintptr, priority int32) error {
	_, _, errno := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, 0, policy|unix.SCHED_RESET_ON_FORK, uintptr(unsafe.Pointer(&priority)))
	if errno != 0 {
		return os.NewSyscallError("sched_setscheduler", errno)
	}
	return nil
}
