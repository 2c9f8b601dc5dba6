package engine

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// wakeupTag is what the wake-up descriptor's events carry instead of a
// connection's or publisher's number.
const wakeupTag = -1

const (
	// napTime is how long a thread lets events gather. It is a part of the read
	// lag, and of no other figure.
	napTime = 100 * time.Microsecond
	// many events without a pause of napTime are a fan-out in which naps pay. In
	// smaller ones they cost the target more CPU than they save here
	// (docs/design.md).
	many = 16
	// few events in a nap are its end.
	few = 2
)

// A thread is an operating-system thread with its epoll instance. Everything
// that belongs to it is touched on it alone; others hand it functions to run.
type thread struct {
	epoll  int
	wakeup int // eventfd

	mu    sync.Mutex
	mail  []func()
	ended bool // no more mail; guarded by mu

	// The thread's own.
	burst  int    // events without a pause
	nap    func() // sleeps for napTime
	ending bool   // leave the loop

	done chan struct{}
	id   atomic.Int32 // the kernel's number of the thread, 0 before it runs
}

func newThread() (*thread, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	wakeup, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	t := &thread{epoll: epoll, wakeup: wakeup, nap: nap, done: make(chan struct{})}
	if err := t.watch(wakeup, wakeupTag, unix.EPOLLIN); err != nil {
		unix.Close(epoll)
		unix.Close(wakeup)
		return nil, fmt.Errorf("watch eventfd: %w", err)
	}
	return t, nil
}

// watch adds a descriptor, edge-triggered.
func (t *thread) watch(fd, tag int, events uint32) error {
	event := unix.EpollEvent{Events: events | unix.EPOLLET, Fd: int32(tag)}
	return unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, fd, &event)
}

// rewatch has a descriptor that is watched reported again if it is ready.
func (t *thread) rewatch(fd, tag int, events uint32) error {
	event := unix.EpollEvent{Events: events | unix.EPOLLET, Fd: int32(tag)}
	return unix.EpollCtl(t.epoll, unix.EPOLL_CTL_MOD, fd, &event)
}

// start runs loop on a thread of its own, which ends with it.
func (t *thread) start(loop func()) {
	go func() {
		runtime.LockOSThread() // never unlocked: a changed priority dies with the thread
		t.identify()
		loop()
		t.mu.Lock()
		t.ended = true
		rest := t.mail
		t.mail = nil
		t.mu.Unlock()
		for _, f := range rest {
			f()
		}
		unix.Close(t.epoll)
		unix.Close(t.wakeup)
		close(t.done)
	}()
}

// call runs f on the thread and waits for it. After the thread's end it runs f
// at once: nobody else touches the thread's things any more.
func (t *thread) call(f func()) {
	ran := make(chan struct{})
	if t.post(func() { f(); close(ran) }) {
		<-ran
		return
	}
	<-t.done
	f()
}

// post hands f to the thread; false if it has ended.
func (t *thread) post(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.mail = append(t.mail, f)
	one := [8]byte{1}
	// It can only fail with a full counter, and then the thread wakes up anyway.
	_, _ = unix.Write(t.wakeup, one[:])
	return true
}

// collect runs what was handed in.
func (t *thread) collect() {
	var count [8]byte
	_, _ = unix.Read(t.wakeup, count[:])
	t.mu.Lock()
	mail := t.mail
	t.mail = nil
	t.mu.Unlock()
	for _, f := range mail {
		f()
	}
}

// cpu is the calling thread's CPU time.
func cpu() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
