package engine

import (
	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
)

// A window keeps a number of messages in flight on each connection of a
// closed-loop echo: a reply makes room for the next message, which is due at
// that moment. Its writes are the receiver's own: with nothing on a timetable
// there is nothing to be ahead of, and a second thread would only add its
// wake-up to every round trip.
type window struct {
	*writer
	size  int
	conns []conn
	// sequences is the next one of each publisher.
	sequences []uint64
	credit    int // replies in the read under way

	phase     plan.Phase
	at, until int64 // CLOCK_MONOTONIC, nanoseconds
	state     windowState
}

type windowState uint8

const (
	closedWindow windowState = iota
	pendingWindow
	openWindow
)

func newWindow(c Config, conns []conn) *window {
	return &window{
		writer:    newWriter(c),
		size:      c.Plan.Scenario().Window,
		conns:     conns,
		sequences: make([]uint64, c.Plan.Publishers()),
	}
}

// begin opens the window from at on, for the phase's duration. first takes the
// phase's first sequence of each publisher.
func (w *window) begin(ph plan.Phase, at int64, first []uint32) {
	s := w.plan.Scenario()
	duration := s.Phases.WarmUp
	if ph == plan.Measure {
		duration = s.Phases.Measure
		for i := range w.conns {
			p := w.conns[i].publisher
			first[p] = uint32(w.sequences[p])
		}
	}
	w.phase, w.at, w.until = ph, at, at+int64(duration)
	w.state = pendingWindow
	w.idle.Store(false)
}

// next is when advance has something to do, -1 for never.
func (w *window) next() int64 {
	switch w.state {
	case pendingWindow:
		return w.at
	case openWindow:
		return w.until
	}
	return -1
}

// advance opens and closes the window when its time has come.
func (w *window) advance(now int64) {
	if w.state == pendingWindow && now >= w.at {
		w.state = openWindow
		for i := range w.conns {
			if c := &w.conns[i]; c.state == open {
				for range w.size {
					w.enqueue(c, clock.Now())
				}
			}
		}
	}
	if w.state == openWindow && now >= w.until {
		w.state = closedWindow
	}
	if w.state == closedWindow && w.waiting == 0 {
		w.idle.Store(true)
	}
}

// reply sends a message for each that came back in the read under way.
func (w *window) reply(c *conn, readAt int64) {
	if w.state != openWindow || readAt >= w.until {
		return
	}
	for range w.credit {
		w.enqueue(c, readAt)
	}
}

func (w *window) enqueue(c *conn, due int64) {
	p := int(c.publisher)
	w.publish(c.out, departure{publisher: p, room: int(c.room), sequence: w.sequences[p], due: due, phase: w.phase})
	w.sequences[p]++
}

// stopSending closes the window early.
func (w *window) stopSending() {
	w.state, w.stopped = closedWindow, true
	for i := range w.conns {
		w.clear(w.conns[i].out)
	}
	w.idle.Store(true)
}
