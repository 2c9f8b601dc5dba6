//go:build linux

package gateway

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"fanbench/server/frame"
	"fanbench/server/internal/fanout"
	"fanbench/server/internal/http1"
)

// A slice is how many members a loop writes to before it looks for reads again. Longer ones cost less CPU and keep pings, echoes and
// joins waiting (docs/design.md), so that they are for loops that have heard nothing for a while.
const (
	slice      = 16 // some 0.1 ms of system calls
	longSlice  = 128
	quietLooks = 256 // in vain, one after the other, until slices are long
)

// A loop is the gateway's half of one of gnet's event loops. All of it belongs to who has the helm, but for el, the counters, pending
// and what mu guards. That is the event loop's own goroutine, but for a moment now and then; see help.go.
type loop struct {
	counters
	g    *Gateway
	el   gnet.EventLoop
	fan  *fanout.Loop
	sink fanout.Sink

	helm    sync.Mutex
	burying bool
	owed    debts

	pending atomic.Bool // Run is scheduled
	mu      sync.Mutex
	ready   []*conn // lagging, and writable again

	token   int32 // descriptor; -1 before it is enrolled
	yielded bool  // a byte is on its way through the token
	inVain  int   // looks for reads since the last read

	wheel   wheel
	resumed []*conn // taken from ready
	leaving []*conn // in the order in which a drain closes them; nil before it
	left    int     // of those, the drain has closed so many
	doomed  []*conn // to be closed when no event of another connection is being handled

	// Scratch that connections share, each for the length of one call.
	spare    *input
	request  http1.Request
	out      []byte
	inflated []byte
	pinged   []fanout.Op // pings that are to be sent
	header   [maxHeader]byte
}

// input is what a connection's bytes go through. It is the loop's, and lent to a connection only while half a request head or half
// a message has arrived from it: an idle connection holds none.
type input struct {
	head   http1.Parser
	frames frame.Parser
}

func (in *input) mid() bool { return in.head.Mid() || in.frames.Mid() }

func newLoop(g *Gateway, el gnet.EventLoop) *loop {
	l := &loop{g: g, el: el, token: -1, spare: new(input)}
	l.wheel.dueAt = time.Since(g.start)
	l.sink = g.sink()
	l.fan = g.hub.NewLoop(l.sink, l.wakeFor)
	return l
}

// wake schedules Run, from any goroutine. Tasks are not run in order, nor promptly one by one: Run looks for all there is to do.
func (l *loop) wake() {
	if l.pending.CompareAndSwap(false, true) {
		l.schedule(l)
	}
}

func (l *loop) schedule(r gnet.Runnable) {
	if !l.g.stopping.Load() {
		_ = l.el.Execute(context.Background(), r) // fails only if the engine has ended
	}
}

// execute runs f on the loop, soon.
func (l *loop) execute(f func()) {
	l.schedule(gnet.RunnableFunc(func(context.Context) error {
		l.helm.Lock()
		defer l.helm.Unlock()
		defer l.survive(nil)
		f()
		l.bury()
		return nil
	}))
}

// Run implements gnet.Runnable.
func (l *loop) Run(context.Context) error {
	l.pending.Store(false) // before looking: what comes from now on schedules again
	l.helm.Lock()
	defer l.helm.Unlock()
	l.settle()
	if !l.yielded {
		l.pass()
		if l.pending.Load() {
			// gnet would call Run again before it looks for reads, and while others publish faster than passes are made it would never
			// look. With the token on its way Run makes no pass, and a room that waits for one asks for no other.
			l.yield()
		}
	}
	l.bury()
	return nil
}

// goOn is called when the token comes back.
func (l *loop) goOn() {
	l.yielded = false
	l.pass()
	if len(l.doomed) > 0 {
		l.wake()
	}
}

// pass makes one slice of the work that waits for this loop, and yields to reads if there is more.
func (l *loop) pass() {
	defer l.survive(nil)
	l.mu.Lock()
	budget := slice
	if l.inVain >= quietLooks {
		budget = longSlice
	}
	n := min(budget, len(l.ready))
	l.resumed = append(l.resumed[:0], l.ready[:n]...)
	l.ready = append(l.ready[:0], l.ready[n:]...)
	more := len(l.ready) > 0
	l.mu.Unlock()
	for _, c := range l.resumed {
		c.resume()
	}
	clear(l.resumed)
	report := l.fan.Step(budget)
	l.heed(report)
	if more || report.More {
		l.yield()
	}
}

