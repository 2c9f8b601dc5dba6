// Package floor is the smallest honest server: epoll, one read(2) per arrival,
// one write(2) per delivery, from the loop that has the publication. What it
// costs is the kernel's price of the work, which no server that makes one
// system call per delivery can go below.
//
// It keeps every publication whole and in order, also for a peer that reads
// slowly, and leaves everything else out: no limits, no time-outs, no checks of
// what peers send, no UTF-8, no closing handshake of its own. It is not fit to
// serve anybody but a benchmark.
package floor

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Server is a listening server.
type Server struct {
	address net.Addr
	loops   []*loop
}

// Listen opens the server on an address with a number of event loops, which
// share the port. Connections stay with the loop that accepted them.
func Listen(address string, loops int) (*Server, error) {
	s := &Server{}
	for i := range loops {
		fd, bound, err := listen(address, loops > 1)
		if err != nil {
			return nil, err
		}
		l, err := newLoop(fd)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			s.address, address = bound, bound.String() // port 0 was a choice to make once
		}
		s.loops = append(s.loops, l)
	}
	for _, l := range s.loops {
		for _, other := range s.loops {
			if other != l {
				l.others = append(l.others, other)
			}
		}
	}
	return s, nil
}

// Addr is where connections are accepted.
func (s *Server) Addr() net.Addr { return s.address }

// Serve runs the loops. It returns when one fails, which ends the server: the
// others are left to the program's end.
func (s *Server) Serve() error {
	failed := make(chan error, len(s.loops))
	for _, l := range s.loops {
		go func() { failed <- l.run() }()
	}
	return <-failed
}

// listen opens a listening descriptor that does not block. Accepted connections
// inherit TCP_NODELAY from it.
func listen(address string, share bool) (int, net.Addr, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		controlled := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
			if share && err == nil {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}
		})
		if controlled != nil {
			return controlled
		}
		return err
	}}
	l, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return 0, nil, err
	}
	defer l.Close() // our own descriptor keeps the socket open
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return 0, nil, fmt.Errorf("take the listening descriptor: %w", err)
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("take the listening descriptor: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return 0, nil, fmt.Errorf("take the listening descriptor: %w", err)
	}
	return fd, l.Addr(), nil
}
