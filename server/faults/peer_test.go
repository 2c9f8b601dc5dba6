//go:build faults

package faults

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/server/frame"
)

// The states of a peer.
const (
	connecting = iota
	asking
	open
	ended
)

// A peer is one connection of a crowd. It answers pings and close frames, and checks that the publications of each publisher come
// one after the other, from the first one on.
type peer struct {
	crowd *crowd
	how   whence
	fd    int32
	state int
	head  []byte // the answer to its request, as far as it has arrived
	frame frame.Parser
	next  []uint64 // sequence by publisher
	heard []bool   // by publisher

	status   int    // of the answer, if it is not 101
	code     int    // of the close frame received
	reason   string // likewise
	echoes   int    // messages that are not publications
	pongs    int
	received int   // publications
	fault    error // the first thing received that should not have been
	err      error // why it ended, if that was an error

	writing sync.Mutex // frames are written whole
	closed  bool       // the socket, whose number may be another's: guarded by writing
}

func isOpen(p *peer) bool  { return p.state == open && p.code == 0 }
func isEnded(p *peer) bool { return p.state == ended }

func closedWith(code ws.StatusCode, reason string) func(*peer) bool {
	return func(p *peer) bool { return p.code == int(code) && p.reason == reason }
}

// connect begins a connection. The crowd's goroutine does the rest.
func (c *crowd) connect(how whence) (*peer, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	host := "127.0.0.1"
	if how.to != "" {
		host = how.to
	}
	if how.receive > 0 {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, how.receive)
	}
	if err == nil && how.from != "" {
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: netip.MustParseAddr(how.from).As4()})
	}
	if err == nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_NODELAY, 1)
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: netip.MustParseAddr(host).As4(), Port: 9001})
	}
	if err != nil && err != unix.EINPROGRESS {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connect to %s: %w", host, err)
	}
	p := &peer{crowd: c, how: how, fd: int32(fd)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers, c.byFD[p.fd] = append(c.peers, p), p
	p.watch(unix.EPOLL_CTL_ADD, unix.EPOLLOUT)
	return p, nil
}

func (p *peer) watch(op int, events uint32) {
	if err := unix.EpollCtl(p.crowd.epoll, op, int(p.fd), &unix.EpollEvent{Fd: p.fd, Events: events}); err != nil {
		p.end(os.NewSyscallError("epoll_ctl", err))
	}
}

// end closes the socket.
func (p *peer) end(why error) {
	p.state, p.err = ended, why
	p.frame.Release()
	delete(p.crowd.byFD, p.fd)
	p.writing.Lock()
	defer p.writing.Unlock()
	p.closed = true
	_ = unix.Close(int(p.fd))
}

// event handles what epoll says.
func (p *peer) event(events uint32) {
	if p.state == connecting {
		p.connected()
		return
	}
	n, err := unix.Read(int(p.fd), p.crowd.buffer)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		p.end(os.NewSyscallError("read", err))
	case n == 0:
		p.end(nil)
	default:
		p.take(p.crowd.buffer[:n])
	}
}

const request = "GET %s HTTP/1.1\r\nHost: fanbench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func (p *peer) connected() {
	failed, err := unix.GetsockoptInt(int(p.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && failed != 0 {
		err = unix.Errno(failed)
	}
	if err != nil {
		p.end(os.NewSyscallError("connect", err))
		return
	}
	path := p.how.path
	if path == "" {
		path = "/echo"
	}
	p.state = asking
	p.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN)
	p.write(fmt.Appendf(nil, request, path))
}

func (p *peer) take(b []byte) {
	if p.state == asking {
		p.head = append(p.head, b...)
		end := bytes.Index(p.head, []byte("\r\n\r\n"))
		if end < 0 || p.status != 0 {
			return
		}
		if status := string(p.head[len("HTTP/1.1 "):][:3]); status != "101" {
			p.status, _ = strconv.Atoi(status)
			return
		}
		b, p.head, p.state = p.head[end+4:], nil, open
	}
	for p.state == open {
		m, n, ok, err := p.frame.Next(&p.crowd.frames, b)
		b = b[n:]
		if err != nil {
			p.blame(err)
			p.end(err)
			return
		}
		if !ok {
			return
		}
		p.handle(m)
	}
}

