package floor

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	inputSize = 64 << 10 // of one read(2), bytes
	events    = 512      // of one epoll_wait(2)
)

// loop is one thread with its connections. Only the inbox is shared.
type loop struct {
	epoll, listener, wake int // descriptors; wake is an eventfd

	conns []*conn // by descriptor
	rooms map[string]*room
	input []byte
	frame []byte // the one that is being written

	others []*loop
	mu     sync.Mutex
	inbox  []publication
}

// publication is what another loop has for the members on this one.
type publication struct {
	room  string
	frame []byte
}

type room struct {
	name    string
	members []*conn
}

func newLoop(listener int) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	l := &loop{epoll: epoll, listener: listener, wake: wake, rooms: make(map[string]*room), input: make([]byte, inputSize)}
	for _, fd := range []int{listener, wake} {
		if err := l.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *loop) watch(operation, fd int, interest uint32) error {
	if err := unix.EpollCtl(l.epoll, operation, fd, &unix.EpollEvent{Events: interest, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("watch descriptor: %w", err)
	}
	return nil
}

// run serves until something fails that is not one connection's affair.
func (l *loop) run() error {
	runtime.LockOSThread() // one thread, as the C program would have
	defer runtime.UnlockOSThread()
	ready := make([]unix.EpollEvent, events)
	for {
		n, err := unix.EpollWait(l.epoll, ready, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for events: %w", err)
		}
		for _, e := range ready[:n] {
			switch fd := int(e.Fd); fd {
			case l.listener:
				err = l.accept()
			case l.wake:
				l.deliver()
			default:
				l.serve(fd, e.Events)
			}
			if err != nil {
				return err
			}
		}
	}
}

// accept takes whoever waits. Without descriptors there is no going on: to
// refuse connections in good order is more than the floor does.
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
			return err
		}
		for len(l.conns) <= fd {
			l.conns = append(l.conns, nil)
		}
		l.conns[fd] = &conn{fd: fd}
	}
}

// serve handles one connection's events. An event may outlive its connection
// within a batch: then there is none, or a new one with nothing to read.
func (l *loop) serve(fd int, happened uint32) {
	c := l.conns[fd]
	if c == nil {
		return
	}
	if happened&unix.EPOLLOUT != 0 {
		l.resume(c)
	}
	if happened&^unix.EPOLLOUT == 0 || c.gone {
		return
	}
	n, errno := read(fd, l.input)
	switch {
	case errno == unix.EAGAIN:
	case errno != 0 || n == 0:
		l.drop(c)
	default:
		l.take(c, l.input[:n])
	}
}

// post hands a publication to this loop; any loop may call it.
func (l *loop) post(p publication) {
	l.mu.Lock()
	l.inbox = append(l.inbox, p)
	first := len(l.inbox) == 1
	l.mu.Unlock()
	if first { // whoever follows finds it awake
		var one [8]byte
		binary.NativeEndian.PutUint64(one[:], 1)
		write(l.wake, one[:])
	}
}

// deliver fans out what other loops have posted.
func (l *loop) deliver() {
	var count [8]byte
	read(l.wake, count[:])
	l.mu.Lock()
	posted := l.inbox
	l.inbox = nil
	l.mu.Unlock()
	for _, p := range posted {
		if r := l.rooms[p.room]; r != nil {
			l.fanOut(r, p.frame, nil)
		}
	}
}

// publish gives a frame to every member of the sender's room.
func (l *loop) publish(c *conn, frame []byte) {
	for _, other := range l.others {
		other.post(publication{c.room.name, append([]byte(nil), frame...)})
	}
	except := c
	if c.self {
		except = nil
	}
	l.fanOut(c.room, frame, except)
}

// fanOut is what this program is for. It goes backwards, because a member that
// is dropped on the way leaves its place to the last one.
func (l *loop) fanOut(r *room, frame []byte, except *conn) {
	for i := len(r.members) - 1; i >= 0; i-- {
		if m := r.members[i]; m != except {
			l.send(m, frame)
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
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}
