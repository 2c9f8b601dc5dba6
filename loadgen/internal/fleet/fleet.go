// Package fleet holds a run's workers: it starts their processes, puts each
// request to all of them at once and gathers the answers.
//
// A worker that ends, falls silent or talks nonsense is lost: it is ended, and
// every later answer comes without it and with an error that says what became
// of it. What to ask is package run's.
package fleet

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"fanbench/loadgen/internal/control"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/plan"
)

// DefaultPatience is how long a worker may take for an answer. It is far above
// any honest answer's time, so that a generator that was merely stopped for
// some seconds is not given up.
const DefaultPatience = 30 * time.Second

// Fleet is the workers of one run. Its methods are called one after another;
// only Kill may be called at any time.
type Fleet struct {
	workers  []*worker
	patience time.Duration
}

// worker is one link and what became of it.
type worker struct {
	link control.Link
	// end makes sure that the far side is gone and says how it ended, if it
	// says anything. It is called once; force does not wait for an orderly end.
	end  func(force bool) error
	kill func() // from any goroutine
	lost error
}

// New makes a fleet of links whose far sides end when the link is closed. Each
// worker is greeted: one that speaks another version is refused.
func New(patience time.Duration, links ...control.Link) (*Fleet, error) {
	f := &Fleet{patience: patience}
	for _, link := range links {
		f.workers = append(f.workers, &worker{
			link: link,
			end:  func(bool) error { return link.Close() },
			kill: func() { _ = link.Close() },
		})
	}
	return f, f.greet()
}

func (f *Fleet) greet() error {
	_, err := f.each(func(w *worker, _ int) (control.Message, error) {
		m, err := w.link.Receive()
		switch {
		case err != nil:
			return m, err
		case m.Hello == nil:
			return m, errors.New("did not say hello")
		case m.Hello.Version != control.Version:
			return m, fmt.Errorf("speaks version %d, this coordinator %d; run the same build on both", m.Hello.Version, control.Version)
		}
		return m, nil
	})
	if err != nil {
		f.Stop()
	}
	return err
}

// each does one thing with all living workers at once. It returns the living
// ones' answers, in their order, and what became of the lost ones, those of
// earlier calls included.
func (f *Fleet) each(do func(w *worker, number int) (control.Message, error)) ([]control.Message, error) {
	answers := make([]control.Message, len(f.workers))
	var wait sync.WaitGroup
	for i, w := range f.workers {
		if w.lost != nil {
			continue
		}
		wait.Go(func() {
			late := make(chan struct{})
			timer := time.AfterFunc(f.patience, func() { close(late); w.kill() })
			answer, err := do(w, i)
			if !timer.Stop() {
				<-late
				err = fmt.Errorf("no answer within %v", f.patience)
			}
			if err != nil {
				w.lose(i, err)
				return
			}
			answers[i] = answer
		})
	}
	wait.Wait()

	var living []control.Message
	var lost []error
	for i, w := range f.workers {
		if w.lost == nil {
			living = append(living, answers[i])
		} else {
			lost = append(lost, w.lost)
		}
	}
	return living, errors.Join(lost...)
}

// lose gives a worker up. How its process ended explains more than that its
// link broke, so it comes first.
func (w *worker) lose(number int, cause error) {
	if cause == io.EOF || errors.Is(cause, io.ErrUnexpectedEOF) || errors.Is(cause, syscall.EPIPE) {
		cause = errors.New("ended")
	}
	if how := w.end(true); how != nil {
		cause = fmt.Errorf("%w: %w", cause, how)
	}
	w.lost = fmt.Errorf("worker %d: %w", number, cause)
}

// ask puts a request to each worker and takes one answer of the kind that pick
// finds.
func ask[T any](f *Fleet, request func(number int) control.Message, pick func(control.Message) *T) ([]T, error) {
	answers, err := f.each(func(w *worker, number int) (control.Message, error) {
		if err := w.link.Send(request(number)); err != nil {
			// A worker that failed has said why before it closed the link.
			if m, received := w.link.Receive(); received == nil && m.Failed != nil {
				return m, errors.New(m.Failed.Error)
			}
			return control.Message{}, err
		}
		m, err := w.link.Receive()
		switch {
		case err != nil:
			return m, err
		case m.Failed != nil:
			return m, errors.New(m.Failed.Error)
		case pick(m) == nil:
			return m, errors.New("answered something else than was asked")
		}
		return m, nil
	})
	picked := make([]T, len(answers))
	for i, m := range answers {
		picked[i] = *pick(m)
	}
	return picked, err
}

