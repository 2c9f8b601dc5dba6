// Package engine is the epoll loop of one worker process: it opens the worker's
// connections, publishes its part of the plan, receives, and accounts
// for every delivery.
//
// It knows sockets, frames and clocks. What is due when is package plan's, what
// an arrival means for its subscriber package ledger's; how phases follow each
// other, and what the numbers are worth, is its callers' business.
//
// [Converse] runs a single connection on the same code, for conformance tests.
//
// An engine has receivers, which read, and one sender, which publishes and
// never reads. Each is an operating-system thread with its own epoll instance
// and its own records; readers of the numbers hand a thread a function to run.
package engine

import (
	"context"
	"crypto/tls"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

// Engine runs one worker's share of a plan. Its methods may be called from any
// goroutine, and one at a time take effect.
type Engine struct {
	config    Config
	share     plan.Share
	receivers []*receiver
	sender    *sender
	timetable timetable
	tls       *tls.Config // nil for ws

	mu         sync.Mutex // guards what follows
	totals     *histograms
	interval   *histograms // since the last Tick
	spare      *histograms // empty, for a thread to go on with
	spareSends *histograms
	connect    *latency.Histogram
	pauses     debug.GCStats // when the measured phase began, or at the start
	closed     bool
	procs      int // GOMAXPROCS before, 0 if it was enough
}

// New starts an engine's threads. It connects nothing. It raises GOMAXPROCS, if
// need be and until Close, to the threads and three more: a thread that wakes
// up must not wait for the runtime's permission to run.
func New(c Config) (*Engine, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		config: c, share: c.Plan.Share(c.Worker), timetable: newTimetable(c.Plan),
		totals:     newHistograms(append(receiverKinds(c.Plan), sendLag, blocked)...),
		interval:   newHistograms(append(receiverKinds(c.Plan), sendLag, blocked)...),
		spare:      newHistograms(receiverKinds(c.Plan)...),
		spareSends: newHistograms(sendLag, blocked),
		connect:    latency.New(latency.Precise),
	}
	if c.TLS != nil {
		var err error
		if e.tls, err = c.TLS.Config(); err != nil {
			return nil, err
		}
		e.totals[tlsHandshake] = latency.New(latency.Precise)
		e.interval[tlsHandshake] = latency.New(latency.Precise)
		e.spare[tlsHandshake] = latency.New(latency.Precise)
	}
	loops := max(1, min(c.Plan.Scenario().Loops, len(e.share.Connections)))
	if need := loops + 1 + 3; runtime.GOMAXPROCS(0) < need {
		e.procs = runtime.GOMAXPROCS(need)
	}
	debug.ReadGCStats(&e.pauses)

	outboxes := make([]*outbox, c.Plan.Publishers())
	var err error
	if e.sender, err = newSender(c, e.share, outboxes); err != nil {
		return nil, err
	}
	e.sender.start(e.sender.loop)
	for i := range loops {
		r, err := newReceiver(e, i, loops, outboxes)
		if err != nil {
			e.Close()
			return nil, err
		}
		r.start(r.run)
		e.receivers = append(e.receivers, r)
	}
	return e, nil
}

// Ramp opens the connections and blocks until each is open or failed, or ctx
// ends. It may be called once.
func (e *Engine) Ramp(ctx context.Context) Ramp {
	start := clock.Now()
	ramps := make([]*ramp, len(e.receivers))
	for i, r := range e.receivers {
		ramps[i] = e.newRamp()
		r.call(func() { r.startRamp(ramps[i]) })
	}
	for i, r := range e.receivers {
		select {
		case <-ramps[i].done:
		case <-ctx.Done():
			r.call(r.interruptRamp)
			<-ramps[i].done
		}
	}
	outcome := Ramp{Requested: len(e.share.Connections), Connect: e.connect}
	last := start
	for i, r := range e.receivers {
		p := ramps[i]
		outcome.Opened += p.opened
		outcome.Deflated += p.deflated
		outcome.NotAttempted += len(r.conns) - p.begun
		last = max(last, p.last)
		r.call(func() { outcome.Failures = result.AddFailures(outcome.Failures, r.failures...) })
		if err := e.connect.Merge(p.connect); err != nil {
			panic(err) // one geometry everywhere
		}
	}
	outcome.Seconds = time.Duration(last - start).Seconds()
	return outcome
}

// Begin starts a phase: each publication is due at its place in the timetable
// counted from at, CLOCK_MONOTONIC in nanoseconds. If the plan has a warm-up,
// it comes first and whole: the account counts sequences from 0.
func (e *Engine) Begin(ph plan.Phase, at int64) {
	c := e.config
	closed := closedLoop(c.Plan)
	if ph == plan.Measure {
		e.mu.Lock()
		debug.ReadGCStats(&e.pauses)
		e.mu.Unlock()
	}
	for _, r := range e.receivers {
		r.call(func() {
			r.began[ph] = at
			if ph == plan.Measure {
				r.atBegin = cpu()
				r.churn = newChurn(c.Plan, at)
			}
			if closed {
				r.window.begin(ph, at, r.reader.first)
			}
		})
	}
	e.sender.call(func() { e.sender.begin(ph, at) })
}

// Sent reports whether every publication of the phase has left or is unsent.
func (e *Engine) Sent() bool {
	return !slices.ContainsFunc(e.writers(), func(w *writer) bool { return !w.idle.Load() })
}

// StopSending ends the phase early: what has not left is unsent. No phase can
// begin after it.
func (e *Engine) StopSending() {
	e.sender.call(e.sender.stopSending)
	for _, r := range e.receivers {
		if r.window != nil {
			r.call(r.window.stopSending)
		}
	}
}

// writers are all that may count publications.
func (e *Engine) writers() []*writer {
	writers := []*writer{e.sender.writer}
	for _, r := range e.receivers {
		if r.window != nil {
			writers = append(writers, r.window.writer)
		}
	}
	return writers
}

// Closing counts this worker's publishers. The counts are final once Sent is
// true or StopSending has returned.
func (e *Engine) Closing() []Closing {
	sums := make([]Closing, e.config.Plan.Publishers())
	e.sender.call(func() { addClosing(sums, e.sender.sent) })
	for _, r := range e.receivers {
		if r.window != nil {
			r.call(func() { addClosing(sums, r.window.sent) })
		}
	}
	var mine []Closing
	for _, c := range e.share.Connections {
		if c.Publisher >= 0 {
			sums[c.Publisher].Publisher = c.Publisher
			mine = append(mine, sums[c.Publisher])
		}
	}
	return mine
}

func addClosing(sums, more []Closing) {
	for i, c := range more {
		sums[i].WarmUp += c.WarmUp
		sums[i].Measure += c.Measure
		sums[i].Holes = append(sums[i].Holes, c.Holes...)
	}
}

// Close closes every connection, each with a Close frame if its socket takes
// one, and ends the threads.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.sender.call(func() { e.sender.ending = true })
	<-e.sender.done
	for _, r := range e.receivers {
		r.call(r.leave)
		<-r.done
		r.greetings.Wait()
	}
	if e.procs > 0 {
		runtime.GOMAXPROCS(e.procs)
	}
	return nil
}
