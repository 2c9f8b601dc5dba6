package floor

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// conn is one connection from accept to close.
type conn struct {
	fd      int
	open    bool // the handshake is done
	gone    bool
	self    bool  // hears its own publications
	room    *room // nil for echo
	index   int   // in room.members
	partial []byte
	unsent  []byte // what the kernel had no room for
}

// take consumes what has arrived: the handshake, then frames. What is not whole
// waits for the rest.
func (l *loop) take(c *conn, b []byte) {
	if len(c.partial) > 0 {
		c.partial = append(c.partial, b...)
		b = c.partial
	}
	if !c.open {
		b = l.shake(c, b)
	}
	if c.open && !c.gone {
		b = l.frames(c, b)
	}
	switch {
	case len(b) == 0:
		c.partial = nil
	case !c.gone:
		c.partial = append(c.partial[:0], b...)
	}
}

// Frames of RFC 6455 §5.2.
const (
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
	fin     = 0x80
)

// frames consumes whole frames, each masked as a peer's must be. A message in
// several frames passes on as it is.
func (l *loop) frames(c *conn, b []byte) []byte {
	for len(b) >= 6 && !c.gone {
		size, start := uint64(b[1]&0x7f), 6
		switch {
		case size == 126:
			size, start = uint64(binary.BigEndian.Uint16(b[2:])), 8
		case size == 127 && len(b) >= 14:
			size, start = binary.BigEndian.Uint64(b[2:]), 14
		case size == 127:
			return b
		}
		if len(b) < start || uint64(len(b)-start) < size {
			return b
		}
		payload := b[start : start+int(size)]
		unmask(payload, [4]byte(b[start-4:start]))
		l.handle(c, b[0], payload)
		b = b[start+int(size):]
	}
	return b
}

// handle does what a frame asks for; first is its first byte.
func (l *loop) handle(c *conn, first byte, payload []byte) {
	switch first & 0xf {
	case opClose: // the same code back, and it is for us to close (§5.5.1, §7.1.1)
		l.compose(fin|opClose, payload)
		l.send(c, l.frame)
		l.drop(c)
	case opPing:
		l.compose(fin|opPong, payload)
		l.send(c, l.frame)
	case opPong:
	default:
		l.compose(first, payload)
		if c.room == nil {
			l.send(c, l.frame)
		} else {
			l.publish(c, l.frame)
		}
	}
}

// compose makes the one frame that is written next.
func (l *loop) compose(first byte, payload []byte) {
	f := l.frame[:0]
	switch n := len(payload); {
	case n < 126:
		f = append(f, first, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, first, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, first, 127), uint64(n))
	}
	l.frame = append(f, payload...)
}

// unmask applies the key in place, eight bytes at a time (§5.3).
func unmask(b []byte, key [4]byte) {
	half := uint64(binary.LittleEndian.Uint32(key[:]))
	whole := half<<32 | half
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^whole)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
}

// send is one write(2), unless the peer is behind already. What the kernel does
// not take waits, without a bound.
func (l *loop) send(c *conn, b []byte) {
	if len(c.unsent) > 0 {
		c.unsent = append(c.unsent, b...)
		return
	}
	n, errno := write(c.fd, b)
	switch {
	case errno == unix.EAGAIN:
		n = 0
	case errno != 0:
		l.drop(c)
		return
	}
	if n < len(b) {
		c.unsent = append(c.unsent, b[n:]...)
		if l.watch(unix.EPOLL_CTL_MOD, c.fd, unix.EPOLLIN|unix.EPOLLOUT) != nil {
			l.drop(c)
		}
	}
}

// resume writes what waited.
func (l *loop) resume(c *conn) {
	n, errno := write(c.fd, c.unsent)
	switch {
	case errno == unix.EAGAIN:
		return
	case errno != 0:
		l.drop(c)
		return
	}
	if c.unsent = c.unsent[n:]; len(c.unsent) > 0 {
		return
	}
	c.unsent = nil
	if l.watch(unix.EPOLL_CTL_MOD, c.fd, unix.EPOLLIN) != nil {
		l.drop(c)
	}
}

// drop closes the connection, with whatever has not been sent.
func (l *loop) drop(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	l.conns[c.fd] = nil
	if r := c.room; r != nil {
		last := len(r.members) - 1
		moved := r.members[last]
		r.members[c.index], moved.index = moved, c.index
		r.members[last] = nil
		if r.members = r.members[:last]; last == 0 {
			delete(l.rooms, r.name)
		}
	}
	_ = unix.Close(c.fd) // nothing to be done about a failure; the descriptor is free either way
}
