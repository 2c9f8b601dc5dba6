//go:build linux

package gateway

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"fanbench/server/internal/fanout"
	"fanbench/server/internal/uring"
)

// FanoutIO is how publications are written to members.
type FanoutIO string

// The ways of fan-out.
const (
	FanoutWrite FanoutIO = "write" // a write(2) each
	FanoutUring FanoutIO = "uring" // many sends in one io_uring_enter(2); write where that cannot be had
)

// writer is the sink that makes one write(2) per member.
type writer struct{}

func (writer) Write(ops []fanout.Op) {
	for i := range ops {
		op := &ops[i]
		op.N, op.Err = write(op.Member.Owner.(*conn).fd, op.Bytes)
	}
}

// ringWriter is the sink that makes many sends by one system call. It returns when all have ended, so that none is ever in flight
// while a socket is closed, or its descriptor's number taken again. The bytes cannot change, being the log's, and cannot be freed, as
// the ops hold on to them.
type ringWriter struct{ ring *uring.Ring }

func (w ringWriter) Write(ops []fanout.Op) {
	for len(ops) > 0 {
		some := ops[:min(len(ops), w.ring.Size())]
		ops = ops[len(some):]
		for i := range some {
			w.ring.Queue(int(some[i].Member.Owner.(*conn).fd), some[i].Bytes)
		}
		results := w.ring.Submit()
		runtime.KeepAlive(some)
		for i := range some {
			op := &some[i]
			switch {
			case i >= len(results) || results[i].Err == unix.EINTR: // not sent
				op.N, op.Err = write(op.Member.Owner.(*conn).fd, op.Bytes)
			case results[i].Err == unix.EAGAIN: // a full buffer, which is no error
				op.N, op.Err = 0, nil
			case results[i].Err != 0:
				op.N, op.Err = 0, results[i].Err
			default:
				op.N, op.Err = results[i].N, nil
			}
		}
	}
}

// write writes what fits without waiting; a full buffer is not an error.
func write(fd int32, b []byte) (int, error) {
	for {
		// The descriptor does not block: the scheduler need not know of the call.
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// ringSize is how many sends one system call makes at most: as many as a slice has.
const ringSize = longSlice

// openRings makes a ring for each loop, or none where that cannot be had.
func openRings(cfg Config) (rings []*uring.Ring) {
	if cfg.FanoutIO != FanoutUring {
		return nil
	}
	for range cfg.Loops {
		r, err := cfg.newRing(ringSize)
		if err != nil {
			cfg.Log.Warn("fan-out by write, as io_uring cannot be had", "error", err)
			closeRings(rings)
			return nil
		}
		rings = append(rings, r)
	}
	return rings
}

// sink is the next loop's.
func (g *Gateway) sink() fanout.Sink {
	if next := len(g.loops()); next < len(g.rings) {
		return handicap(ringWriter{g.rings[next]})
	}
	return handicap(writer{})
}

// handicap is for a build that is slower on purpose (slower.go); in all others it is nothing.
var handicap = func(s fanout.Sink) fanout.Sink { return s }

func closeRings(rings []*uring.Ring) {
	for _, r := range rings {
		r.Close()
	}
}
