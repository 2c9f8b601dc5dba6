package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
	"fanbench/server/frame"
)

// bulkyOf is a fan-out to one subscriber, of more than all buffers of a
// connection hold: 100 publications of 256 KiB.
func bulkyOf(t *testing.T) scenario.Scenario {
	t.Helper()
	s := scenarioOf(t, "workload", "fanout", "connections", "1", "rooms", "1", "publishers", "1", "rate", "1000/s", "size", "256KiB")
	s.Phases.WarmUp = 0
	return s
}

// bulkyLoopOf is a closed loop on one connection, with as much in flight.
func bulkyLoopOf(t *testing.T) scenario.Scenario {
	t.Helper()
	s := closedLoopOf(t, 1, 100)
	s.Size, s.Phases.WarmUp, s.Phases.Measure = 256<<10, 0, time.Minute
	return s
}

// blockedEngine publishes into a connection that nobody reads, until the
// timetable is through.
func blockedEngine(t *testing.T, stall chan struct{}) (*Engine, *peer) {
	t.Helper()
	return blockedEngineOf(t, bulkyOf(t), script{stall: stall}, nil)
}

func blockedEngineOf(t *testing.T, s scenario.Scenario, behaviour script, over *TLS) (*Engine, *peer) {
	t.Helper()
	target := startPeer(t, behaviour)
	config := configOf(t, s, 0, target.address())
	config.TLS = over
	e := startEngine(t, config)
	ramped(t, e)
	e.Begin(plan.Measure, e.config.Epoch)
	eventually(t, "first attempts", func() bool { return e.Settle(nil).Histograms[SendLag].Count() == 100 })
	if e.Sent() {
		t.Fatal("everything left, and nobody read")
	}
	return e, target
}

// publisherOf is the peer's end of the connection that publishes.
func publisherOf(p *peer) (publisher *peerConn) {
	p.each(func(c *peerConn) {
		if !isMember(p, c) {
			publisher = c
		}
	})
	return publisher
}

// TestBlockedPublications wait in their order, with pongs between them and
// never inside, and leave when the target reads again.
func TestBlockedPublications(t *testing.T) {
	stall := make(chan struct{})
	e, target := blockedEngine(t, stall)
	publisher := publisherOf(target)
	for range 3 {
		if _, err := publisher.Write(frame.AppendFrame(nil, ws.OpPing, []byte("now?"))); err != nil {
			t.Fatal(err)
		}
	}
	close(stall)
	eventually(t, "publications to leave", e.Sent)
	eventually(t, "deliveries", func() bool { return allDelivered(e.Tick()) })
	a := settle(e)[0]
	balanced(t, a)
	if a.Ledger.Sent != 100 || a.Ledger.Delivered != 100 || a.Ledger.Reordered != 0 || len(a.Failures) != 0 {
		t.Errorf("ledger %+v, failures %+v", a.Ledger, a.Failures)
	}
	eventually(t, "pongs", func() bool {
		publisher.mu.Lock()
		defer publisher.mu.Unlock()
		return publisher.pongs == 3
	})
}