func (f *Fleet) order(m control.Message) error {
	_, err := ask(f, func(int) control.Message { return m }, func(m control.Message) *control.Done { return m.Done })
	return err
}

// Assign gives each worker its part.
func (f *Fleet) Assign(part func(worker int) control.Assign) error {
	_, err := ask(f, func(number int) control.Message {
		assign := part(number)
		return control.Message{Assign: &assign}
	}, func(m control.Message) *control.Done { return m.Done })
	return err
}

// Ramp starts opening connections.
func (f *Fleet) Ramp() error { return f.order(control.Message{Ramp: &control.Ramp{}}) }

// Begin starts a phase at a CLOCK_MONOTONIC reading in nanoseconds.
func (f *Fleet) Begin(ph plan.Phase, at int64) error {
	return f.order(control.Message{Begin: &control.Begin{Phase: ph, At: at}})
}

// Halt ends a ramp or a phase's sending early.
func (f *Fleet) Halt() error { return f.order(control.Message{Halt: &control.Halt{}}) }

// Poll returns the living workers' states.
func (f *Fleet) Poll() ([]control.Status, error) {
	return ask(f, func(int) control.Message { return control.Message{Poll: &control.Poll{}} },
		func(m control.Message) *control.Status { return m.Status })
}

// Count returns the closing counts of the living workers' publishers.
func (f *Fleet) Count() ([]engine.Closing, error) {
	parts, err := ask(f, func(int) control.Message { return control.Message{Count: &control.Count{}} },
		func(m control.Message) *control.Closing { return m.Closing })
	var all []engine.Closing
	for _, part := range parts {
		all = append(all, part.Publishers...)
	}
	return all, err
}

// Outstanding gives all closing counts to each worker and returns how many
// deliveries the living ones are still to receive.
func (f *Fleet) Outstanding(closing []engine.Closing) (uint64, error) {
	parts, err := ask(f, func(int) control.Message { return control.Message{Owe: &control.Owe{Closing: closing}} },
		func(m control.Message) *control.Owed { return m.Owed })
	var sum uint64
	for _, part := range parts {
		sum += part.Deliveries
	}
	return sum, err
}

// Settle gives all closing counts to each worker and returns the living ones'
// accounts.
func (f *Fleet) Settle(closing []engine.Closing) ([]engine.Account, error) {
	return ask(f, func(int) control.Message { return control.Message{Settle: &control.Settle{Closing: closing}} },
		func(m control.Message) *engine.Account { return m.Account })
}

// recordsAtOnce is how many publications' records are asked for at once: a few MB
// from each worker, however many a run has.
const recordsAtOnce = 1 << 16

// Records gives take what the living workers' subscribers together received of
// the first n measured publications: a stretch at a time, in order. It is for
// after Settle.
func (f *Fleet) Records(n int, take func(from int, records []engine.PublicationRecord)) (lost error) {
	for from := 0; from < n; from += recordsAtOnce {
		to := min(from+recordsAtOnce, n)
		var parts []control.Records
		parts, lost = ask(f, func(int) control.Message { return control.Message{Recall: &control.Recall{From: from, To: to}} },
			func(m control.Message) *control.Records {
				if m.Records == nil || len(*m.Records) != to-from {
					return nil
				}
				return m.Records
			})
		sum := make([]engine.PublicationRecord, to-from)
		for _, part := range parts {
			engine.MergeRecords(sum, part)
		}
		take(from, sum)
	}
	return lost
}

// Stop closes the links and waits for the workers to end. The error says which
// did not end well; losses that were reported before are not repeated.
func (f *Fleet) Stop() error {
	ended := make([]error, len(f.workers))
	var wait sync.WaitGroup
	for i, w := range f.workers {
		if w.lost != nil {
			continue
		}
		wait.Go(func() {
			if err := w.end(false); err != nil {
				ended[i] = fmt.Errorf("worker %d: %w", i, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(ended...)
}

// Kill ends all workers at once. Calls under way return with their loss.
func (f *Fleet) Kill() {
	for _, w := range f.workers {
		w.kill()
	}
}
