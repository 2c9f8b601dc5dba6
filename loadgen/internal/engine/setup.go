package engine

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/latency"
	"fanbench/server/frame"
)

// newReceiver lays out the number-th of several receivers: connections fall to
// them in turn.
func newReceiver(e *Engine, number, several int, outboxes []*outbox) (*receiver, error) {
	t, err := newThread()
	if err != nil {
		return nil, err
	}
	c := e.config
	table := e.timetable
	if closedLoop(c.Plan) {
		table = newTimetable(c.Plan) // its first sequences are the receiver's own
	}
	r := &receiver{
		thread: t, share: e.share, sender: e.sender, number: number, several: several,
		inlet:    newInlet(readBuffer),
		wall:     clock.NewWall(),
		reader:   newReader(c, table),
		recorded: newHistograms(receiverKinds(c.Plan)...),
		records:  make([]PublicationRecord, table.records),
		masks:    rand.NewPCG(rand.Uint64(), rand.Uint64()),
		dialer:   newDialer(e, number, several),
		away:     newAway(c, number),
	}
	if e.tls != nil {
		r.plain = make([]byte, 0, plainBuffer)
		r.recorded[tlsHandshake] = latency.New(latency.Precise)
	}
	r.limitMessages(maxMessage(c.Plan))
	r.slow.pace = float64(c.Plan.Scenario().Slow.Pace)
	r.layOut(c.Plan, outboxes)
	if closedLoop(c.Plan) {
		r.window = newWindow(c, r.conns)
	}
	return r, nil
}

// maxMessage is the largest message that is accepted, in bytes.
func maxMessage(p *plan.Plan) int64 { return max(minMessage, 4*int64(p.Scenario().LargestSize())) }

// limitMessages sets up the strict parser. A run's messages are checked for
// UTF-8 when they are whole, see understand.
func (r *receiver) limitMessages(bytes int64) {
	r.frames = frame.Config{Role: frame.Client, CheckUTF8: r.mirror != nil, MaxMessage: bytes}
	r.compressedFrames = r.frames
	r.compressedFrames.Compression = true
}

// layOut fills the slab, and gives each connection its cells of the ledger, or
// of that of the slow: one for each publisher that it receives.
func (r *receiver) layOut(p *plan.Plan, outboxes []*outbox) {
	cells, slowCells := 0, 0
	for i := r.number; i < len(r.share.Connections); i += r.several {
		of := r.share.Connections[i]
		c := conn{fd: gone, slot: int32(len(r.conns)), room: int32(of.Room), publisher: int32(of.Publisher), role: of.Role}
		in := &cells
		switch {
		case of.Slow:
			c.marks, in = slow, &slowCells
			r.slow.add(c.slot)
		case of.Silent:
			c.marks = silent
		}
		c.cell = uint32(*in)
		*in += cellsOf(p, of)
		if of.Publisher >= 0 {
			c.out = &outbox{fd: gone, tag: of.Publisher}
			if !closedLoop(p) {
				c.out.watcher = r.sender.thread
			}
			outboxes[of.Publisher] = c.out
		}
		r.conns = append(r.conns, c)
		r.index = append(r.index, int32(i))
	}
	r.account, r.slow.account = ledger.New(cells), ledger.New(slowCells)
	r.middles = middles(r.conns, p.Rooms())
}

// cellsOf is how many publishers' publications a connection receives.
func cellsOf(p *plan.Plan, c plan.Connection) int {
	switch {
	case c.Role == plan.Subscriber && !c.Silent:
		return p.RoomPublishers(c.Room)
	case c.Role == plan.Echoer:
		return 1
	}
	return 0
}

// newDialer is the number-th of several receivers' part of what opens
// connections.
func newDialer(e *Engine, number, several int) dialer {
	c := e.config
	s := c.Plan.Scenario()
	d := dialer{
		host: c.Host, path: c.Path, deflate: s.Deflate, tls: e.tls, credentials: c.Credentials,
		receiveBuffer: int(s.ReceiveBuffer), slowBuffer: int(s.Slow.Buffer),
		limit:   max(1, (c.InFlight+number)/several),
		timeout: s.Phases.Ramp.Timeout,
		keys:    rand.NewPCG(rand.Uint64(), rand.Uint64()),
	}
	d.family, d.target = sockaddr(c.Address)
	for _, source := range c.Sources {
		_, sa := sockaddr(netip.AddrPortFrom(source, 0))
		d.sources = append(d.sources, sa)
	}
	return d
}

// newRamp is one receiver's part of the ramp.
func (e *Engine) newRamp() *ramp {
	p := &ramp{connect: latency.New(latency.Precise), done: make(chan struct{})}
	if rate := e.config.RampRate; rate > 0 {
		p.interval = time.Duration(float64(len(e.receivers)) * float64(time.Second) / rate)
	}
	return p
}
