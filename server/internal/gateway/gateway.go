//go:build linux

// Package gateway is the server's edge: it accepts connections, speaks HTTP and WebSocket with them and feeds the rooms of package
// fanout. It is the only package that knows gnet.
//
// gnet accepts, waits and reads. All writing is the gateway's own, by non-blocking write(2) or many sends in one call of io_uring
// (sink.go): gnet would keep what a full send buffer did not take in an unbounded buffer of its own, and would close connections in
// the middle of a pass. What cannot be written waits in the room's log, or for other bytes in the connection, until the watcher
// (watcher.go) sees the socket writable.
//
// A connection belongs to one event loop, and so does everything about it (conn.go, output.go, traffic.go). A loop (loop.go) delivers in
// slices and lets reads in between them.
//
// What an endpoint does with a message is in traffic.go: there are two endpoints, of a few lines each. Who may connect at all is
// decided in admission.go, and what compression adds is in compression.go.
//
// What does not live here: what frames and requests look like (packages frame and http1), how a publication becomes deliveries
// (package fanout), other workers, metrics' names.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"

	"fanbench/server/frame"
	"fanbench/server/internal/fanout"
	"fanbench/server/internal/uring"
)

// A Gateway serves one address.
type Gateway struct {
	cfg    Config
	frames [2]frame.Config // for connections without and with permessage-deflate
	addr   net.Addr
	hub    *fanout.Hub
	watch  *watcher
	admits *admission
	pace   pace // of a connection's messages
	start  time.Time
	tick   time.Duration

	engine  gnet.Engine   // from OnBoot
	running chan struct{} // closed when every loop runs
	ended   chan struct{} // closed when the engine has ended
	err     error         // why, before ended is closed
	failed  chan error

	known   atomic.Pointer[[]*loop] // grows only
	knownMu sync.Mutex
	rings   []*uring.Ring // one for each loop, or none

	descriptors               headroom
	draining, stopping        atomic.Bool
	emptied                   chan struct{} // signalled when a draining gateway lost its last connection
	refused, rejected, closed tally
}

// Start listens at cfg.Listen and serves. It is listening when it returns.
func Start(cfg Config) (*Gateway, error) {
	cfg, err := cfg.resolved()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		cfg:     cfg,
		hub:     fanout.NewHub(fanout.Limits{Policy: cfg.Slow, Backlog: max(cfg.MaxBacklog, cfg.MaxMessage+maxHeader)}, compressed),
		admits:  newAdmission(cfg),
		pace:    paceOf(cfg.MessageRate),
		start:   time.Now(),
		tick:    tickFor(cfg),
		running: make(chan struct{}),
		ended:   make(chan struct{}),
		failed:  make(chan error, 1),
		emptied: make(chan struct{}, 1),
	}
	for i := range g.frames {
		g.frames[i] = frame.Config{
			Role: frame.Server, MaxMessage: cfg.MaxMessage, MaxFragments: cfg.MaxFragments, CheckUTF8: true, Compression: i == 1,
		}
	}
	g.known.Store(new([]*loop))
	held, addr, err := reserve(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", cfg.Listen, err)
	}
	defer closeFD(held)
	g.addr = addr
	if cfg.SndBuf > 0 {
		if got, err := sendBuffer(held, cfg.SndBuf); err != nil || got < cfg.SndBuf {
			cfg.Log.Warn("send buffers are smaller than asked for, as net.core.wmem_max is", "bytes", got, "asked", cfg.SndBuf, "error", err)
		}
	}
	if err := g.descriptors.hold(cfg.Loops); err != nil {
		return nil, err
	}
	if g.watch, err = newWatcher(); err != nil {
		g.descriptors.release()
		return nil, err
	}
	g.rings = openRings(cfg)
	go g.run()
	select {
	case <-g.running:
	case <-g.ended:
		g.watch.stop()
		closeRings(g.rings)
		return nil, fmt.Errorf("listen at %s: %w", g.addr, g.err)
	}
	if err := g.enrollTokens(); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

// listeners is how many a loop has, all at the same address. gnet accepts one connection for each of them between two waits, so
// that with several a storm takes fewer waits. CPU per connection of a storm of 18,000, medians of three comparisons on a machine
// with other work: 24, 32 and 29 µs with 4, 27, 36 and 35 µs with 1. With 16, in the first of them, 29.
const listeners = 4

