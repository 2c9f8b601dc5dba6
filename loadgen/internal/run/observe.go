package run

import (
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/output"
)

// addCounts adds one worker's counts.
func addCounts(sum *output.Counts, t engine.Tick) {
	sum.Open += uint64(t.Open)
	sum.Failed += uint64(t.Failed)
	sum.Closed += t.Closed
	sum.Sent += t.Sent
	sum.Unsent += t.Unsent
	sum.Delivered += t.Delivered
	sum.Duplicated += t.Duplicated
	sum.Reordered += t.Reordered
	sum.Corrupt += t.Corrupt
	sum.Misrouted += t.Misrouted
}

// renew lets the next second begin with a phase, if nothing older is in it.
func (c *conductor) renew(at int64) {
	for _, h := range c.slice {
		if h.Count() > 0 {
			return
		}
	}
	c.observed = at
}

// observe hands the second that ends now to whoever listens.
func (c *conductor) observe(phase string, now int64, row []*float64) {
	if c.Observe == nil {
		return
	}
	second := output.Second{
		Phase: phase, Started: c.result.Times.Started, Start: time.Duration(c.observed - c.started), End: time.Duration(now - c.started),
		Columns: columns, Row: row, Counts: c.last.counts, Histograms: c.slice,
	}
	c.observed = now
	c.Observe(second)
}
