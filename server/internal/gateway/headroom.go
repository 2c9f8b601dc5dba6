//go:build linux

package gateway

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	errorx "github.com/panjf2000/gnet/v2/pkg/errors"
	"golang.org/x/sys/unix"
)

// survivable is what gnet says when accept(2) has failed. Left alone, gnet then ends the engine and closes every connection, but for
// the few errors that it knows to be the peer's: one EMFILE, ENFILE or ENOBUFS would be the end of all. What it asks is
// errors.Is(err, ErrAcceptSocket), and values of a type that cannot be compared are never the same to errors.Is, so that the loop
// goes on and accepts again at its next wait.
type survivable []struct{}

func (survivable) Error() string { return "accept a new connection" }

func init() { errorx.ErrAcceptSocket = survivable{} }

const (
	// spareDescriptors are kept free below the limit, so that accept(2) does not meet EMFILE at all while the limit stays. A new
	// descriptor is the lowest number free, so its number says how many are left, whoever has the others.
	spareDescriptors = 32
	// acceptPause is how long a loop rests after accept(2) has failed, per listener: connections that wait and cannot be accepted
	// wake it again at once.
	acceptPause = time.Millisecond / listeners
	// acceptQuiet is how long nothing more is logged of it.
	acceptQuiet = 10 * time.Second
)

// headroom is how the gateway gets by with few descriptors: it knows the limit, and it holds a few of them in reserve.
//
// A limit that is lowered from outside below what is in use, a system without files or sockets: nothing foresees those, and
// accept(2) fails. Then the reserve is given up. The connections that wait are accepted with its numbers, refused and closed,
// instead of hanging; every tick tries to take the reserve back.
type headroom struct {
	// soft is the limit. It may be changed from outside, so it is read at every tick; reading it for every connection would add
	// 0.4 µs to about 25.
	soft   atomic.Uint64
	failed tally // failures of accept(2), by error

	given   atomic.Bool // the reserve, or some of it
	mu      sync.Mutex
	reserve []int     // descriptors; the numbers stay when they are given up
	open    []bool    // which of them are held
	logged  time.Time // when a failure was last
}

// hold opens n descriptors in reserve: one for each loop, since each accepts one connection at a time. Opened before anything else,
// they have low numbers, which a lowered limit leaves usable.
func (h *headroom) hold(n int) error {
	h.reserve, h.open = make([]int, n), make([]bool, n)
	h.given.Store(true)
	if err := h.restore(); err != nil {
		h.release()
		return fmt.Errorf("hold descriptors in reserve: %w", err)
	}
	return nil
}

// restore reads the limit and takes back what was given up of the reserve, as far as there are descriptors.
func (h *headroom) restore() error {
	h.readLimit()
	if !h.given.Load() {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, open := range h.open {
		if open {
			continue
		}
		// An open file of its own, where a duplicate would be of no use against ENFILE.
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			return err
		}
		h.reserve[i], h.open[i] = fd, true
	}
	h.given.Store(false)
	return nil
}

func (h *headroom) readLimit() {
	limit := syscall.Rlimit{Cur: math.MaxUint64} // should it be unknown
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	h.soft.Store(limit.Cur)
}

// acceptFailed is called on a loop after accept(2) has failed there.
func (h *headroom) acceptFailed(errno syscall.Errno, log *slog.Logger) {
	name := unix.ErrnoName(errno)
	h.failed.add(name)
	h.readLimit()
	h.release()
	if h.loud() {
		log.Error("accept failed: newcomers are refused, connections live on", "error", name, "descriptors", h.soft.Load())
	}
	time.Sleep(acceptPause)
}

// loud says whether a failure is to be logged.
func (h *headroom) loud() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.logged) < acceptQuiet {
		return false
	}
	h.logged = time.Now()
	return true
}

// release gives the reserve up.
func (h *headroom) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.given.Store(true) // before the numbers are anybody's
	for i, open := range h.open {
		if open {
			closeFD(h.reserve[i])
			h.open[i] = false
		}
	}
}

// leaves says whether a connection whose socket got number fd may stay.
func (h *headroom) leaves(fd int) bool {
	if uint64(fd)+spareDescriptors >= h.soft.Load() {
		return false
	}
	if !h.given.Load() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.Contains(h.reserve, fd)
}
