package engine

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/server/deflate"
)

// Dial is one connection of a [Converse].
type Dial struct {
	Address netip.AddrPort // to connect to
	Host    string         // for the request's Host field
	Path    string         // the request target, with its query
	// Timeout of the handshake, from the first SYN to the 101 answer.
	Timeout time.Duration
	// MaxMessage is the largest message that is accepted, in bytes, before and
	// after inflation.
	MaxMessage int64
	// Deflate offers permessage-deflate.
	Deflate bool
}

// Conversation is what became of one connection.
type Conversation struct {
	Opened   bool
	Deflated bool   // permessage-deflate was negotiated
	Messages uint64 // that arrived whole
	// Ended says why the connection failed or ended, by bucket and example;
	// its bucket is empty if ctx ended an open connection.
	Ended result.Failure
}

// Unreachable tells a target that is not there from one that answered the
// handshake in its own way.
func (c Conversation) Unreachable() bool {
	switch c.Ended.Bucket {
	case bucketRefused, bucketTimeout, bucketUnreachable, result.BucketPorts, result.BucketDescriptors:
		return !c.Opened
	}
	return false
}

// Converse opens one connection and hands each message that arrives to take,
// until the target has closed it or ctx ends. What take says yes to is sent
// back; the payload is valid during the call. It is the code of a run that
// connects, receives, answers and fails, without the account: what holds for
// the one holds for the other. err is of this host.
func Converse(ctx context.Context, d Dial, take func(op ws.OpCode, payload []byte) (back bool)) (Conversation, error) {
	t, err := newThread()
	if err != nil {
		return Conversation{}, err
	}
	r := &receiver{
		thread: t, inlet: newInlet(readBuffer), wall: clock.NewWall(),
		share:  plan.Share{Connections: make([]plan.Connection, 1)},
		conns:  []conn{{fd: gone, publisher: -1, role: plan.Holder, out: &outbox{fd: gone}}},
		index:  []int32{0},
		masks:  rand.NewPCG(rand.Uint64(), rand.Uint64()),
		mirror: &mirror{take: take, limit: d.MaxMessage, parted: make(chan struct{})},
	}
	r.limitMessages(d.MaxMessage)
	r.dialer = dialer{
		host: d.Host, path: func(plan.Connection) string { return d.Path }, deflate: d.Deflate,
		limit: 1, timeout: d.Timeout,
		keys: rand.NewPCG(rand.Uint64(), rand.Uint64()),
	}
	r.dialer.family, r.dialer.target = sockaddr(d.Address)
	p := &ramp{connect: latency.New(latency.Coarse), done: make(chan struct{})}

	r.start(r.run)
	r.call(func() { r.startRamp(p) })
	stop := context.AfterFunc(ctx, func() { r.post(r.leave) })
	<-p.done
	if p.opened > 0 {
		<-r.mirror.parted
	}
	stop()
	r.call(r.leave)
	<-r.done
	c := Conversation{Opened: p.opened > 0, Deflated: p.deflated > 0, Messages: r.mirror.messages}
	if len(r.failures) > 0 {
		c.Ended = r.failures[0]
	}
	return c, nil
}

// A mirror sends messages back instead of accounting for them. It belongs to a
// receiver of one connection.
type mirror struct {
	take     func(op ws.OpCode, payload []byte) (back bool)
	limit    int64 // of an inflated message, in bytes
	messages uint64
	whole    []byte // the message inflated last
	shrunk   []byte // the message compressed last
	parted   chan struct{}
}

// message takes one message; see receiver.message.
func (m *mirror) message(r *receiver, c *conn, in message) (err error) {
	whole := in.payload
	if in.compressed {
		if m.whole, err = deflate.Inflate(m.whole[:0], in.payload, int(c.inflate), m.limit); err != nil {
			return err
		}
		whole = m.whole
	}
	if in.op == ws.OpText && !in.checked && !utf8.Valid(whole) {
		return errUTF8
	}
	m.messages++
	if m.take(in.op, whole) {
		out := r.outbox(c)
		r.scratch = appendMessage(r.scratch[:0], &m.shrunk, in.op, whole, out.deflate, mask(r.masks))
		out.message(r.scratch)
	}
	return nil
}
