package run

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// RampError says that not one connection opened.
type RampError struct {
	Connections int              // planned
	Attempted   int              // of them; the rest was given up
	Failures    []result.Failure // most frequent first
}

// Error is one line: how many failed, and of what.
func (e *RampError) Error() string {
	if len(e.Failures) == 0 {
		return fmt.Sprintf("0 of %d connections opened", e.Connections)
	}
	var causes []string
	for _, f := range e.Failures {
		cause := fmt.Sprintf("%s: %s", f.Bucket, f.First)
		if len(e.Failures) > 1 {
			cause = fmt.Sprintf("%d %s", f.Count, cause)
		}
		causes = append(causes, cause)
	}
	text := fmt.Sprintf("%d of %d connections failed: %s", e.Attempted, e.Connections, strings.Join(causes, "; "))
	if given := e.Connections - e.Attempted; given > 0 {
		text += fmt.Sprintf(" (the other %d were not tried)", given)
	}
	return text
}

// connect opens the connections: the ramp.
func (c *conductor) connect(ctx context.Context) error {
	end := c.phase("ramp")
	c.take(ctx, &c.rampEdges, 0)
	if err := c.fleet.Ramp(); err != nil {
		return err
	}
	begun := c.clock.Mono()
	limit := begun + int64(c.rampLimit())
	halted := false
	for {
		c.poll()
		if c.lost != nil {
			return c.lost
		}
		c.tick(ctx, "ramp", begun, 0)
		if c.ramp.done {
			break
		}
		now := c.clock.Mono()
		if (c.over(ctx) || now > limit) && !halted {
			halted, limit = true, now+int64(haltLimit)
			_ = c.fleet.Halt() // a loss shows at the next poll
		}
		if halted && now > limit {
			return fmt.Errorf("the workers did not end their ramp within %v", haltLimit)
		}
		c.clock.Sleep(c.patient(ctx), now+int64(pollInterval))
	}
	end()
	c.take(ctx, &c.rampEdges, 1)
	if c.ramp.opened == 0 {
		if c.stopped {
			return context.Canceled
		}
		return &RampError{Connections: c.plan.Connections(), Attempted: c.ramp.requested - c.ramp.given, Failures: c.ramp.failures}
	}
	return nil
}

// rampLimit is longer than any ramp in which each connection ends within its
// timeout.
func (c *conductor) rampLimit() time.Duration {
	r := c.Scenario.Phases.Ramp
	n := c.plan.Connections()
	limit := time.Duration(n/max(1, r.InFlight)+2) * r.Timeout
	if r.Rate > 0 {
		limit += time.Duration(float64(n) / float64(r.Rate) * float64(time.Second))
	}
	return limit + haltLimit
}

// rest leaves the open connections alone, and reads resident memory at its end.
func (c *conductor) rest(ctx context.Context) {
	end := c.phase("idle")
	defer end()
	begun := c.clock.Mono()
	c.wait(ctx, "idle", begun, c.Scenario.Phases.Idle)
	c.noteHeld()
	c.take(ctx, &c.idleEdges, 1)
}

// noteHeld notes how many connections have lasted.
func (c *conductor) noteHeld() {
	open := c.last.open
	if c.held != nil {
		open = min(open, *c.held)
	}
	c.held = &open
}

// hold keeps the connections open and silent for the measured phase.
func (c *conductor) hold(ctx context.Context) {
	if c.over(ctx) {
		return
	}
	end := c.phase("measure")
	defer end()
	c.take(ctx, &c.measureEdges, 0)
	c.measureAt = c.clock.Mono()
	c.wait(ctx, "measure", c.measureAt, c.Scenario.Phases.Measure)
	c.noteHeld()
	c.take(ctx, &c.measureEdges, 1)
	c.checkReturn()
}

