// Package worker is the far end of a link: it carries out the coordinator's
// requests with an engine of its own process.
//
// It decides nothing. Which phase follows which is package run's.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"

	"fanbench/loadgen/internal/control"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
)

const (
	// rampGC collects more often than usual while handshakes make garbage, so
	// that the garbage does not stay resident beside the connections.
	rampGC = 50
	// measureHeap is how far memory may grow, in bytes, while publishing, when
	// the collector rests: a collection would delay deliveries, and steady
	// state allocates next to nothing.
	measureHeap = 512 << 20
)

// Engine is what a worker drives; [engine.Engine] is one.
type Engine interface {
	// Ramp blocks until each connection is open or failed, or ctx ends.
	Ramp(ctx context.Context) engine.Ramp
	// Begin starts a phase whose publications are due from at on,
	// CLOCK_MONOTONIC in nanoseconds.
	Begin(ph plan.Phase, at int64)
	// Sent reports whether every publication of the phase has left or is
	// unsent.
	Sent() bool
	// StopSending ends the phase early.
	StopSending()
	// Tick may be called while the ramp is under way.
	Tick() engine.Tick
	Closing() []engine.Closing
	// Outstanding is how many deliveries of what was sent are still expected.
	Outstanding(closing []engine.Closing) uint64
	Settle(closing []engine.Closing) engine.Account
	// Records of the measured publications from to to−1, after Settle.
	Records(from, to int) []engine.PublicationRecord
	Close() error
}

// Serve answers requests on the link until it is closed, and then closes the
// engine. build makes the engine that an assignment asks for. The error says
// what went wrong on this side or with the link; the coordinator has been told.
func Serve(link control.Link, build func(engine.Config) (Engine, error)) error {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer debug.SetGCPercent(debug.SetGCPercent(rampGC))

	ctx, cancel := context.WithCancel(context.Background())
	w := &worker{build: build, ctx: ctx, cancel: cancel}
	err := w.converse(link)
	cancel()
	if w.ramping != nil {
		<-w.ramping
	}
	if w.engine != nil {
		err = errors.Join(err, w.engine.Close())
	}
	return errors.Join(err, link.Close())
}

type worker struct {
	build  func(engine.Config) (Engine, error)
	ctx    context.Context // of the ramp
	cancel context.CancelFunc

	engine  Engine
	ramping chan struct{} // closed when the ramp has ended
	ramp    atomic.Pointer[engine.Ramp]
	begun   bool
}

func (w *worker) converse(link control.Link) error {
	if err := link.Send(control.Message{Hello: &control.Hello{Version: control.Version, PID: os.Getpid()}}); err != nil {
		return err
	}
	for {
		request, err := link.Receive()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			var answer control.Message
			if answer, err = w.answer(request); err == nil {
				err = link.Send(answer)
			}
		}
		if err != nil {
			// Best effort: if the link is broken, the error below is all there is.
			_ = link.Send(control.Message{Failed: &control.Failed{Error: err.Error()}})
			return err
		}
	}
}

func (w *worker) answer(m control.Message) (control.Message, error) {
	done := control.Message{Done: &control.Done{}}
	if (m.Assign == nil) != (w.engine != nil) {
		return done, errors.New("serve worker: assign must come once, and first")
	}
	switch {
	case m.Assign != nil:
		return done, w.assign(*m.Assign)
	case m.Ramp != nil:
		return done, w.startRamp()
	case m.Begin != nil:
		return done, w.begin(*m.Begin)
	case m.Poll != nil:
		status := &control.Status{Ramp: w.ramp.Load(), Tick: w.engine.Tick()}
		status.Sent = w.begun && w.engine.Sent()
		return control.Message{Status: status}, nil
	case m.Halt != nil:
		w.cancel()
		if w.begun {
			w.engine.StopSending()
		}
		return done, nil
	case m.Count != nil:
		return control.Message{Closing: &control.Closing{Publishers: w.engine.Closing()}}, nil
	case m.Owe != nil:
		return control.Message{Owed: &control.Owed{Deliveries: w.engine.Outstanding(m.Owe.Closing)}}, nil
	case m.Settle != nil:
		account := w.engine.Settle(m.Settle.Closing)
		return control.Message{Account: &account}, nil
	case m.Recall != nil:
		records := control.Records(w.engine.Records(m.Recall.From, m.Recall.To))
		return control.Message{Records: &records}, nil
	}
	return done, errors.New("serve worker: not a request")
}

func (w *worker) assign(a control.Assign) error {
	if a.Version != control.Version {
		return fmt.Errorf("serve worker: the coordinator speaks version %d, this worker %d; run the same build on both", a.Version, control.Version)
	}
	p, err := plan.New(a.Scenario, a.Seed)
	if err != nil {
		return err
	}
	w.engine, err = w.build(engine.Config{
		Plan: p, Worker: a.Worker, RunID: a.RunID,
		Address: a.Address, Host: a.Host, Path: Path(a.Scenario.Target), Sources: a.Sources,
		TLS: a.TLS, Credentials: a.Credentials,
		Epoch: a.Epoch, InFlight: a.InFlight, RampRate: a.RampRate,
	})
	return err
}

// Path returns the request target of each connection: the publishing path for
// a fan-out's publishers, the subscribing one for all others, {room} replaced
// by the room's number.
func Path(t scenario.Target) func(plan.Connection) string {
	return func(c plan.Connection) string {
		path := t.Subscribe
		if c.Role == plan.Publisher {
			path = t.Publish
		}
		return strings.ReplaceAll(path, scenario.RoomPlaceholder, strconv.Itoa(c.Room))
	}
}

func (w *worker) startRamp() error {
	if w.ramping != nil {
		return errors.New("serve worker: a second ramp")
	}
	w.ramping = make(chan struct{})
	go func() {
		defer close(w.ramping)
		ramp := w.engine.Ramp(w.ctx)
		w.ramp.Store(&ramp)
	}()
	return nil
}

func (w *worker) begin(b control.Begin) error {
	if w.ramp.Load() == nil {
		return fmt.Errorf("serve worker: %v before the ramp has ended", b.Phase)
	}
	restCollector()
	w.begun = true
	w.engine.Begin(b.Phase, b.At)
	return nil
}

// restCollector keeps the garbage collector from running until the process has
// grown by measureHeap.
func restCollector() {
	debug.SetMemoryLimit(memory() + measureHeap)
	debug.SetGCPercent(-1)
}

// memory is what the runtime holds of the system's memory now, in bytes: what
// the collector's memory limit is compared with.
func memory() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