// TestBlockedIsUnsent: what waits when sending is stopped, or the connection
// ends, never left, and never leaves: also not what was on its way by half, to a
// target that reads again.
func TestBlockedIsUnsent(t *testing.T) {
	theirs, ours := secured(t)
	for over, tls := range map[string]*TLS{"ws": nil, "wss": ours} {
		for load, of := range map[string]func(*testing.T) scenario.Scenario{"fan-out": bulkyOf, "closed loop": bulkyLoopOf} {
			for ending, c := range map[string]struct {
				end   func(*Engine, *peer)
				stays bool // the connection that publishes
				deaf  bool // the target reads nothing more of it
			}{
				"stopped":                     {end: func(e *Engine, _ *peer) { e.StopSending() }, stays: true},
				"connection closed":           {end: func(_ *Engine, p *peer) { publisherOf(p).Close() }, deaf: true},
				"Close frame":                 {end: func(_ *Engine, p *peer) { sayGoingAway(p) }},
				"stopped, then a Close frame": {end: func(e *Engine, p *peer) { e.StopSending(); sayGoingAway(p) }},
			} {
				t.Run(load+" over "+over+", "+ending, func(t *testing.T) {
					behaviour := script{stall: make(chan struct{})}
					if tls != nil {
						behaviour.tls = theirs
					}
					e, target := blockedEngineOf(t, of(t), behaviour, tls)
					c.end(e, target)
					publisher, staying := publisherOf(target), len(e.share.Connections)
					if !c.stays {
						staying--
						eventually(t, "the connection's end", func() bool { return e.Tick().Open == staying })
					}
					if e.receivers[0].window != nil {
						e.StopSending() // a closed loop waits for its phase's end
					}
					eventually(t, "the phase's end", e.Sent)
					closing, unsent := e.Closing(), e.Tick().Unsent
					close(behaviour.stall)
					if c.stays {
						eventually(t, "all to be read", func() bool { return nothingWaits(e) })
					} else {
						eventually(t, "the stream's end at the target", publisher.over.Load)
					}
					if staying > 0 && !c.deaf {
						eventually(t, "deliveries", func() bool { return e.Tick().Delivered >= closing[0].Measure })
					}
					if open := e.Tick().Open; open != staying {
						t.Errorf("%d connections are open, want %d", open, staying)
					}
					a := e.Settle(e.Closing())
					balanced(t, a)
					l := a.Ledger
					if l.Sent+l.Unsent != 100 || l.Unsent == 0 || l.Unsent != unsent || closing[0].Measure != l.Sent {
						t.Errorf("sent %d, unsent %d and before %d, closing %+v", l.Sent, l.Unsent, unsent, closing)
					}
					if err := e.Close(); err != nil {
						t.Error(err)
					}
					eventually(t, "the target to have read all", publisher.over.Load)
					if took := uint64(publisher.messages.Load()); took != l.Sent && !c.deaf {
						t.Errorf("the target got %d publications, %d were sent", took, l.Sent)
					}
				})
			}
		}
	}
}

// sayGoingAway writes a Close frame to the connection that publishes.
func sayGoingAway(p *peer) {
	_, _ = publisherOf(p).Write(frame.AppendClose(nil, ws.StatusGoingAway, ""))
}

// nothingWaits: the publisher's outbox is empty, and its target's kernel has
// taken what ours had.
func nothingWaits(e *Engine) bool {
	o := e.sender.outboxes[0]
	o.mu.Lock()
	defer o.mu.Unlock()
	unread, err := unix.IoctlGetInt(int(o.fd), unix.SIOCOUTQ)
	return !o.blocked() && err == nil && unread == 0
}

// TestOutboxKeepsFramesWhole writes control frames to a socket that takes no
// more and reads what comes out at the other end.
func TestOutboxKeepsFramesWhole(t *testing.T) {
	here, there := socketPair(t)
	o := &outbox{fd: here}
	ping := frame.AppendMasked(nil, ws.OpPing, make([]byte, 100), [4]byte{1, 2, 3, 4})
	written := 0
	for !o.blocked() {
		o.control(ping)
		written++
	}
	for len(o.bytes) < maxControl {
		o.control(ping)
		written++
	}
	full := len(o.bytes)
	o.control(ping)
	if len(o.bytes) != full {
		t.Errorf("%d bytes wait, want no more than %d", len(o.bytes), full)
	}
	var parser frame.Parser
	config := &frame.Config{}
	got, buffer := 0, make([]byte, 64<<10)
	eventually(t, "all frames", func() bool {
		o.mu.Lock()
		if o.blocked() {
			_, _, _ = o.push()
		}
		o.mu.Unlock()
		n, _ := unix.Read(int(there), buffer)
		for b := buffer[:max(n, 0)]; ; {
			_, used, ok, err := parser.Next(config, b)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			b = b[used:]
			got++
		}
		return got == written
	})
}