// wait lets time pass under observation.
func (c *conductor) wait(ctx context.Context, phase string, begun int64, d time.Duration) {
	until := begun + int64(d)
	for !c.over(ctx) {
		c.poll()
		c.tick(ctx, phase, begun, d)
		now := c.clock.Mono()
		if now >= until {
			return
		}
		c.clock.Sleep(ctx, min(until, c.rows.next))
	}
}

// publish lets the workers publish a phase, until all its publications have
// left. What has not left when the drain's time is also over stays unsent.
func (c *conductor) publish(ctx context.Context, ph plan.Phase, d time.Duration) {
	at := c.clock.Mono() + int64(lead)
	if err := c.fleet.Begin(ph, at); err != nil {
		c.lose(err)
		return
	}
	c.clock.Sleep(ctx, at)
	end := c.phase(ph.String())
	defer end()
	if ph == plan.Measure {
		c.measureAt = at
	}
	c.rows.align(at, c.last.delivered)
	c.renew(at)
	until := at + int64(d)
	limit := until + int64(c.Scenario.Phases.Drain)
	for {
		c.poll()
		c.tick(ctx, ph.String(), at, d)
		now := c.clock.Mono()
		if c.over(ctx) || now >= limit {
			c.halt()
			return
		}
		if now >= until && c.last.sentAll {
			return
		}
		next := c.rows.next
		switch {
		case now >= until:
			next = now + int64(pollInterval)
		case until < next:
			next = until
		}
		c.clock.Sleep(ctx, next)
	}
}

// halt ends sending early and waits until the workers have taken note.
func (c *conductor) halt() {
	if err := c.fleet.Halt(); err != nil {
		c.lose(err)
	}
	limit := c.clock.Mono() + int64(haltLimit)
	for c.lost == nil {
		c.poll()
		now := c.clock.Mono()
		if c.last.sentAll {
			return
		}
		if now > limit {
			c.end(fmt.Sprintf("the workers did not stop sending within %v", haltLimit))
			return
		}
		c.clock.Sleep(context.Background(), now+int64(pollInterval))
	}
}

// drain waits until nothing is outstanding, at most for the scenario's drain,
// and returns how many deliveries still are. After an interrupt it still does,
// so that what was on its way is not taken for lost; a second interrupt ends the
// process.
func (c *conductor) drain(ctx context.Context) (left uint64) {
	if c.lost != nil || c.gone {
		return c.outstanding()
	}
	end := c.phase("drain")
	defer end()
	ctx = c.patient(ctx)
	if c.moving() {
		return c.drainMembers(ctx)
	}
	begun := c.clock.Mono()
	until := begun + int64(c.Scenario.Phases.Drain)
	moved, delivered := begun, c.last.delivered
	for {
		c.poll()
		c.tick(ctx, "drain", begun, c.Scenario.Phases.Drain)
		now := c.clock.Mono()
		if c.last.delivered != delivered {
			moved, delivered = now, c.last.delivered
		}
		incomplete := c.last.open < c.plan.Connections() && now-moved >= int64(quiet)
		if c.outstanding() == 0 || now >= until || incomplete || c.lost != nil || c.gone {
			return c.outstanding()
		}
		c.clock.Sleep(ctx, now+int64(pollInterval))
	}
}

// linger gives late duplicates time to show.
func (c *conductor) linger() {
	if c.lost == nil && !c.gone {
		c.clock.Sleep(context.Background(), c.clock.Mono()+int64(linger))
		c.poll()
	}
}

// patient is a context for waits that must outlast the user's first interrupt.
func (c *conductor) patient(ctx context.Context) context.Context {
	if c.ended != "" {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// outstanding is how many deliveries are expected and have not come, where the
// membership does not change.
func (c *conductor) outstanding() uint64 {
	if c.Scenario.Workload == scenario.Connect || c.moving() || c.last.expected < c.last.delivered {
		return 0
	}
	return c.last.expected - c.last.delivered
}

// lose notes that workers are gone: what is left cannot be a whole run.
func (c *conductor) lose(err error) {
	c.lost = err
	c.end(strings.ReplaceAll(err.Error(), "\n", "; "))
}
