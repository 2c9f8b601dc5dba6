package main

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// A kernel that does not know of turns says 0 for each.
func TestShortTurns(t *testing.T) {
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := uint64(0)
	if before.Runtime > 0 {
		want = uint64(turn)
	}
	if err := takeShortTurns(); err != nil {
		t.Fatal(err)
	}
	const started = 8
	ready, end := make(chan bool, started), make(chan bool)
	defer close(end)
	for range started {
		go func() {
			runtime.LockOSThread() // a thread of its own
			ready <- true
			<-end
		}()
	}
	for range started {
		<-ready
	}
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < started {
		t.Fatalf("%d threads, want %d at the least", len(entries), started)
	}
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		after, err := unix.SchedGetAttr(id, 0)
		if err == unix.ESRCH {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if after.Runtime != want || after.Policy != before.Policy || after.Nice != before.Nice {
			t.Errorf("thread %d: turns of %d ns, policy %d, nice %d; want %d, %d and %d",
				id, after.Runtime, after.Policy, after.Nice, want, before.Policy, before.Nice)
		}
	}
}
