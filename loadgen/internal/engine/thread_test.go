package engine

import (
	"testing"

	"golang.org/x/sys/unix"
)

// watched is a thread that does not run, with descriptors that it watches.
func watched(t *testing.T, descriptors int) (*thread, []int) {
	t.Helper()
	th, err := newThread()
	if err != nil {
		t.Fatal(err)
	}
	var fds []int
	t.Cleanup(func() {
		for _, fd := range append(fds, th.epoll, th.wakeup) {
			_ = unix.Close(fd)
		}
	})
	for tag := range descriptors {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		if err := th.watch(fd, tag, unix.EPOLLIN); err != nil {
			t.Fatal(err)
		}
	}
	return th, fds
}

// signal makes an event on each.
func signal(t *testing.T, fds []int) {
	for _, fd := range fds {
		if _, err := unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			t.Error(err)
		}
	}
}

// A thread sleeps through a large fan-out in naps, each of which gathers events,
// and through everything else until the next event.
func TestPollGathers(t *testing.T) {
	for _, row := range []struct {
		name         string
		gather       bool
		burst        int // events without a pause
		ready, inNap int // events that are there, and that come during a nap
		naps, events int
		after        int // the burst
	}{
		{"in the middle of a fan-out", true, many, 0, 3, 1, 3, many + 3},
		{"at the end of a fan-out", true, many, 0, 0, 1, 0, 0},
		{"after the end of a fan-out", true, many, 0, few - 1, 1, few - 1, few - 1},
		{"in a small fan-out", true, many - 1, 1, 3, 0, 1, many},
		{"in a fan-out that does not wait", false, 100, 0, 3, 0, 0, 0},
		{"with events there", true, many, 2, 3, 0, 2, many + 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			th, fds := watched(t, 3)
			naps := 0
			th.nap = func() {
				naps++
				signal(t, fds[:row.inNap])
			}
			th.burst = row.burst
			signal(t, fds[:row.ready])
			events := th.poll(make([]unix.EpollEvent, 8), 1, row.gather)
			if naps != row.naps || events != row.events || th.burst != row.after {
				t.Errorf("%d naps, %d events, %d without a pause; want %d, %d, %d",
					naps, events, th.burst, row.naps, row.events, row.after)
			}
		})
	}
}

// A pause ends a burst, also one that a signal interrupts, as those of Go's
// runtime do.
func TestPauseEndsBurst(t *testing.T) {
	th, _ := watched(t, 0)
	th.nap = func() { t.Error("a nap in a small fan-out") }
	th.burst = many - 1
	for range 1000 {
		if th.poll(make([]unix.EpollEvent, 1), 1, true) != 0 {
			t.Fatal("an event out of nowhere")
		}
		if th.burst == 0 {
			return
		}
	}
	t.Errorf("still %d events without a pause after 1000 waits of 1 ms", th.burst)
}

// Nobody's next step may hang on what waits for others.
func TestWhoGathers(t *testing.T) {
	for name, row := range map[string]struct {
		receiver *receiver
		gathers  bool
	}{
		"deliveries of a timetable": {&receiver{}, true},
		"a closed loop":             {&receiver{window: &window{}}, false},
		"a conversation":            {&receiver{mirror: &mirror{}}, false},
		"handshakes under way":      {&receiver{dialer: dialer{underWay: 1}}, false},
	} {
		if got := row.receiver.gathers(); got != row.gathers {
			t.Errorf("%s: %v, want %v", name, got, row.gathers)
		}
	}
}

func TestPollingDoesNotAllocate(t *testing.T) {
	th, fds := watched(t, 2)
	events, one := make([]unix.EpollEvent, 8), []byte{1, 0, 0, 0, 0, 0, 0, 0}
	if n := testing.AllocsPerRun(100, func() {
		th.burst = many
		if th.poll(events, 1, true) != 0 { // naps, and waits
			t.Error("an event out of nowhere")
		}
		_, _ = unix.Write(fds[0], one)
		if th.poll(events, 1, true) != 1 {
			t.Error("no event")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
