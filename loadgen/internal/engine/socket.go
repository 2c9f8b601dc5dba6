package engine

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr converts an address for the kernel.
func sockaddr(a netip.AddrPort) (family int, sa unix.Sockaddr) {
	if a.Addr().Unmap().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// openSocket returns a non-blocking TCP socket that stamps what it receives,
// bound to source unless that is nil. receiveBuffer is in bytes, 0 for the
// kernel's own choice.
func openSocket(family int, source unix.Sockaddr, receiveBuffer int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, err
	}
	if err := prepare(fd, source, receiveBuffer); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func prepare(fd int, source unix.Sockaddr, receiveBuffer int) error {
	// Before connect: a segment that arrives earlier than the option has no stamp.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if receiveBuffer > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			return err
		}
	}
	if source == nil {
		return nil
	}
	// The port is chosen by connect, which knows the other end: ports are then
	// unique per destination and not per source address.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, source)
}

// inlet reads sockets with their kernel time stamps into one buffer, through
// one prepared message header: x/sys's Recvmsg and its parser of control
// messages allocate with every call.
type inlet struct {
	buffer  []byte
	message unix.Msghdr
	vector  unix.Iovec
	control [64]byte
	info    unix.TCPInfo
}

func newInlet(size int) *inlet {
	in := &inlet{buffer: make([]byte, size)}
	in.vector.Base = &in.buffer[0]
	in.vector.SetLen(size)
	in.message.Iov = &in.vector
	in.message.SetIovlen(1)
	in.message.Control = &in.control[0]
	return in
}

// receive reads what fd has into the buffer. stamp is the CLOCK_REALTIME
// nanosecond at which the last segment that was read had arrived, 0 if the
// kernel gave none. The call does not block and does not tell the scheduler.
func (in *inlet) receive(fd int32) (n int, stamp int64, errno unix.Errno) {
	in.message.SetControllen(len(in.control))
	got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.message)), unix.MSG_DONTWAIT)
	if errno != 0 {
		return 0, 0, errno
	}
	return int(got), in.stamp(), 0
}

// window is the largest receive window that the kernel offers fd's other end
// just now, in bytes; 0 if it does not say.
func (in *inlet) window(fd int32) int32 {
	size := uint32(unsafe.Sizeof(in.info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&in.info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return int32(in.info.Rcv_ssthresh)
}

// stamp finds the SCM_TIMESTAMPNS control message: a length, a level and a
// type, then a timespec.
func (in *inlet) stamp() int64 {
	const header = unix.SizeofCmsghdr
	control := in.control[:min(uint64(in.message.Controllen), uint64(len(in.control)))]
	for len(control) >= header+16 {
		length := binary.NativeEndian.Uint64(control)
		level := int32(binary.NativeEndian.Uint32(control[8:]))
		kind := int32(binary.NativeEndian.Uint32(control[12:]))
		if level == unix.SOL_SOCKET && kind == unix.SCM_TIMESTAMPNS {
			seconds := int64(binary.NativeEndian.Uint64(control[header:]))
			return seconds*1e9 + int64(binary.NativeEndian.Uint64(control[header+8:]))
		}
		next := (length + 7) &^ 7
		if next < header || next > uint64(len(control)) {
			break
		}
		control = control[next:]
	}
	return 0
}

// send writes without blocking, without SIGPIPE and without telling the
// scheduler.
func send(fd int32, b []byte) (n int, errno unix.Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	sent, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sent), 0
}

// poll returns the events that are there, and sleeps only if there are none: up
// to timeout milliseconds (-1 for ever), or until an event. With gather, a thread
// in the middle of a large fan-out takes a nap first. Each delivery would otherwise
// wake it up anew, which costs more than to read it; arrivals carry the kernel's
// stamps, and do not mind.
func (t *thread) poll(events []unix.EpollEvent, timeout int, gather bool) int {
	n := t.ready(events)
	if n == 0 && timeout != 0 {
		if gather && t.burst >= many {
			t.nap()
			if n = t.ready(events); n < few {
				t.burst = 0
			}
		}
		if n == 0 {
			began := time.Now()
			n = t.wait(events, timeout)
			if time.Since(began) > napTime {
				t.burst = 0
			}
		}
	}
	t.burst += n
	return n
}

// ready returns the events that are there. It does not tell the scheduler: that
// costs more than the call itself.
func (t *thread) ready(events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(t.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 { // EINTR: the caller comes back
		return 0
	}
	return int(n)
}

// nap sleeps for napTime, or until a signal. It does not tell the scheduler.
func nap() {
	length := unix.NsecToTimespec(int64(napTime))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&length)), 0, 0)
}

// sleepPrecisely has the calling thread's naps end on time, where the kernel
// otherwise adds 50 µs.
func sleepPrecisely() {
	// It fails for unknown options only; naps are longer then.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(napTime)/50, 0, 0, 0)
}

func (t *thread) wait(events []unix.EpollEvent, timeout int) int {
	n, err := unix.EpollWait(t.epoll, events, timeout)
	if err != nil { // EINTR: the caller looks at its clock and comes back
		return 0
	}
	return n
}
