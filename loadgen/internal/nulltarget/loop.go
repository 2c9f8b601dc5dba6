package nulltarget

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/perturb"
	"fanbench/server/frame"
)

const (
	inputBytes = 256 << 10 // of one read
	eventCount = 512       // of one epoll_wait
	priority   = -20       // nice value of a thread that notes the truth
)

// loop is the target's one thread and everything on it. Only stop is called
// from elsewhere.
type loop struct {
	config                       Config
	epoll, listener, wake, timer int // descriptors
	conns                        []*conn
	rooms                        map[string]*room
	byRoom                       []*room // in the order of their first member
	dirty                        []*room // with publications that are to be written, if they are batched
	delayed                      map[time.Duration]*queue
	faults                       map[delivery]perturb.Fault
	held                         map[delivery]int // index of a frame that waits for its publisher's next
	frames                       frame.Config
	input, encoded               []byte
	report                       Report
	ending                       bool

	mu     sync.Mutex
	closed bool // guarded by mu
}

func newLoop(c Config, listener *net.TCPListener) (*loop, error) {
	l := &loop{
		config: c, epoll: -1, listener: -1, wake: -1, timer: -1,
		rooms: map[string]*room{}, delayed: map[time.Duration]*queue{}, held: map[delivery]int{},
		frames: frame.Config{Role: frame.Server, MaxMessage: 16 << 20},
		input:  make([]byte, inputBytes),
	}
	for _, d := range c.Delays {
		if d > 0 {
			l.delayed[d] = &queue{delay: d}
		}
	}
	l.prepare(c.Faults)
	if err := l.open(listener); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) open(listener *net.TCPListener) (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("create epoll: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("create eventfd: %w", err)
	}
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return fmt.Errorf("create timer: %w", err)
	}
	raw, err := listener.SyscallConn()
	if err != nil {
		return err
	}
	controlled := raw.Control(func(fd uintptr) {
		// What is accepted inherits it. Without it a second small write waits
		// for the first one's acknowledgement.
		if err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
			l.listener, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		}
	})
	if err := errors.Join(controlled, err); err != nil {
		return fmt.Errorf("take the listening descriptor: %w", err)
	}
	for _, fd := range []int{l.listener, l.wake, l.timer} {
		if err := l.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) watch(operation, fd int, interest uint32) error {
	if err := unix.EpollCtl(l.epoll, operation, fd, &unix.EpollEvent{Events: interest, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("watch descriptor: %w", err)
	}
	return nil
}

// stop ends the loop from another thread. The descriptor is the loop's to
// close, and after that another's: the lock and the flag keep them apart.
func (l *loop) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	one := [8]byte{1}
	_, _ = unix.Write(l.wake, one[:]) // a full counter wakes it as well
}

// run serves until stop, or until something fails that is not one connection's
// affair.
func (l *loop) run() error {
	runtime.LockOSThread() // never unlocked: a changed priority dies with the thread
	defer l.close()
	if l.config.Record && l.config.Stall == 0 {
		// Whoever takes the CPU between the clock's reading and the write
		// makes the truth wrong. After a stall there is much to write at once:
		// with precedence that would hold up the reader. Without the right to
		// it the thread stays as it is.
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), priority)
	}
	ready := make([]unix.EpollEvent, eventCount)
	for !l.ending {
		n, err := l.wait(ready)
		if err != nil {
			return err
		}
		for _, e := range ready[:n] {
			if err := l.handle(int(e.Fd), e.Events); err != nil {
				return err
			}
		}
		if err := l.releaseDue(); err != nil {
			return err
		}
		for _, r := range l.dirty {
			r.dirty = false
			l.pass(r)
		}
		l.dirty = l.dirty[:0]
	}
	return nil
}

// wait asks without waiting first: to wait goes through the scheduler, which
// costs more than the call.
func (l *loop) wait(ready []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&ready[0])), uintptr(len(ready)), 0, 0, 0)
	if errno == 0 && n > 0 {
		return int(n), nil
	}
	slept, err := unix.EpollWait(l.epoll, ready, -1)
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("wait for events: %w", err)
	}
	return slept, nil
}

func (l *loop) handle(fd int, events uint32) error {
	switch fd {
	case l.listener:
		return l.accept()
	case l.wake:
		l.ending = true
	case l.timer:
		var count [8]byte
		_, _ = unix.Read(l.timer, count[:]) // it has done its work by waking us
	default:
		c := l.conns[fd]
		if c == nil {
			return nil // dropped earlier in this batch of events
		}
		if events&unix.EPOLLOUT != 0 {
			l.advance(c)
		}
		if events&^unix.EPOLLOUT != 0 && !c.gone {
			l.receive(c)
		}
	}
	return nil
}

func (l *loop) accept() error {
	for {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
		case unix.EAGAIN:
			return nil
		case unix.ECONNABORTED, unix.EINTR:
			continue
		default:
			return fmt.Errorf("accept: %w", err)
		}
		if err := l.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
			_ = unix.Close(fd)
			return err
		}
		for len(l.conns) <= fd {
			l.conns = append(l.conns, nil)
		}
		l.conns[fd] = &conn{fd: fd}
	}
}

// queue has the publications of one delay, in the order of their release.
type queue struct {
	delay   time.Duration
	waiting []held
}

// held is one publication that is held back.
type held struct {
	room  *room
	frame []byte
	entry entry
	until int64 // CLOCK_MONOTONIC, nanoseconds
}

// releaseDue hands on what has been held back long enough, and sets the timer
// for what follows. A release that is late by that timer is late by the
// target's clock as well.
func (l *loop) releaseDue() error {
	next := int64(-1)
	for _, q := range l.delayed {
		for len(q.waiting) > 0 && q.waiting[0].until <= clock.Now() {
			first := q.waiting[0]
			q.waiting = q.waiting[1:]
			l.publish(first.room, first.frame, first.entry)
		}
		if len(q.waiting) > 0 && (next < 0 || q.waiting[0].until < next) {
			next = q.waiting[0].until
		}
	}
	if next < 0 {
		return nil
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(next)}
	if err := unix.TimerfdSettime(l.timer, unix.TFD_TIMER_ABSTIME, &at, nil); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	return nil
}

// close gives all descriptors back.
func (l *loop) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, c := range l.conns {
		if c != nil {
			_ = unix.Close(c.fd)
		}
	}
	for _, fd := range []int{l.listener, l.wake, l.timer, l.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// read and write are for descriptors that do not block: the scheduler need not
// know of the call.
func read(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func write(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
