//go:build linux

package gateway

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// reserve binds addr without listening, so that every loop's listener gets the same port even where addr leaves it open, and an
// address that is not ours is refused before anything starts. It returns the descriptor that holds the port.
func reserve(addr string) (fd int, bound net.Addr, err error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return -1, nil, err
	}
	family, sa := sockaddr(tcp)
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			closeFD(fd)
		}
	}()
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return -1, nil, os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return -1, nil, os.NewSyscallError("bind", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return -1, nil, os.NewSyscallError("getsockname", err)
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		tcp.Port = name.Port
	case *unix.SockaddrInet6:
		tcp.Port = name.Port
	}
	return fd, tcp, nil
}

// sendBuffer is what the kernel makes of a send buffer of so many bytes: twice that, unless its limit (net.core.wmem_max) is lower.
func sendBuffer(fd, bytes int) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	return got / 2, os.NewSyscallError("getsockopt", err)
}

func sockaddr(a *net.TCPAddr) (family int, sa unix.Sockaddr) {
	if ip := a.IP.To4(); ip != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}
	}
	v6 := &unix.SockaddrInet6{Port: a.Port}
	copy(v6.Addr[:], a.IP.To16())
	return unix.AF_INET6, v6
}

func closeFD(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

// yieldToken is one end of a loop's pair of sockets, the other end of which is enrolled in that loop. A byte written to it is an
// event like any other: it waits its turn among the reads, where a task handed to EventLoop.Execute from a task runs before the
// loop looks for reads again.
type yieldToken int

// enrollTokens gives each loop its token.
func (g *Gateway) enrollTokens() error {
	for range g.cfg.Loops {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("make yield token: %w", err)
		}
		far := os.NewFile(uintptr(pair[1]), "yield token")
		enrolled, err := net.FileConn(far)
		_ = far.Close()
		if err != nil {
			closeFD(pair[0])
			return fmt.Errorf("make yield token: %w", err)
		}
		ctx := gnet.NewContext(gnet.NewNetConnContext(context.Background(), enrolled), yieldToken(pair[0]))
		result, err := g.engine.Register(ctx)
		if err != nil {
			closeFD(pair[0])
			return fmt.Errorf("enroll yield token: %w", err)
		}
		select {
		case r := <-result:
			if r.Err != nil {
				closeFD(pair[0])
				return fmt.Errorf("enroll yield token: %w", r.Err)
			}
		case <-g.ended:
			closeFD(pair[0])
			return fmt.Errorf("enroll yield token: %w", g.err)
		}
	}
	return nil
}
