//go:build linux

package gateway

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats is a snapshot of a gateway's counters, summed over its loops.
type Stats struct {
	// Of this moment.
	Connections int64 // sockets open, in any state
	Upgraded    int64 // of those, WebSocket connections that neither side has begun to close
	Lagging     int64 // of those, whose send buffer is full
	Rooms       int64 // rooms with a member here

	FanoutLoops map[string]uint64 // event loops, by their way of fan-out: uring, write

	// Totals since the start.
	Opened         uint64            // sockets admitted
	Refused        map[string]uint64 // sockets closed unheard, by reason: descriptors, draining
	AcceptErrors   map[string]uint64 // failures of accept(2), which harm no open connection, by error: EMFILE, ENFILE
	Rejected       map[string]uint64 // requests and connections ended by a limit, or for what the peer sent, by reason
	GivenUp        map[string]uint64 // connections given up for another cause, by reason: timeout, panic, error
	Messages       uint64            // whole data messages received
	Publications   uint64            // messages published to rooms with members, from connections and from other workers
	Encodings      uint64            // publications compressed for a room's members with one window size
	Deliveries     uint64            // publications taken whole by the kernel, per member
	DeliveredBytes uint64            // bytes of the rooms' logs taken by the kernel
	Writes         uint64            // write calls of deliveries
	Passes         uint64            // times that a room's members on one loop were visited
	Dropped        map[string]uint64 // publications that slow members do not get, by the policy in force, which is the only key
	Lags           uint64            // times that a send buffer was found full
	Pings          uint64            // pings sent
	Panics         uint64            // panics caught
}

// counters are one loop's share of Stats, but for what its fan-out counts. The loop adds, anybody reads.
type counters struct {
	connections, upgraded, lagging        atomic.Int64
	opened, messages, lags, pings, panics atomic.Uint64
}

// tally counts rare events by reason.
type tally struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (t *tally) add(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]uint64{}
	}
	t.n[reason]++
}

func (t *tally) snapshot() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

// Stats is safe for any goroutine.
func (g *Gateway) Stats() Stats {
	s := Stats{
		Rooms:        int64(g.hub.Rooms()),
		Publications: g.hub.Publications(),
		Encodings:    g.hub.Encodings(),
		Refused:      g.refused.snapshot(),
		AcceptErrors: g.descriptors.failed.snapshot(),
		Rejected:     g.rejected.snapshot(),
		GivenUp:      g.closed.snapshot(),
		FanoutLoops: map[string]uint64{
			string(FanoutUring): uint64(len(g.rings)), string(FanoutWrite): uint64(g.cfg.Loops - len(g.rings)),
		},
	}
	policy := g.cfg.Slow.String()
	s.Dropped = map[string]uint64{policy: 0}
	for _, l := range g.loops() {
		s.Connections += l.connections.Load()
		s.Upgraded += l.upgraded.Load()
		s.Lagging += l.lagging.Load()
		s.Opened += l.opened.Load()
		s.Messages += l.messages.Load()
		s.Lags += l.lags.Load()
		s.Pings += l.pings.Load()
		s.Panics += l.panics.Load()
		c := l.fan.Counts()
		s.Passes += c.Passes
		s.Deliveries += c.Deliveries
		s.DeliveredBytes += c.Bytes
		s.Writes += c.Writes
		s.Dropped[policy] += c.Dropped
	}
	return s
}
