package engine

import (
	"time"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/latency"
)

const (
	// hopeless is how many connections of a receiver may fail before the first
	// succeeds; then the rest is not attempted.
	hopeless = 256
	// burst is how many connections are begun before events are looked at.
	burst = 32
)

// ramp opens the connections of one receiver for the first time.
type ramp struct {
	interval time.Duration // between two starts; 0 for none
	start    int64

	begun    int // connections, in the slab's order
	opened   int
	deflated int // of the opened
	failed   int
	timedOut int
	over     bool // nothing more is begun

	connect *latency.Histogram
	last    int64 // when the last connection was open or failed
	done    chan struct{}
}

// joined notes a connection that opened, after so long.
func (p *ramp) joined(took time.Duration, deflated bool) {
	p.connect.Record(took)
	p.opened++
	if deflated {
		p.deflated++
	}
	p.last = clock.Now()
}

// refused notes a connection that failed.
func (p *ramp) refused() {
	p.failed++
	p.last = clock.Now()
}

// underWay is how many have begun and neither opened nor failed.
func (p *ramp) underWay() int { return p.begun - p.opened - p.failed }

// nextBegin is when advanceRamp has something to begin, -1 for not before an
// event.
func (r *receiver) nextBegin() int64 {
	p := r.ramp
	if p == nil || p.over || r.dialer.full() {
		return -1
	}
	return p.start + int64(p.begun)*int64(p.interval)
}

// startRamp begins a ramp; on a receiver that has ended it is over at once.
func (r *receiver) startRamp(p *ramp) {
	if r.ending {
		close(p.done)
		return
	}
	p.start = clock.Now()
	p.last = p.start
	r.ramp = p
	r.advanceRamp(p.start)
}

// advanceRamp begins what may begin, and ends the ramp when nothing is left to
// begin or under way.
func (r *receiver) advanceRamp(now int64) {
	p := r.ramp
	if p.opened == 0 && (p.failed >= hopeless || p.timedOut >= r.dialer.limit) {
		p.over = true
	}
	for n := 0; n < burst && !p.over && !r.dialer.full(); n++ {
		if p.interval > 0 && p.start+int64(p.begun)*int64(p.interval) > now {
			break
		}
		p.begun++
		p.over = p.begun == len(r.conns)
		r.connect(p.begun - 1)
	}
	if p.over && p.underWay() == 0 {
		r.ramp = nil
		r.dialer.spare = nil // what it held stays out of the memory of idle connections
		close(p.done)
	}
}

// interruptRamp fails what is under way and begins nothing more.
func (r *receiver) interruptRamp() {
	if r.ramp == nil {
		return
	}
	r.ramp.over = true
	for _, a := range r.dialer.order {
		if c := &r.conns[a.slot]; c.state == shaking && c.generation == a.generation && c.marks&joined == 0 {
			r.fail(c, bucketInterrupted, interruptedConnection)
		}
	}
	r.advanceRamp(clock.Now())
}
