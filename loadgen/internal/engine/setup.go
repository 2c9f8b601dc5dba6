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
		thread: t, share: e.share, sender: e.sender,
		inlet:    newInlet(readBuffer),
		wall:     clock.NewWall(),
		reader:   newReader(c, table),
		recorded: newHistograms(delivery, sentDelivery, readLag),
		records:  make([]record, table.total),
		masks:    rand.NewPCG(rand.Uint64(), rand.Uint64()),
	}
	r.limitMessages(maxMessage(c.Plan))
	r.layOut(c.Plan, number, several, outboxes)
	if closedLoop(c.Plan) {
		r.window = newWindow(c, r.conns)
	}
	return r, nil
}

// maxMessage is the largest message that is accepted, in bytes.
func maxMessage(p *plan.Plan) int64 { return max(minMessage, 4*int64(p.Scenario().Size)) }

func (r *receiver) limitMessages(bytes int64) {
	r.frames = frame.Config{Role: frame.Client, CheckUTF8: true, MaxMessage: bytes}
	r.compressedFrames = r.frames
	r.compressedFrames.Compression = true
}

// layOut fills the slab, and gives each connection its cells of the ledger: one
// for each publisher that it receives.
func (r *receiver) layOut(p *plan.Plan, number, several int, outboxes []*outbox) {
	cells := 0
	for i := number; i < len(r.share.Connections); i += several {
		of := r.share.Connections[i]
		c := conn{fd: gone, slot: int32(len(r.conns)), room: int32(of.Room), publisher: int32(of.Publisher), cell: uint32(cells), role: of.Role}
		cells += cellsOf(p, of)
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
	r.account = ledger.New(cells)
}

// cellsOf is how many publishers' publications a connection receives.
func cellsOf(p *plan.Plan, c plan.Connection) int {
	switch c.Role {
	case plan.Subscriber:
		return p.RoomPublishers(c.Room)
	case plan.Echoer:
		return 1
	}
	return 0
}

// newRamp is the number-th receiver's part of the ramp.
func (e *Engine) newRamp(number int) *ramp {
	c, several := e.config, len(e.receivers)
	s := c.Plan.Scenario()
	p := &ramp{
		host: c.Host, path: c.Path, deflate: s.Deflate,
		receiveBuffer: int(s.ReceiveBuffer),
		limit:         max(1, (c.InFlight+number)/several),
		timeout:       s.Phases.Ramp.Timeout,
		keys:          rand.NewPCG(rand.Uint64(), rand.Uint64()),
		connect:       latency.New(latency.Precise),
		done:          make(chan struct{}),
	}
	p.family, p.target = sockaddr(c.Address)
	for _, source := range c.Sources {
		_, sa := sockaddr(netip.AddrPortFrom(source, 0))
		p.sources = append(p.sources, sa)
	}
	if c.RampRate > 0 {
		p.interval = time.Duration(float64(several) * float64(time.Second) / c.RampRate)
	}
	return p
}
