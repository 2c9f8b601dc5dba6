package main

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// rescheduling is set in the process that TestReschedule has begin anew.
const rescheduling = "FANBENCH_RESCHEDULING"

// A kernel that does not know of turns says 0 for each.
func TestReschedule(t *testing.T) {
	if os.Getenv(rescheduling) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestReschedule$", "-test.v")
		cmd.Env = append(os.Environ(), rescheduling+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	pid := os.Getpid()
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := reschedule(); err != nil { // the first time it does not return
		t.Fatal(err)
	}
	if os.Getpid() != pid {
		t.Errorf("begun anew as process %d, not %d", os.Getpid(), pid)
	}
	want := uint64(0)
	if before.Runtime > 0 {
		want = uint64(turn)
	}
	const started = 8
	var ready, done sync.WaitGroup
	ready.Add(started)
	for range started {
		done.Go(func() {
			runtime.LockOSThread() // a thread of its own
			ready.Done()
			ready.Wait()
			after, err := unix.SchedGetAttr(0, 0)
			if err != nil {
				t.Error(err)
				return
			}
			if after.Runtime != want || after.Policy != before.Policy || after.Nice != before.Nice {
				t.Errorf("turns of %d ns, policy %d, nice %d; want %d, %d and %d",
					after.Runtime, after.Policy, after.Nice, want, before.Policy, before.Nice)
			}
			if !rescheduled() {
				t.Errorf("a thread without the slack")
			}
		})
	}
	done.Wait()
}

func TestOneProcessorPerLoop(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	for _, c := range []struct{ had, loops, want int }{
		{had: 4, loops: 8, want: 4},
		{had: 4, loops: 4, want: 4},
		{had: 4, loops: 3, want: 3},
		{had: 4, loops: 1, want: 1},
	} {
		runtime.GOMAXPROCS(c.had)
		oneProcessorPerLoop(c.loops)
		if got := runtime.GOMAXPROCS(0); got != c.want {
			t.Errorf("%d processors and %d loops: uses %d, want %d", c.had, c.loops, got, c.want)
		}
	}
}
