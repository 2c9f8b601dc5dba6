package engine

import (
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/latency"
	"fanbench/server/deflate"
)

const (
	// hopeless is how many connections of a receiver may fail before the first
	// succeeds; then the rest is not attempted.
	hopeless = 256
	// burst is how many connections are begun before events are looked at.
	burst = 32
)

// interest is what a receiver asks epoll for, once per connection.
const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// ramp opens the connections of one receiver.
type ramp struct {
	family  int
	target  unix.Sockaddr
	sources []unix.Sockaddr
	host    string
	path    func(plan.Connection) string
	deflate bool // to be offered
	// receiveBuffer is SO_RCVBUF of subscribers, in bytes; 0 for the kernel's
	// choice.
	receiveBuffer int

	limit    int           // handshakes under way
	interval time.Duration // between two starts; 0 for none
	timeout  time.Duration
	start    int64

	begun    int     // connections, in the slab's order
	deadline int64   // of the oldest under way, or earlier; 0 for none
	order    []int32 // of those under way, oldest first; some have ended since
	underWay int
	opened   int
	deflated int // of the opened
	failed   int
	timedOut int
	over     bool // nothing more is begun
	spare    []*handshake
	keys     *rand.PCG

	connect *latency.Histogram
	last    int64 // when the last connection was open or failed
	done    chan struct{}
}

// next is when advanceRamp has something to do besides events, -1 for never.
func (p *ramp) next() int64 {
	next := int64(-1)
	if !p.over && p.underWay < p.limit {
		next = p.start + int64(p.begun)*int64(p.interval)
	}
	if p.deadline > 0 && (next < 0 || p.deadline < next) {
		next = p.deadline
	}
	return next
}

// startRamp begins a ramp; on a receiver that has ended it is over at once.
func (r *receiver) startRamp(p *ramp) {
	if r.ending {
		close(p.done)
		return
	}
	p.start = clock.Now()
	p.last = p.start
	r.ramp = p
	r.advanceRamp(p.start)
}

// advanceRamp gives up what has had its time, begins what may begin, and ends
// the ramp when nothing is left of either.
func (r *receiver) advanceRamp(now int64) {
	p := r.ramp
	r.expire(now)
	if p.opened == 0 && (p.failed >= hopeless || p.timedOut >= p.limit) {
		p.over = true
	}
	for n := 0; n < burst && !p.over && p.underWay < p.limit; n++ {
		if p.interval > 0 && p.start+int64(p.begun)*int64(p.interval) > now {
			break
		}
		r.connect(p.begun)
		p.begun++
		p.over = p.begun == len(r.conns)
	}
	if p.over && p.underWay == 0 {
		r.ramp = nil
		close(p.done)
	}
}

// expire fails the connections under way whose time is up. All have the same
// time, so they stand in the order of their deadlines.
func (r *receiver) expire(now int64) {
	p := r.ramp
	for len(p.order) > 0 {
		c := &r.conns[p.order[0]]
		if c.state == shaking {
			if p.deadline = c.shake.start + int64(p.timeout); p.deadline > now {
				return
			}
			p.timedOut++
			if c.shake.connected {
				r.fail(c, bucketShakeTimeout, unansweredShake+p.timeout.String())
			} else {
				r.fail(c, bucketTimeout, unansweredConnect+p.timeout.String())
			}
		}
		p.order = p.order[1:]
	}
	p.deadline = 0
}

// connect begins one connection.
func (r *receiver) connect(slot int) {
	p, c := r.ramp, &r.conns[slot]
	c.state = shaking
	c.shake = p.takeHandshake()
	c.shake.start, c.shake.offered = clock.Now(), p.deflate
	p.underWay++
	if len(p.order) == 0 {
		p.deadline = c.shake.start + int64(p.timeout)
	}
	p.order = append(p.order, int32(slot))

	var source unix.Sockaddr
	if len(p.sources) > 0 {
		source = p.sources[int(r.index[slot])%len(p.sources)]
	}
	receiveBuffer := 0
	if c.role == plan.Subscriber {
		receiveBuffer = p.receiveBuffer
	}
	fd, err := openSocket(p.family, source, receiveBuffer)
	if err != nil {
		r.fail(c, bucketOf(err), err.Error())
		return
	}
	c.fd = int32(fd)
	if err := r.watch(fd, slot, interest); err != nil {
		r.fail(c, bucketSocket, "watch socket: "+err.Error())
		return
	}
	if err := unix.Connect(fd, p.target); err != nil && err != unix.EINPROGRESS {
		r.fail(c, bucketOf(err), "connect: "+err.Error())
	}
}

// request writes the opening handshake, once the TCP connection stands.
func (r *receiver) request(c *conn) (written bool) {
	p := r.ramp
	code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		r.fail(c, bucketOf(err), "connect: "+err.Error())
		return false
	}
	c.shake.newKey(p.keys)
	r.scratch = c.shake.appendRequest(r.scratch[:0], p.path(r.share.Connections[r.index[c.slot]]), p.host)
	n, errno := send(c.fd, r.scratch)
	if errno == unix.EAGAIN || errno == unix.ENOTCONN {
		return false // an event that came before the connection
	}
	if errno != 0 {
		r.fail(c, bucketOf(errno), "write handshake: "+errno.Error())
		return false
	}
	if n < len(r.scratch) { // a fresh socket's buffer takes any sensible request
		r.fail(c, bucketSocket, fmt.Sprintf("write handshake: the socket took %d of %d bytes", n, len(r.scratch)))
		return false
	}
	c.shake.connected = true
	return true
}

// opened makes a connection of a handshake.
func (r *receiver) opened(c *conn) {
	p := r.ramp
	p.connect.Record(time.Duration(r.at - c.shake.start))
	p.opened++
	agreed := c.shake.agreed
	if agreed != (deflate.Params{}) {
		p.deflated++
	}
	c.state, c.inflate = open, uint8(agreed.ServerMaxWindowBits)
	r.counts.open++
	r.settled(c)
	if c.out != nil {
		c.out.mu.Lock()
		c.out.fd, c.out.deflate = c.fd, uint8(agreed.ClientMaxWindowBits)
		c.out.mu.Unlock()
	}
	if r.freshWindow == 0 {
		r.freshWindow = r.inlet.window(c.fd)
	}
}

// fail ends a handshake.
func (r *receiver) fail(c *conn, bucket, example string) {
	r.failures.add(bucket, example)
	r.counts.failed++
	r.ramp.failed++
	c.state = failed
	if c.fd != gone {
		unix.Close(int(c.fd))
		c.fd = gone
	}
	r.settled(c)
}

// settled takes a connection out of those under way.
func (r *receiver) settled(c *conn) {
	p := r.ramp
	p.underWay--
	p.last = clock.Now()
	p.spare = append(p.spare, c.shake)
	c.shake = nil
}

func (p *ramp) takeHandshake() *handshake {
	last := len(p.spare) - 1
	if last < 0 {
		return &handshake{}
	}
	h := p.spare[last]
	p.spare = p.spare[:last]
	*h = handshake{head: h.head[:0]}
	return h
}

// interruptRamp fails what is under way and begins nothing more.
func (r *receiver) interruptRamp() {
	if r.ramp == nil {
		return
	}
	r.ramp.over = true
	for _, slot := range r.ramp.order {
		if c := &r.conns[slot]; c.state == shaking {
			r.fail(c, bucketInterrupted, interruptedConnection)
		}
	}
	r.advanceRamp(clock.Now())
}