// TestOutboxStaysCut: behind the half of a publication that is given up nothing
// leaves any more, and what ends its connection is the stream's end.
func TestOutboxStaysCut(t *testing.T) {
	here, there := socketPair(t)
	o := &outbox{fd: here}
	w := newWriter(configOf(t, bulkyOf(t), 0, refusedAddress(t)))
	for sequence := range uint64(100) {
		w.publish(o, departure{sequence: sequence})
	}
	before := w.counts.sent
	if o.cutLeft == 0 || before == 0 {
		t.Fatalf("%d publications left whole, %d bytes of another did not", before, o.cutLeft)
	}
	left := (int(before)+1)*len(w.frame) - o.cutLeft // all frames have one length
	w.clear(o)
	w.clear(o)
	pong := frame.AppendMasked(nil, ws.OpPong, nil, [4]byte{1, 2, 3, 4})
	o.control(pong)
	o.message(pong)
	w.publish(o, departure{sequence: 100})
	w.flush(o)
	if dropped := o.last(pong); dropped != 0 {
		t.Errorf("%d publications were dropped again", dropped)
	}
	if o.blocked() || w.waiting != 0 || w.counts.sent != before || w.counts.unsent != 101-before {
		t.Errorf("blocked %v, %d waiting, %+v of 101 with %d sent before", o.blocked(), w.waiting, w.counts, before)
	}
	buffer := make([]byte, 64<<10)
	eventually(t, "the stream's end", func() bool {
		n, err := unix.Read(int(there), buffer)
		left -= max(n, 0)
		return n == 0 && err == nil
	})
	if left != 0 {
		t.Errorf("%d bytes of those that had left did not come out", left)
	}
}

// TestFilledBuffers: a drain that brings at least half of the receive window is
// counted, and its connection once.
func TestFilledBuffers(t *testing.T) {
	r := idleReceiver(t, 1)
	here, there := socketPair(t)
	c := &r.conns[0]
	c.fd = here
	r.freshWindow = r.inlet.window(here)
	if r.freshWindow < 4096 {
		t.Fatalf("a new connection offers %d bytes", r.freshWindow)
	}
	pong := frame.AppendFrame(nil, ws.OpPong, make([]byte, 125))
	sent := 0
	for i, step := range []struct {
		bytes        int // written, or as many as the socket takes
		filled, once uint64
	}{{1000, 0, 0}, {1 << 30, 1, 1}, {1000, 1, 1}, {1 << 30, 2, 1}} {
		for end := sent + step.bytes; sent < end; {
			n, errno := send(there, pong[sent%len(pong):])
			if errno == unix.EAGAIN {
				break
			}
			if errno != 0 {
				t.Fatal(errno)
			}
			sent += n
		}
		r.drain(c, true) // as if its end were known to come: until nothing is left
		if c.state != open {
			t.Fatalf("drain %d: %+v", i, r.failures)
		}
		if r.counts.filled != step.filled || r.counts.filledConns != step.once {
			t.Errorf("drain %d: %d filled on %d connections, want %d on %d", i, r.counts.filled, r.counts.filledConns, step.filled, step.once)
		}
		if step.bytes > 1000 && c.window < r.freshWindow {
			t.Errorf("drain %d: the window is known as %d bytes, new it was %d", i, c.window, r.freshWindow)
		}
	}
}

// TestCloseDuringRamp: closing ends a ramp that would go on, and one that comes
// too late.
func TestCloseDuringRamp(t *testing.T) {
	target := startPeer(t, script{answer: func(string) []byte { return nil }})
	s := scenarioOf(t, "workload", "connect", "connections", fmt.Sprint(20))
	s.Phases.Ramp.Timeout = time.Hour
	e := startEngine(t, configOf(t, s, 0, target.address()))
	done := make(chan Ramp)
	go func() { done <- e.Ramp(context.Background()) }()
	eventually(t, "a connection", func() bool {
		n := 0
		target.each(func(*peerConn) { n++ })
		return n == 20
	})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if ramp := <-done; ramp.Opened != 0 {
		t.Errorf("%+v", ramp)
	}
	if ramp := e.Ramp(context.Background()); ramp.Opened != 0 {
		t.Errorf("after Close: %+v", ramp)
	}
	if err := e.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}
