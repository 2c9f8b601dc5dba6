package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// turn is how long the scheduler lets a thread of this program run where others want the CPU: the least that Linux takes (since 6.12, see
// sched_setattr(2); earlier ones take no notice). A loop that waits for a CPU in the middle of a pass has pings and echoes wait with it,
// and a thread with short turns gets its next one soon. It gets no more of the CPU than with long ones.
const turn = 100 * time.Microsecond

// takeShortTurns is for all threads that the program has; those to come are as the ones that start them.
func takeShortTurns() error {
	const tasks = "/proc/self/task"
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			return fmt.Errorf("read %s: %w", tasks, err)
		}
		if err := shorten(id); err != nil && !errors.Is(err, unix.ESRCH) { // it may have ended
			return err
		}
	}
	return nil
}

// shorten leaves a thread alone that somebody has given another policy.
func shorten(thread int) error {
	how, err := unix.SchedGetAttr(thread, 0)
	if err != nil {
		return os.NewSyscallError("sched_getattr", err)
	}
	if how.Policy != unix.SCHED_NORMAL && how.Policy != unix.SCHED_BATCH {
		return nil
	}
	how.Runtime = uint64(turn.Nanoseconds())
	return os.NewSyscallError("sched_setattr", unix.SchedSetAttr(thread, how, 0))
}