// yield has pass called again after the reads that wait now.
func (l *loop) yield() {
	if l.yielded {
		return
	}
	l.inVain++
	if l.token >= 0 {
		if n, _ := unix.Write(int(l.token), l.header[:1]); n == 1 {
			l.yielded = true
			return
		}
	}
	l.wake() // correct, if unfair: only before the token is enrolled
}

// heed does what a step found necessary.
func (l *loop) heed(r fanout.Report) {
	for _, m := range r.Lagging {
		m.Owner.(*conn).lag()
	}
	for _, m := range r.Slow {
		m.Owner.(*conn).tooSlow()
	}
	for _, m := range r.Dead {
		m.Owner.(*conn).drop("error")
	}
}

// writable is called by the watcher.
func (l *loop) writable(c *conn) {
	l.mu.Lock()
	l.ready = append(l.ready, c)
	l.mu.Unlock()
	l.wake()
}

// bury closes the doomed. It must not run while gnet hands out events: another connection's number, closed and taken again
// within one batch of events, would be dealt the old one's.
func (l *loop) bury() {
	l.burying = true
	for _, c := range l.doomed {
		_ = l.el.Close(c.gc)
	}
	l.burying = false
	clear(l.doomed)
	l.doomed = l.doomed[:0]
}

// onTick looks after deadlines, pings and silent connections.
func (l *loop) onTick() {
	now := time.Since(l.g.start)
	l.wheel.expired(milliseconds(now), (*conn).expire)
	if interval := l.g.cfg.PingInterval; interval > 0 {
		l.wheel.turned(now, interval, (*conn).turn)
		l.ping()
	}
}

// ping sends the pings that have come together: by the sink, since they are as many writes as a small room's pass.
func (l *loop) ping() {
	ops := l.pinged
	l.pinged = l.pinged[:0]
	l.sink.Write(ops)
	for i := range ops {
		op := &ops[i]
		op.Member.Owner.(*conn).wrote(op.Bytes, op.N, op.Err)
	}
	clear(ops) // or they would keep connections that have gone
}

// review applies the policy for slow connections where no pass may do it: to members of quiet rooms.
func (l *loop) review() {
	l.wheel.each(func(c *conn) {
		if c.awaited {
			l.heed(l.fan.Review(&c.member))
		}
	})
}

// drain has a share, from 0 to 1, of the connections that were open at the first call go away. The first call also refuses the
// requests that have not arrived whole; there are no new ones, since the gateway is draining.
func (l *loop) drain(share float64) {
	if l.leaving == nil {
		l.leaving = make([]*conn, 0, l.upgraded.Load())
		l.wheel.each(func(c *conn) {
			switch c.state {
			case inHead:
				c.refuse(http1.RefuseDraining)
			case open:
				l.leaving = append(l.leaving, c)
			}
		})
		rand.Shuffle(len(l.leaving), func(i, j int) { l.leaving[i], l.leaving[j] = l.leaving[j], l.leaving[i] })
	}
	for due := int(share * float64(len(l.leaving))); l.left < due; l.left++ {
		l.leaving[l.left].goAway()
	}
}

// gone is called after a connection was closed.
func (l *loop) gone() {
	if l.g.draining.Load() && l.g.connections() == 0 {
		select {
		case l.g.emptied <- struct{}{}:
		default:
		}
	}
}

// survive is deferred around everything that may panic: it gives up c, or whichever members were being written to, and nothing
// else.
func (l *loop) survive(c *conn) {
	cause := recover()
	if cause == nil {
		return
	}
	l.panics.Add(1)
	l.g.cfg.Log.Error("panic", "cause", cause, "stack", string(debug.Stack()))
	if c != nil {
		c.input, l.spare = nil, new(input)
		l.g.closed.add("panic")
		c.flush()
		c.fail(&frame.Error{Code: ws.StatusInternalServerError, Reason: "panic"})
		return
	}
	for _, m := range l.fan.Abandon() {
		m.Owner.(*conn).drop("panic")
	}
	l.wake()
}

func milliseconds(d time.Duration) uint32 { return uint32(d / time.Millisecond) }
