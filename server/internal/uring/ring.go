//go:build linux

// Package uring sends on many sockets by one system call, through io_uring(7).
//
// It knows one operation, a send that does not wait, and one way to use a ring: fill it, submit, and go on when every send has
// ended. So nothing is ever in flight between two calls: no send outlives its bytes, nor meets another socket under a descriptor's
// number that was taken again.
//
// Any thread may use a ring, one at a time: a goroutine does not stay on one. That excludes the set-up flags for a single submitter,
// which change nothing for sends that end while they are being submitted.
//
// What does not live here: whom to send what, and what a full socket buffer means.
package uring

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Ring is an io_uring for sends.
type Ring struct {
	fd      int
	rings   []byte // mapped: both queues' indices, and the completions
	entries []byte // mapped: the submissions

	sqTail, cqHead, cqTail *uint32
	sqMask, cqMask         uint32
	submissions            []submission
	completions            []completion

	queued  int
	results []Result
}

// A Result is what became of a send: bytes taken, or an error. EAGAIN is that of a full buffer.
type Result struct {
	N   int
	Err unix.Errno // 0 is none
}

// New returns a ring for up to size sends at a time, size being a power of two. It fails where the kernel has no io_uring, or does
// not allow it, or has no send among its operations (before Linux 5.6).
func New(size int) (*Ring, error) {
	var p params
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(size), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	r := &Ring{fd: int(fd), results: make([]Result, size)}
	if err := r.prepare(&p); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Ring) prepare(p *params) (err error) {
	if p.features&singleMap == 0 {
		return fmt.Errorf("map io_uring's queues: %w", unix.EOPNOTSUPP)
	}
	if err := r.probe(); err != nil {
		return err
	}
	const access, sharing = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	numbers, results := p.submissions.numbers(), p.completions.completions()
	bytes := max(numbers+p.sqEntries*4, results+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	if r.rings, err = unix.Mmap(r.fd, 0, int(bytes), access, sharing); err != nil {
		return fmt.Errorf("map io_uring's queues: %w", err)
	}
	bytes = p.sqEntries * uint32(unsafe.Sizeof(submission{}))
	if r.entries, err = unix.Mmap(r.fd, submissionsAt, int(bytes), access, sharing); err != nil {
		return fmt.Errorf("map io_uring's submissions: %w", err)
	}
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[offset])) }
	r.sqTail, r.sqMask = word(p.submissions.tail), *word(p.submissions.mask)
	r.cqHead, r.cqTail, r.cqMask = word(p.completions.head), word(p.completions.tail), *word(p.completions.mask)
	r.submissions = unsafe.Slice((*submission)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.rings[results])), p.cqEntries)
	// What is queued are the submissions' numbers. Here each submission has its own place in the queue for good.
	places := unsafe.Slice(word(numbers), p.sqEntries)
	for i := range places {
		places[i] = uint32(i)
	}
	return nil
}

// probe asks the kernel whether it knows the one operation, and lets it be asked for: a filter of system calls may allow the set-up alone.
func (r *Ring) probe() error {
	var o operations
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerProbe,
		uintptr(unsafe.Pointer(&o)), uintptr(len(o.known)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("io_uring_register", errno)
	}
	if o.last < opSend || o.known[opSend].flags&opSupported == 0 {
		return fmt.Errorf("send by io_uring: %w", unix.EOPNOTSUPP)
	}
	if _, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 0, 0, 0, 0, 0); errno != 0 {
		return os.NewSyscallError("io_uring_enter", errno)
	}
	return nil
}

// Close releases the ring.
func (r *Ring) Close() {
	for _, mapped := range [][]byte{r.rings, r.entries} {
		if mapped != nil {
			_ = unix.Munmap(mapped)
		}
	}
	_ = unix.Close(r.fd)
}

// Size is how many sends may be queued at a time.
func (r *Ring) Size() int { return len(r.results) }

// Queue adds the send of b, which must not be empty, on fd. b must be on the heap, and neither change nor become garbage until Submit
// has returned.
func (r *Ring) Queue(fd int, b []byte) {
	tail := *r.sqTail
	r.submissions[tail&r.sqMask] = submission{
		op: opSend, fd: int32(fd), address: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), bytes: uint32(len(b)),
		flags: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL, id: uint64(r.queued),
	}
	atomic.StoreUint32(r.sqTail, tail+1)
	r.queued++
}

// Submit makes the queued sends, in their order, and returns what became of each, valid until the next call. Should the kernel not
// take them all, there are fewer results than sends: those left over have not been made.
func (r *Ring) Submit() []Result {
	submitted, ended := 0, 0
	for ended < r.queued {
		n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.queued-submitted), uintptr(r.queued-ended),
			enterGetEvents, 0, 0)
		if errno != 0 {
			n = 0
		}
		submitted += int(n)
		ended += r.reap()
		if n == 0 && errno != unix.EINTR && ended == submitted {
			break
		}
	}
	atomic.StoreUint32(r.sqTail, *r.sqTail-uint32(r.queued-submitted)) // takes back what the kernel did not take
	r.queued = 0
	return r.results[:submitted]
}

// reap takes n results.
func (r *Ring) reap() (n int) {
	head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
	for ; head != tail; head++ {
		c := &r.completions[head&r.cqMask]
		result := Result{N: int(c.result)}
		if c.result < 0 {
			result = Result{Err: unix.Errno(-c.result)}
		}
		r.results[c.id] = result
		n++
	}
	atomic.StoreUint32(r.cqHead, head)
	return n
}