// run is the engine's life.
func (g *Gateway) run() {
	err := gnet.Rotate(&events{g: g}, slices.Repeat([]string{"tcp://" + g.addr.String()}, listeners),
		gnet.WithLogger(engineLog{g.cfg.Log, &g.descriptors}),
		gnet.WithNumEventLoop(g.cfg.Loops),
		// Listeners of each loop's own: the kernel spreads the connections, and accepting needs no hand-over.
		gnet.WithReusePort(true),
		gnet.WithReuseAddr(true),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay),
		gnet.WithSocketSendBuffer(g.cfg.SndBuf),
		// Not for accepted connections, which do not go through the balancer, but for the tokens: one to each loop.
		gnet.WithLoadBalancing(gnet.RoundRobin),
		gnet.WithTicker(true),
	)
	g.descriptors.release()
	if !g.stopping.Load() {
		// gnet returns nil even when an error ended it.
		err = errors.Join(errors.New("event engine ended unasked"), err)
		g.failed <- err
	}
	g.err = err
	close(g.ended)
}

// Addr is where the gateway listens.
func (g *Gateway) Addr() net.Addr { return g.addr }

// Done yields an error if the engine ends without having been asked to. All connections are closed then.
func (g *Gateway) Done() <-chan error { return g.failed }

// Publish delivers a message to every member of the room on this gateway. It copies payload; any goroutine may call it.
func (g *Gateway) Publish(room string, op ws.OpCode, payload []byte) {
	var header [maxHeader]byte
	g.hub.Publish(room, frame.AppendHeader(header[:0], op, true, false, len(payload)), payload)
}

// maxHeader is the bytes of the longest unmasked frame header.
const maxHeader = 10

// Drain refuses new connections, closes the open ones with 1001, in random order and evenly over spread, so that they do not all
// come back at once, and waits until their peers have answered, or ctx ends. Then it stops the engine, closing what is left; the
// error says how many that were. A context that has ended stops the gateway at once.
func (g *Gateway) Drain(ctx context.Context, spread time.Duration) error {
	g.draining.Store(true)
	if ctx.Err() != nil {
		return g.stop()
	}
	beat := time.NewTicker(drainBeat)
	defer beat.Stop()
	var cut error
	began, share := time.Now(), 0.0
	for n := g.connections(); n > 0; n = g.connections() {
		if share < 1 {
			if share = 1; spread > 0 {
				share = min(1, float64(time.Since(began))/float64(spread))
			}
			for _, l := range g.loops() {
				due := share
				l.execute(func() { l.drain(due) })
			}
		}
		select {
		case <-beat.C:
			continue
		case <-g.emptied:
			continue
		case <-g.ended:
		case <-ctx.Done():
			cut = fmt.Errorf("drain connections: %d left after the deadline", n)
		}
		break
	}
	return errors.Join(cut, g.stop())
}

// drainBeat is how often a drain closes some connections.
const drainBeat = 10 * time.Millisecond

// stop ends the engine and everything that Start began.
func (g *Gateway) stop() error {
	if g.stopping.Swap(true) {
		<-g.ended
		return nil
	}
	// Stop with a context that has ended asks the engine to stop and does not poll for it.
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = g.engine.Stop(now)
	<-g.ended
	for _, l := range g.loops() {
		closeFD(int(l.token))
	}
	g.watch.stop()
	closeRings(g.rings)
	if g.err != nil {
		return fmt.Errorf("stop event engine: %w", g.err)
	}
	return nil
}

// connections is the number of open sockets.
func (g *Gateway) connections() (n int64) {
	for _, l := range g.loops() {
		n += l.connections.Load()
	}
	return n
}

// loops are the loops known so far. Each becomes known with its token or its first connection, whichever comes first: gnet has
// no list of them.
func (g *Gateway) loops() []*loop { return *g.known.Load() }

func (g *Gateway) loopOf(el gnet.EventLoop) *loop {
	find := func() *loop {
		for _, l := range g.loops() {
			if l.el == el {
				return l
			}
		}
		return nil
	}
	if l := find(); l != nil {
		return l
	}
	g.knownMu.Lock()
	defer g.knownMu.Unlock()
	if l := find(); l != nil {
		return l
	}
	l := newLoop(g, el)
	known := append(append([]*loop(nil), g.loops()...), l)
	g.known.Store(&known)
	return l
}

// reject counts a request or connection that is ended by a limit, or for what the peer sent.
func (g *Gateway) reject(reason string) { g.rejected.add(reason) }

// tickFor is how often deadlines are looked at: often enough to be late by an eighth at most, and by a second. Each tick of an idle
// server costs a millisecond of CPU: it wakes the Go scheduler's monitor, which polls a few dozen times before it sleeps again.
func tickFor(cfg Config) time.Duration {
	shortest := min(cfg.HandshakeTimeout, cfg.CloseTimeout, cfg.MessageTimeout)
	if cfg.PingInterval > 0 {
		shortest = min(shortest, cfg.PingInterval)
	}
	if cfg.MaxBacklogAge > 0 {
		shortest = min(shortest, cfg.MaxBacklogAge)
	}
	return max(2*time.Millisecond, min(shortest/8, time.Second))
}
