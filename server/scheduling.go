package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// turn is how long the scheduler lets a thread of this program run where others want the CPU: the least that Linux takes
	// (since 6.12, see sched_setattr(2); earlier ones take no notice). A loop that waits for a CPU in the middle of a pass has
	// pings and echoes wait with it, and a thread with short turns gets its next one soon. It gets no more of the CPU than with
	// long ones.
	turn = 100 * time.Microsecond

	// slack is by how much a sleep may last longer (PR_SET_TIMERSLACK(2const); Linux has 50 µs). Go's scheduler has a monitor that
	// sleeps 20 µs at a time while loops are busy, and each time takes the CPU from one of them. Nothing here has a time that is
	// to be kept more precisely; the pass, above all, has none.
	slack = 4 * time.Millisecond
)

// reschedule has all threads of the program scheduled so. A thread takes that from the one that starts it, and Go has started some by
// now: so the program begins anew, as the same process. It returns when that has been done, or cannot be.
func reschedule() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if rescheduled() {
		return nil
	}
	if err := shorten(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if !rescheduled() { // or it would begin for ever
		return fmt.Errorf("the kernel takes no timer slack of %v for this thread", slack)
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return fmt.Errorf("begin %s anew: %w", program, syscall.Exec(program, os.Args, os.Environ()))
}

// rescheduled is by the slack, which is nobody's default.
func rescheduled() bool {
	set, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	return err == nil && time.Duration(set) == slack
}

// shorten leaves the thread's turns alone if somebody has given it another policy.
func shorten() error {
	how, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return os.NewSyscallError("sched_getattr", err)
	}
	if how.Policy != unix.SCHED_NORMAL && how.Policy != unix.SCHED_BATCH {
		return nil
	}
	how.Runtime = uint64(turn.Nanoseconds())
	return os.NewSyscallError("sched_setattr", unix.SchedSetAttr(0, how, 0))
}

// oneProcessorPerLoop has Go's scheduler use no more processors than there are loops. A loop that goes to sleep lets other goroutines run
// first, and where a processor is free for them the scheduler wakes a thread to look for some: a seventh of the CPU that small rooms
// take. Workers that have others keep theirs, as the link between them must not wait for a pass.
func oneProcessorPerLoop(loops int) { runtime.GOMAXPROCS(min(loops, runtime.GOMAXPROCS(0))) }
