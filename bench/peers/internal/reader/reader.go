// Package reader is the floor of a load generator: it opens connections,
// receives a room's publications on bare epoll with one recvmsg(2) per arrival,
// counts the frames, and does nothing else. What it costs per delivery is the
// kernel's price of the work, which no generator that is woken up by arrivals as
// they come can go below.
//
// It publishes its own publications, from a second thread, so that a run of it
// and one of a generator put the same load on a server. It believes every
// length that a server sends, and is fit for nothing but a benchmark.
package reader

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Config is one run.
type Config struct {
	Address     string // host:port of the server
	Connections int    // subscribers of the one room
	Rate        float64
	Size        int // bytes of a publication's payload
	Publish     time.Duration
	Patience    time.Duration // for outstanding deliveries
}

// Report is what a run came to. CPU times are the process's, from the first
// publication to the last delivery.
type Report struct {
	Publications, Deliveries int
	User, System             time.Duration
}

// PerDelivery is the CPU time of one delivery.
func (r Report) PerDelivery() time.Duration {
	return (r.User + r.System) / time.Duration(max(r.Deliveries, 1))
}

// SystemShare is the kernel's part of the CPU time.
func (r Report) SystemShare() float64 {
	return float64(r.System) / float64(max(r.User+r.System, 1))
}

// Run opens the connections, publishes, and counts until every delivery is
// there or the patience ends.
func Run(c Config) (Report, error) {
	r, err := open(c)
	defer r.close()
	if err != nil {
		return Report{}, err
	}
	publisher, err := dial(c.Address, "/rooms/0?self=0")
	if err != nil {
		return Report{}, fmt.Errorf("open publisher: %w", err)
	}
	defer publisher.Close()

	report := Report{Publications: int(c.Rate * c.Publish.Seconds())}
	before, err := usage()
	if err != nil {
		return Report{}, err
	}
	published := make(chan error, 1)
	go func() { published <- publish(publisher, c, report.Publications) }()
	if err := r.count(report.Publications*c.Connections, time.Now().Add(c.Publish+c.Patience)); err != nil {
		return Report{}, err
	}
	after, err := usage()
	if err != nil {
		return Report{}, err
	}
	if err := <-published; err != nil {
		return Report{}, err
	}
	report.Deliveries = r.frames
	report.User, report.System = after[0]-before[0], after[1]-before[1]
	return report, nil
}

// publish writes one frame each time one is due. Its mask is 0, which leaves
// the payload as it is.
func publish(to net.Conn, c Config, n int) error {
	frame := []byte{0x82, 0x80 | 126}
	frame = binary.BigEndian.AppendUint16(frame, uint16(c.Size))
	frame = append(frame, make([]byte, 4+c.Size)...)
	start := time.Now()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(float64(i) * float64(time.Second) / c.Rate))))
		if _, err := to.Write(frame); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}

// inbound is one subscriber: what is left of the frame that it is inside of.
type inbound struct {
	left   int
	header [4]byte
	had    int
}

// receiver has the subscribers' descriptors and reads them on one thread.
type receiver struct {
	epoll   int
	fds     []int
	streams []inbound
	frames  int
}

func open(c Config) (*receiver, error) {
	r := &receiver{epoll: -1, streams: make([]inbound, c.Connections)}
	var err error
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return r, fmt.Errorf("create epoll: %w", err)
	}
	for i := range c.Connections {
		fd, err := subscribe(c.Address)
		if err != nil {
			return r, fmt.Errorf("open subscriber %d: %w", i, err)
		}
		r.fds = append(r.fds, fd)
		if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(i)}); err != nil {
			return r, fmt.Errorf("watch subscriber: %w", err)
		}
	}
	return r, nil
}

func (r *receiver) close() {
	for _, fd := range r.fds {
		_ = unix.Close(fd)
	}
	if r.epoll >= 0 {
		_ = unix.Close(r.epoll)
	}
}

// subscribe opens a connection and takes its descriptor out of the runtime's
// hands.
func subscribe(address string) (int, error) {
	conn, err := dial(address, "/rooms/0")
	if err != nil {
		return 0, err
	}
	defer conn.Close() // our own descriptor keeps the socket open
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	controlled := raw.Control(func(of uintptr) { fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 0) })
	if controlled != nil {
		return 0, controlled
	}
	return fd, err
}

// dial opens a WebSocket connection. The key is the one of RFC 6455 §1.3; the
// answer to it is not looked at.
func dial(address, path string) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, address)
	for in := bufio.NewReaderSize(conn, 16); err == nil; {
		var line string
		if line, err = in.ReadString('\n'); err == nil && strings.TrimSpace(line) == "" {
			return conn, nil // nothing was published yet: nothing follows the head
		}
	}
	conn.Close()
	return nil, fmt.Errorf("handshake: %w", err)
}

// count reads until so many frames have come.
func (r *receiver) count(want int, until time.Time) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, 256)
	buffer := make([]byte, 256<<10)
	vector := unix.Iovec{Base: &buffer[0]}
	vector.SetLen(len(buffer))
	message := unix.Msghdr{Iov: &vector}
	message.SetIovlen(1)
	for r.frames < want {
		n, err := r.wait(events)
		if err != nil {
			return err
		}
		if n <= 0 && time.Now().After(until) {
			return fmt.Errorf("read: %d of %d deliveries came", r.frames, want)
		}
		for _, e := range events[:max(n, 0)] {
			for {
				got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(r.fds[e.Fd]), uintptr(unsafe.Pointer(&message)), unix.MSG_DONTWAIT)
				if errno == unix.EAGAIN {
					break
				}
				if errno != 0 || got == 0 {
					return fmt.Errorf("read: the server closed a connection: %w", orEnd(errno))
				}
				r.frames += r.streams[e.Fd].take(buffer[:got])
				if int(got) < len(buffer) { // all there was; more makes another event
					break
				}
			}
		}
	}
	return nil
}

// wait asks without waiting, and only then waits, through the scheduler. To wait
// in the system call at once was tried and costs half as much again: each
// delivery then finds the reader asleep, where now a few gather.
func (r *receiver) wait(events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(r.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno == 0 && n > 0 {
		return int(n), nil
	}
	slept, err := unix.EpollWait(r.epoll, events, 100)
	if err != nil && err != unix.EINTR {
		return 0, fmt.Errorf("wait for events: %w", err)
	}
	return slept, nil
}

func orEnd(errno unix.Errno) error {
	if errno == 0 {
		return io.EOF
	}
	return errno
}

// take counts the frames that end in b. Servers do not mask (RFC 6455 §5.1);
// frames of 64 KiB and more are not expected.
func (s *inbound) take(b []byte) (frames int) {
	for len(b) > 0 {
		if s.left > 0 {
			n := min(s.left, len(b))
			s.left, b = s.left-n, b[n:]
			if s.left == 0 {
				frames++
			}
			continue
		}
		s.header[s.had] = b[0]
		s.had, b = s.had+1, b[1:]
		if s.had == 2 && s.header[1] < 126 {
			s.left, s.had = int(s.header[1]), 0
		} else if s.had == 4 {
			s.left, s.had = int(binary.BigEndian.Uint16(s.header[2:])), 0
		} else {
			continue
		}
		if s.left == 0 {
			frames++
		}
	}
	return frames
}

// usage is the process's CPU time, user's and kernel's.
func usage() ([2]time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return [2]time.Duration{}, fmt.Errorf("read CPU time: %w", err)
	}
	return [2]time.Duration{time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())}, nil
}
