//go:build linux

package gateway

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// A watcher tells loops which of their lagging connections can be written to again: gnet watches for that only on behalf of its
// own buffers. It is one goroutine around an epoll of its own, in which each watched socket is armed for one event at a time.
//
// A socket that is closed leaves the epoll by itself. If its number is in use again when a late event is handled, the new
// connection is told once in vain, which is harmless: all that being told does is to try a write.
type watcher struct {
	epoll, event int
	ended        chan struct{}

	mu    sync.Mutex
	armed map[int32]*conn // by descriptor
}

func newWatcher() (*watcher, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		closeFD(epoll)
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Fd: int32(event), Events: unix.EPOLLIN})
	if err != nil {
		closeFD(epoll)
		closeFD(event)
		return nil, fmt.Errorf("watch eventfd: %w", err)
	}
	w := &watcher{epoll: epoll, event: event, ended: make(chan struct{}), armed: map[int32]*conn{}}
	go w.run()
	return w, nil
}

// arm has c handed to its loop once, when its socket can be written to. The loop calls it.
func (w *watcher) arm(c *conn) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed[c.fd] = c
	event := unix.EpollEvent{Fd: c.fd, Events: unix.EPOLLOUT | unix.EPOLLONESHOT}
	op := unix.EPOLL_CTL_ADD
	if c.watched {
		op = unix.EPOLL_CTL_MOD
	}
	if err := unix.EpollCtl(w.epoll, op, int(c.fd), &event); err != nil {
		delete(w.armed, c.fd)
		return fmt.Errorf("watch socket: %w", err)
	}
	c.watched = true
	return nil
}

// forget drops what is known of c, whose socket is about to be closed.
func (w *watcher) forget(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed[c.fd] == c {
		delete(w.armed, c.fd)
	}
}

func (w *watcher) run() {
	defer close(w.ended)
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(w.epoll, events, -1)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == w.event {
				return
			}
			w.mu.Lock()
			c := w.armed[e.Fd]
			delete(w.armed, e.Fd)
			w.mu.Unlock()
			if c != nil {
				c.loop.writable(c)
			}
		}
	}
}

func (w *watcher) stop() {
	_, _ = unix.Write(w.event, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-w.ended
	closeFD(w.epoll)
	closeFD(w.event)
}
