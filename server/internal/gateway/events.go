//go:build linux

package gateway

import (
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"

	"fanbench/server/internal/fanout"
)

// events is what gnet tells the gateway. All but OnBoot and OnTick run on the loop of the connection.
type events struct {
	gnet.BuiltinEventEngine
	g      *Gateway
	ticked sync.Once
	agedAt time.Duration // when backlogs were last told that time passes
}

// OnBoot implements gnet.EventHandler.
func (e *events) OnBoot(engine gnet.Engine) gnet.Action {
	e.g.engine = engine
	return gnet.None
}

// OnTick implements gnet.EventHandler. It runs on a goroutine of its own, for the first time when all loops run.
func (e *events) OnTick() (time.Duration, gnet.Action) {
	e.ticked.Do(func() { close(e.g.running) })
	_ = e.g.descriptors.restore() // fails while there is none; the next tick tries again
	for _, l := range e.g.loops() {
		l.execute(l.onTick)
	}
	e.age()
	return e.g.tick, gnet.None
}

// age has the hub, and the loops with lagging connections, notice what has waited too long.
func (e *events) age() {
	step, now := e.g.cfg.MaxBacklogAge/fanout.Ages, time.Since(e.g.start)
	if e.g.cfg.MaxBacklogAge < 0 || now-e.agedAt < step {
		return
	}
	e.agedAt = max(e.agedAt+step, now-step) // in step on average, though a tick may be late
	e.g.hub.Tick()
	for _, l := range e.g.loops() {
		if l.lagging.Load() > 0 {
			l.execute(l.review)
		}
	}
}

// OnOpen implements gnet.EventHandler.
func (e *events) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	l := e.g.loopOf(gc.EventLoop())
	if t, ok := gc.Context().(yieldToken); ok {
		gc.SetContext(l)
		l.token = int32(t)
		return nil, gnet.None
	}
	switch {
	case e.g.draining.Load():
		e.g.refused.add("draining")
		return nil, gnet.Close
	case !e.g.descriptors.leaves(gc.Fd()):
		e.g.refused.add("descriptors")
		return nil, gnet.Close
	}
	l.helm.Lock()
	defer l.helm.Unlock()
	c := l.open(gc)
	if refusal := e.g.admits.admit(gc.RemoteAddr(), time.Since(e.g.start)); refusal != nil {
		c.refuse(refusal)
		return nil, gnet.None
	}
	c.admitted = true
	l.opened.Add(1)
	return nil, gnet.None
}

// OnTraffic implements gnet.EventHandler.
func (e *events) OnTraffic(gc gnet.Conn) gnet.Action {
	switch of := gc.Context().(type) {
	case *conn:
		l := of.loop
		l.helm.Lock()
		defer l.helm.Unlock()
		l.inVain = 0
		of.traffic()
		if l.owed.any() {
			l.wake()
		}
		if of.state == closed {
			return gnet.Close
		}
	case *loop:
		_, _ = gc.Discard(-1)
		of.helm.Lock()
		defer of.helm.Unlock()
		of.goOn()
	}
	return gnet.None
}

// OnClose implements gnet.EventHandler. gnet also calls it from within its own close, so it may interrupt anything that closes.
func (e *events) OnClose(gc gnet.Conn, _ error) gnet.Action {
	if c, ok := gc.Context().(*conn); ok {
		if !c.loop.burying { // or this goroutine has the helm already
			c.loop.helm.Lock()
			defer c.loop.helm.Unlock()
		}
		c.ended()
		c.loop.gone()
	}
	return gnet.None
}
