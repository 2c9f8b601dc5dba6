package vitals

import "time"

// A ThreadID names a thread of a process tree.
type ThreadID struct{ Process, Thread int }

// ThreadTimes is what the scheduler says of a thread, since it started
// (/proc/<pid>/task/<tid>/schedstat).
type ThreadTimes struct {
	CPU   time.Duration // on a CPU
	Delay time.Duration // runnable, and waiting for one
}

// Threads reads every thread of the tree. It returns none where the kernel does
// not count, and [ErrGone] when no process is left.
func (t *Tree) Threads() (map[ThreadID]ThreadTimes, error) {
	members, err := t.members()
	if err != nil {
		return nil, err
	}
	times := make(map[ThreadID]ThreadTimes)
	for _, m := range members {
		threads, err := t.fs.AllThreads(m.proc.PID)
		if err != nil {
			continue // it has ended since
		}
		for _, thread := range threads {
			s, err := thread.Schedstat()
			if err != nil || s.RunTimeslices == 0 {
				continue
			}
			times[ThreadID{m.proc.PID, thread.PID}] = ThreadTimes{
				CPU: time.Duration(s.RunningNanoseconds), Delay: time.Duration(s.WaitingNanoseconds),
			}
		}
	}
	return times, nil
}

// Busiest returns the longest time that one thread was on a CPU between two
// readings, and the longest that one waited for a CPU. A thread that is in one
// of them only does not count. known is false without a thread in both.
func Busiest(before, after map[ThreadID]ThreadTimes) (onCPU, delay time.Duration, known bool) {
	for id, now := range after {
		if then, both := before[id]; both {
			known = true
			onCPU, delay = max(onCPU, now.CPU-then.CPU), max(delay, now.Delay-then.Delay)
		}
	}
	return onCPU, delay, known
}
