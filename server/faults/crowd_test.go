//go:build faults

package faults

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"fanbench/server/frame"
	"fanbench/server/servertest/namespace"
)

// A crowd is raw connections that one goroutine reads, so that a test can have thousands of them and say what each does with its
// socket. What each receives is checked as it comes: see peer.
type crowd struct {
	t      testing.TB
	epoll  int
	buffer []byte
	frames frame.Config

	mu         sync.Mutex // guards the peers, but for what they send
	peers      []*peer
	byFD       map[int32]*peer
	publishers int
	stopping   bool
	received   atomic.Int64 // publications, by all peers
	stopped    chan struct{}
}

// whence says how a peer connects. The zero value is over the loopback, to echo.
type whence struct {
	path    string             // default /echo
	to      string             // host; default 127.0.0.1
	from    string             // host; default: the kernel's choice
	receive int                // bytes of receive buffer, which bounds the window; default: the kernel's choice
	network *namespace.Network // default: this one
	late    bool               // joins while publishing goes on: what it gets begins anywhere
}

func newCrowd(t testing.TB) *crowd {
	t.Helper()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{
		t: t, epoll: epoll, buffer: make([]byte, 256<<10), byFD: map[int32]*peer{}, stopped: make(chan struct{}),
		frames: frame.Config{Role: frame.Client, MaxMessage: 1 << 20, CheckUTF8: true},
	}
	go c.run()
	t.Cleanup(c.close)
	return c
}

// run reads until the crowd is closed.
func (c *crowd) run() {
	defer close(c.stopped)
	events := make([]unix.EpollEvent, 512)
	for {
		n, err := unix.EpollWait(c.epoll, events, 20)
		if err != nil && err != unix.EINTR {
			return
		}
		c.mu.Lock()
		if c.stopping {
			c.mu.Unlock()
			return
		}
		for _, e := range events[:max(n, 0)] {
			if p := c.byFD[e.Fd]; p != nil {
				p.event(e.Events)
			}
		}
		c.mu.Unlock()
	}
}

// dial begins n connections at once, without waiting for any.
func (c *crowd) dial(n int, how whence) []*peer {
	c.t.Helper()
	peers := make([]*peer, 0, n)
	all := func() error {
		for range n {
			p, err := c.connect(how)
			if err != nil {
				return err
			}
			peers = append(peers, p)
		}
		return nil
	}
	if how.network != nil {
		how.network.Do(all)
	} else if err := all(); err != nil {
		c.t.Fatalf("connect: %v", err)
	}
	return peers
}

// join opens n connections, in portions that the server's queue holds, and waits until each is open.
func (c *crowd) join(n int, how whence) (peers []*peer) {
	c.t.Helper()
	for len(peers) < n {
		some := c.dial(min(n-len(peers), 1000), how)
		c.await(some, "connections open", isOpen)
		peers = append(peers, some...)
	}
	return peers
}

// await waits until all of the peers are as they should be.
func (c *crowd) await(peers []*peer, what string, is func(*peer) bool) {
	c.t.Helper()
	within(c.t, patience, what, func() bool { return c.count(peers, is) == len(peers) })
}

func (c *crowd) count(peers []*peer, is func(*peer) bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range peers {
		if is(p) {
			n++
		}
	}
	return n
}

// publisher makes p one, whose publications every peer that gets them checks from now on.
func (c *crowd) publisher(p *peer) *publisher {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publishers++
	return &publisher{peer: p, id: uint32(c.publishers - 1)}
}

// gapless fails the test if anything that any of the peers received was not what had to come next.
func (c *crowd) gapless(peers []*peer) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	faulty := 0
	for _, p := range peers {
		if p.fault != nil {
			if faulty++; faulty <= 3 {
				c.t.Errorf("peer %d: %v", p.fd, p.fault)
			}
		}
	}
	if faulty > 3 {
		c.t.Errorf("and %d peers more", faulty-3)
	}
}

// gotAll waits until each of the peers, all of them open, has everything that was published, and no gap.
func (c *crowd) gotAll(peers []*peer, publishers ...*publisher) {
	c.t.Helper()
	done := func() bool {
		return c.count(peers, func(p *peer) bool { return p.fault != nil || p.hasAll(publishers) }) == len(peers)
	}
	within(c.t, patience, "every publication received by all", done)
	c.gapless(peers)
	if n := c.count(peers, isOpen); n != len(peers) {
		c.t.Errorf("%d of %d connections are open", n, len(peers))
	}
}

// pause has the peers read nothing any more.
func (c *crowd) pause(peers []*peer) {
	c.each(peers, func(p *peer) { _ = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_DEL, int(p.fd), nil) })
}

// resume has paused peers read again.
func (c *crowd) resume(peers []*peer) {
	c.each(peers, func(p *peer) { p.watch(unix.EPOLL_CTL_ADD, unix.EPOLLIN) })
}

// reset ends the connections without a word, by RST.
func (c *crowd) reset(peers []*peer) {
	c.each(peers, func(p *peer) {
		_ = unix.SetsockoptLinger(int(p.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		p.end(nil)
	})
}

func (c *crowd) each(peers []*peer, do func(*peer)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range peers {
		if p.state != ended {
			do(p)
		}
	}
}

func (c *crowd) close() {
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	<-c.stopped
	c.each(c.peers, func(p *peer) { p.end(nil) })
	_ = unix.Close(c.epoll)
}
