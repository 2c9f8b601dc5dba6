package engine

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/result"
	"fanbench/server/deflate"
)

// interest is what a receiver asks epoll for, once per descriptor.
const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// A dialer is how a receiver's connections are opened, in the ramp and when
// they come back.
type dialer struct {
	family  int
	target  unix.Sockaddr
	sources []unix.Sockaddr
	host    string
	path    func(plan.Connection) string
	deflate bool        // to be offered
	tls     *tls.Config // nil for ws
	// credentials are what the requests bring besides.
	credentials Credentials
	// receiveBuffer and slowBuffer are SO_RCVBUF of subscribers and of slow
	// ones, in bytes; 0 for the kernel's choice.
	receiveBuffer, slowBuffer int

	limit    int // handshakes under way
	timeout  time.Duration
	deadline int64     // of the oldest under way, or earlier; 0 for none
	order    []attempt // of those under way, oldest first; some have ended since
	underWay int
	spare    []*handshake
	keys     *rand.PCG
}

// An attempt to open a connection. All have the same time, so they stand in the
// order of their deadlines.
type attempt struct {
	slot       int32
	generation uint32
	start      int64
}

// full: no further handshake may begin.
func (d *dialer) full() bool { return d.underWay >= d.limit }

// expire fails the connections under way whose time is up.
func (r *receiver) expire(now int64) {
	d := &r.dialer
	for len(d.order) > 0 {
		a := d.order[0]
		c := &r.conns[a.slot]
		if c.state == shaking && c.generation == a.generation {
			if d.deadline = a.start + int64(d.timeout); d.deadline > now {
				return
			}
			if r.ramp != nil && c.marks&joined == 0 {
				r.ramp.timedOut++
			}
			switch {
			case !c.shake.connected:
				r.fail(c, bucketTimeout, unansweredConnect+d.timeout.String())
			case c.tls != nil && !c.tls.ready:
				r.fail(c, bucketTLSTimeout, unansweredTLS+d.timeout.String())
			default:
				r.fail(c, bucketShakeTimeout, unansweredShake+d.timeout.String())
			}
		}
		d.order = d.order[1:]
	}
	d.order, d.deadline = nil, 0
}

// connect begins one connection.
func (r *receiver) connect(slot int) {
	d, c := &r.dialer, &r.conns[slot]
	c.state = shaking
	c.generation++
	c.shake = d.takeHandshake()
	c.shake.start, c.shake.offered = clock.Now(), d.deflate
	d.underWay++
	if len(d.order) == 0 {
		d.deadline = c.shake.start + int64(d.timeout)
	}
	d.order = append(d.order, attempt{c.slot, c.generation, c.shake.start})

	var source unix.Sockaddr
	if len(d.sources) > 0 {
		source = d.sources[int(r.index[slot])%len(d.sources)]
	}
	fd, err := openSocket(d.family, source, d.bufferOf(c))
	if err != nil {
		r.fail(c, bucketOf(err), err.Error())
		return
	}
	c.fd = int32(fd)
	if err := r.watchConn(unix.EPOLL_CTL_ADD, c); err != nil {
		r.fail(c, result.BucketSocket, "watch socket: "+err.Error())
		return
	}
	if err := unix.Connect(fd, d.target); err != nil && err != unix.EINPROGRESS {
		r.fail(c, bucketOf(err), "connect: "+err.Error())
	}
}

// bufferOf is SO_RCVBUF of a connection, in bytes; 0 for the kernel's choice.
func (d *dialer) bufferOf(c *conn) int {
	switch {
	case c.marks&slow != 0:
		return d.slowBuffer
	case c.role == plan.Subscriber:
		return d.receiveBuffer
	}
	return 0
}

// watchConn has epoll report a connection's descriptor, with its generation: in
// one batch of events those of a descriptor may stand behind the one at which
// it was closed and its place taken by another.
func (r *receiver) watchConn(operation int, c *conn) error {
	event := unix.EpollEvent{Events: interest, Fd: c.slot, Pad: int32(c.generation)}
	return unix.EpollCtl(r.epoll, operation, int(c.fd), &event)
}

// request writes the opening handshake, or begins that of TLS, once the TCP
// connection stands.
func (r *receiver) request(c *conn) (written bool) {
	code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		r.fail(c, bucketOf(err), "connect: "+err.Error())
		return false
	}
	if _, err := unix.Getpeername(int(c.fd)); err != nil {
		return false // an event that came before the connection
	}
	c.shake.connected = true
	if r.dialer.tls != nil {
		r.greet(c)
		return true
	}
	return r.writeRequest(c)
}

// writeRequest writes the opening handshake.
func (r *receiver) writeRequest(c *conn) (written bool) {
	d, place := &r.dialer, r.index[c.slot]
	of := r.share.Connections[place]
	c.shake.newKey(d.keys)
	r.scratch = c.shake.appendRequest(r.scratch[:0], d.credentials.path(d.path(of), of.ID, place), d.host)
	r.scratch = d.credentials.append(r.scratch, of.ID, place)
	r.scratch = append(r.scratch, "\r\n"...)
	request := r.scratch
	if c.tls != nil {
		var ok bool
		if request, ok = c.tls.seal(request); !ok {
			r.fail(c, bucketTLS, "write handshake: TLS has ended")
			return false
		}
	}
	return r.sendFresh(c, request)
}

// sendFresh writes to a connection that is not open yet, whose socket's buffer
// takes any sensible request.
func (r *receiver) sendFresh(c *conn, b []byte) (written bool) {
	n, errno := send(c.fd, b)
	if errno != 0 {
		r.fail(c, bucketOf(errno), "write handshake: "+errno.Error())
		return false
	}
	if n < len(b) {
		r.fail(c, result.BucketSocket, fmt.Sprintf("write handshake: the socket took %d of %d bytes", n, len(b)))
		return false
	}
	return true
}

// opened makes a connection of a handshake.
func (r *receiver) opened(c *conn) {
	agreed, took := c.shake.agreed, time.Duration(r.at-c.shake.start)
	r.dialer.settled(c)
	c.state, c.inflate, c.window = open, uint8(agreed.ServerMaxWindowBits), 0
	r.counts.open++
	if c.out != nil {
		c.out.reopen(c.fd, uint8(agreed.ClientMaxWindowBits), c.tls)
	}
	if r.freshWindow == 0 && c.marks&apart == 0 {
		r.freshWindow = r.inlet.window(c.fd)
	}
	if c.marks&joined != 0 {
		r.rejoined(c)
		return
	}
	c.marks |= joined
	r.ramp.joined(took, agreed != (deflate.Params{}))
}

// fail ends a handshake.
func (r *receiver) fail(c *conn, bucket, example string) {
	r.note(c, bucket, example)
	r.dialer.settled(c)
	if c.tls != nil {
		c.tls.finish(net.ErrClosed)
		c.tls = nil
	}
	if c.fd != gone {
		unix.Close(int(c.fd))
		c.fd = gone
	}
	if c.marks&joined != 0 {
		c.state = departed
		r.stayedAway(c)
		return
	}
	c.state = failed
	r.counts.failed++
	r.ramp.refused()
}

// settled takes a connection out of those under way.
func (d *dialer) settled(c *conn) {
	d.underWay--
	d.spare = append(d.spare, c.shake)
	c.shake = nil
}

func (d *dialer) takeHandshake() *handshake {
	last := len(d.spare) - 1
	if last < 0 {
		return &handshake{}
	}
	h := d.spare[last]
	d.spare = d.spare[:last]
	*h = handshake{head: h.head[:0]}
	return h
}
