package run

import (
	"context"
	"fmt"
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/output"
	"fanbench/loadgen/internal/progress"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

// totals are the workers' counts at one poll, added up.
type totals struct {
	open, failed        int
	away                int // left by the plan's churn, and not back
	sent                uint64
	expected, delivered uint64
	missing             uint64
	sentAll             bool
	loops, delays       [][]time.Duration // CPU time and run delay by worker and loop
	counts              output.Counts
}

// rampTotals are the workers' ramps, added up once all have ended.
type rampTotals struct {
	done                     bool
	requested, opened, given int
	deflated                 int // of the opened
	failures                 []result.Failure
	connect                  *latency.Histogram
	seconds                  float64 // of the slowest worker
}

// poll asks all workers for their state and adds it up.
func (c *conductor) poll() {
	states, err := c.fleet.Poll()
	c.clock.sign()
	if err != nil {
		c.lose(err)
	}
	if len(states) == 0 {
		return
	}
	sum := totals{sentAll: true}
	var ramps []engine.Ramp
	for _, s := range states {
		t := s.Tick
		sum.open += t.Open
		sum.failed += t.Failed
		sum.away += t.Away
		sum.sent += t.Sent
		sum.expected += t.Expected
		sum.delivered += t.Delivered
		sum.missing += t.Missing
		addCounts(&sum.counts, t)
		sum.sentAll = sum.sentAll && s.Sent
		sum.loops, sum.delays = append(sum.loops, t.Loops), append(sum.delays, t.RunDelays)
		if s.Ramp != nil {
			ramps = append(ramps, *s.Ramp)
		}
		c.merged(c.slice.add(t.Histograms))
	}
	c.last = sum
	if !c.ramp.done && len(ramps) == c.Scenario.Workers {
		c.ramp = c.addRamps(ramps)
	}
	// A lost worker's connections are not the target's doing.
	if c.ramp.done && c.lost == nil && c.Scenario.Reconnect.Most == 0 && c.depleted() {
		c.gone = true
		c.end(fmt.Sprintf("the target is gone: %d of %d connections closed", c.closedByTarget(), c.ramp.opened))
	}
}

// merged notes a histogram that could not be added: the workers would not be of
// this build.
func (c *conductor) merged(err error) {
	if err != nil {
		c.end(err.Error())
	}
}

func (c *conductor) addRamps(ramps []engine.Ramp) rampTotals {
	sum := rampTotals{done: true}
	for _, r := range ramps {
		sum.requested += r.Requested
		sum.opened += r.Opened
		sum.given += r.NotAttempted
		sum.deflated += r.Deflated
		sum.failures = result.AddFailures(sum.failures, r.Failures...)
		sum.seconds = max(sum.seconds, r.Seconds)
		if r.Connect == nil {
			continue
		}
		if sum.connect == nil {
			sum.connect = r.Connect.Clone()
		} else {
			c.merged(sum.connect.Merge(r.Connect))
		}
	}
	return sum
}

// columns of the series.
var columns = append([]string{
	"time_seconds", "connections", "sent", "delivered", "deliveries_per_second", "missing", "outstanding",
	"delivery_p50_seconds", "delivery_p99_seconds", "read_lag_p99_seconds", "send_lag_p99_seconds",
	"target_cpu_seconds", "target_resident_bytes", "generator_cpu_seconds", "generator_resident_bytes",
	// Of the machine, as shares of the row's time; the run delay is that of the
	// loop which waited longest.
	"generator_run_delay_share",
}, hostColumns[:]...)

// rows are the series so far.
type rows struct {
	rows      [][]*float64
	next      int64 // when the next row is due, Mono
	at        int64 // when the latest was taken
	delivered uint64
	phase     string // of the latest line that was shown

	machine vitals.HostReading // when a row read it last
	delays  [][]time.Duration  // likewise
	readAt  int64              // that instant
}

// align lets the next row span one interval from a phase's start.
func (r *rows) align(at int64, delivered uint64) {
	r.at, r.delivered, r.next = at, delivered, at+int64(rowInterval)
}

// tick shows the latest poll and, once a second, adds a row to the series.
func (c *conductor) tick(ctx context.Context, phase string, begun int64, planned time.Duration) {
	now := c.clock.Mono()
	line := progress.Line{
		Phase: phase, Elapsed: time.Duration(now - begun), Planned: planned,
		Open: c.last.open, Connections: c.plan.Connections(), Failed: c.last.failed,
		Lost: c.gaps(), Outstanding: c.outstanding(),
	}
	r := &c.rows
	if r.at == 0 {
		r.align(c.started, 0)
	}
	if now < r.next {
		if phase == "ramp" || phase != r.phase {
			r.phase = phase
			c.show(line)
		}
		return
	}
	r.phase = phase
	row := c.row(ctx, now)
	line.DeliveriesPerSec = row[4]
	line.P50, line.P99 = quantile(c.slice[engine.Delivery], 0.5), quantile(c.slice[engine.Delivery], 0.99)
	line.SendLagP99 = quantile(c.slice[engine.SendLag], 0.99)
	c.show(line)

	c.second(phase, now, row)
	c.observe(phase, now, row)
	r.rows = append(r.rows, row)
	r.at, r.delivered = now, c.last.delivered
	for r.next <= now {
		r.next += int64(rowInterval)
	}
	c.slice.reset()
}

// gaps is how many deliveries are missing before later ones; 0 where they may be
// so by rights.
func (c *conductor) gaps() uint64 {
	if c.moving() {
		return 0
	}
	return c.last.missing
}

func (c *conductor) row(ctx context.Context, now int64) []*float64 {
	l := c.last
	row := []*float64{
		number(c.since(now)), number(float64(l.open)), number(float64(l.sent)), number(float64(l.delivered)),
		nil, nil, nil,
		seconds(quantile(c.slice[engine.Delivery], 0.5)), seconds(quantile(c.slice[engine.Delivery], 0.99)),
		seconds(quantile(c.slice[engine.ReadLag], 0.99)), seconds(quantile(c.slice[engine.SendLag], 0.99)),
	}
	if elapsed := time.Duration(now - c.rows.at); elapsed > 0 && l.delivered >= c.rows.delivered && l.sent > 0 {
		row[4] = number(float64(l.delivered-c.rows.delivered) / elapsed.Seconds())
	}
	if !c.moving() { // there, most of what is missing is so by rights
		row[5], row[6] = number(float64(l.missing)), number(float64(c.outstanding()))
	}
	for _, reading := range []*vitals.Reading{c.readTarget(ctx), read(ctx, c.Generator)} {
		if reading != nil {
			row = append(row, number(reading.CPUSeconds), number(float64(reading.ResidentBytes)))
		} else {
			row = append(row, nil, nil)
		}
	}
	return append(row, c.hostRow(now)...)
}

// readTarget takes a reading of the target, which may be slow to answer: that is
// no standstill of the generator.
func (c *conductor) readTarget(ctx context.Context) *vitals.Reading {
	c.clock.sign()
	defer c.clock.excuse(vitals.Timeout)
	return read(ctx, c.Target)
}

// read takes one reading; nil if there is no source or it has nothing to say.
func read(ctx context.Context, source vitals.Source) *vitals.Reading {
	if source == nil {
		return nil
	}
	r, err := source.Read(context.WithoutCancel(ctx))
	if err != nil {
		return nil
	}
	return &r
}

// take reads everything at one edge, 0 or 1, of a stretch.
func (c *conductor) take(ctx context.Context, e *edges, edge int) {
	e.target[edge] = c.readTarget(ctx)
	e.generator[edge] = read(ctx, c.Generator)
	e.loops[edge] = c.last.loops
	c.takeHost(&e.hostEdges, edge)
	e.at[edge] = c.clock.Mono()
}

// cpu is the CPU time between two readings in seconds; nil if either is absent.
func cpu(edge [2]*vitals.Reading) *float64 {
	if edge[0] == nil || edge[1] == nil {
		return nil
	}
	return number(edge[1].CPUSeconds - edge[0].CPUSeconds)
}

// resident is by how much resident memory grew between two readings, in bytes;
// nil if either is absent.
func resident(edge [2]*vitals.Reading) *float64 {
	if edge[0] == nil || edge[1] == nil {
		return nil
	}
	return number(float64(edge[1].ResidentBytes) - float64(edge[0].ResidentBytes))
}

// quantile is nil for an empty histogram.
func quantile(h *latency.Histogram, q float64) *time.Duration {
	if h == nil || h.Count() == 0 {
		return nil
	}
	d := h.Quantile(q)
	return &d
}

func seconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	return number(d.Seconds())
}

func number(v float64) *float64 { return &v }