func (p *peer) handle(m frame.Message) {
	if p.code != 0 {
		p.blame(fmt.Errorf("message of opcode %x after a close frame", m.Op))
		return
	}
	switch m.Op {
	case ws.OpPing:
		p.write(masked(ws.OpPong, m.Payload))
	case ws.OpPong:
		p.pongs++
	case ws.OpClose:
		code, reason, _ := frame.ParseClose(m.Payload)
		p.code, p.reason = int(code), string(reason)
		p.write(masked(ws.OpClose, m.Payload))
	case ws.OpBinary:
		p.check(m.Payload)
	default:
		p.echoes++
	}
}

// check looks at a publication.
func (p *peer) check(payload []byte) {
	if len(payload) < stampSize {
		p.blame(fmt.Errorf("publication of %d bytes", len(payload)))
		return
	}
	id, sequence := binary.BigEndian.Uint32(payload), binary.BigEndian.Uint64(payload[4:])
	if int(id) >= p.crowd.publishers {
		p.blame(fmt.Errorf("publication of nobody: %d", id))
		return
	}
	for len(p.next) <= int(id) {
		p.next, p.heard = append(p.next, 0), append(p.heard, false)
	}
	if p.how.late && !p.heard[id] {
		p.next[id] = sequence
	}
	if sequence != p.next[id] {
		p.blame(fmt.Errorf("publication %d of publisher %d, want %d", sequence, id, p.next[id]))
	}
	p.next[id], p.heard[id] = sequence+1, true
	p.received++
	p.crowd.received.Add(1)
}

func (p *peer) blame(fault error) {
	if p.fault == nil {
		p.fault = fault
	}
}

func (p *peer) hasAll(publishers []*publisher) bool {
	for _, q := range publishers {
		if sent := q.sent(); sent > 0 && (len(p.next) <= int(q.id) || p.next[q.id] != sent) {
			return false
		}
	}
	return true
}

// write writes b whole, or gives up. Any goroutine may call it.
func (p *peer) write(b []byte) (whole bool) {
	p.writing.Lock()
	defer p.writing.Unlock()
	for deadline := time.Now().Add(patience); len(b) > 0 && !p.closed; {
		n, err := unix.Write(int(p.fd), b)
		switch {
		case err == nil:
			b = b[n:]
		case err == unix.EAGAIN && time.Now().Before(deadline):
			_, _ = unix.Poll([]unix.PollFd{{Fd: p.fd, Events: unix.POLLOUT}}, 100)
		case err != unix.EINTR:
			return false
		}
	}
	return len(b) == 0
}

func masked(op ws.OpCode, payload []byte) []byte {
	return frame.AppendMasked(nil, op, payload, [4]byte{1, 2, 3, 4})
}

// A publisher is a peer of a room that publishes.
type publisher struct {
	*peer
	id uint32

	counting sync.Mutex
	count    uint64
}

// stampSize is the bytes of a publication that say whose it is and which.
const stampSize = 12

// publish sends the next publication, of so many bytes. It says whether the kernel took it whole.
func (q *publisher) publish(size int) bool {
	q.counting.Lock()
	defer q.counting.Unlock()
	payload := make([]byte, max(size, stampSize))
	binary.BigEndian.PutUint32(payload, q.id)
	binary.BigEndian.PutUint64(payload[4:], q.count)
	if !q.write(masked(ws.OpBinary, payload)) {
		return false
	}
	q.count++
	return true
}

func (q *publisher) sent() uint64 {
	q.counting.Lock()
	defer q.counting.Unlock()
	return q.count
}

// publishUntil publishes at a rate per second, while something happens in do.
func publishUntil(t testing.TB, size, rate int, publishers []*publisher, do func()) {
	t.Helper()
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticks := time.NewTicker(time.Second / time.Duration(rate))
		defer ticks.Stop()
		for {
			for _, q := range publishers {
				q.publish(size) // false when its connection is one of those that the fault ends
			}
			select {
			case <-done:
				return
			case <-ticks.C:
			}
		}
	}()
	defer func() {
		close(done)
		<-stopped
	}()
	do()
}
