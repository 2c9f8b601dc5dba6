package run

import (
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/verdict"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/scenario"
)

// judge puts the evidence together, and the metrics where the verdict says.
func (c *conductor) judge(all measured, histograms map[string]*latency.Histogram) {
	v := verdict.Judge(c.evidence(all, histograms))
	if c.ended != "" {
		v.Partial = true
		if !c.stopped {
			v.Reasons = append(v.Reasons, "the run ended early: "+c.ended)
		}
	}
	if c.lost != nil {
		v.Verdict = verdict.Invalid
	}
	c.result.Verdict = v
	c.result.Metrics, c.result.Untrusted = verdict.Split(v, all)
}

func (c *conductor) evidence(all measured, histograms map[string]*latency.Histogram) verdict.Evidence {
	alive := !c.gone
	edges := c.measureEdges
	if c.Scenario.Workload == scenario.Connect {
		edges = c.rampEdges
	}
	e := verdict.Evidence{
		Scenario: c.Scenario, Metrics: all, Ledger: c.result.Ledger, Failures: c.result.Failures,
		Interrupted: c.stopped, TargetAlive: &alive,
		Requested: c.ramp.requested, Opened: c.ramp.opened, Outstanding: c.left,
		Delivery: histograms[engine.Delivery], SentDelivery: histograms[engine.SentDelivery],
		SendLag: histograms[engine.SendLag], ReadLag: histograms[engine.ReadLag], Blocked: histograms[engine.Blocked],
		BusiestLoop: edges.busiest(), Interval: edges.length(),
		GeneratorCPU: duration(cpu(edges.generator)), TargetCPU: duration(cpu(edges.target)), CPUs: c.CPUs,
	}
	var lastArrival int64
	for _, a := range c.accounts {
		e.Arrivals += a.ExactStamps + a.BoundStamps + a.MissingStamps
		e.StampsMissing += a.MissingStamps
		e.FilledBuffers += a.FilledBuffers
		lastArrival = max(lastArrival, a.LastArrival)
	}
	if lastArrival > 0 && c.measureAt > 0 {
		overrun := time.Duration(lastArrival-c.measureAt) - c.Scenario.Phases.Measure
		e.Overrun = &overrun
	}
	return e
}

// edges are the readings at the two ends of a stretch of the run.
type edges struct {
	target, generator [2]*vitals.Reading
	loops             [2][][]time.Duration // CPU time of each worker's loops
	at                [2]int64
}

// length of the stretch.
func (e *edges) length() time.Duration { return time.Duration(e.at[1] - e.at[0]) }

// busiest is the share of the stretch that the busiest loop of any worker was
// on a CPU; nil if the loops were not observed.
func (e *edges) busiest() *float64 {
	if e.length() <= 0 || len(e.loops[0]) != len(e.loops[1]) {
		return nil
	}
	var most *time.Duration
	for w := range e.loops[0] {
		if len(e.loops[0][w]) != len(e.loops[1][w]) {
			return nil
		}
		for l, before := range e.loops[0][w] {
			if used := e.loops[1][w][l] - before; most == nil || used > *most {
				most = &used
			}
		}
	}
	if most == nil {
		return nil
	}
	return number(most.Seconds() / e.length().Seconds())
}

func duration(seconds *float64) *time.Duration {
	if seconds == nil {
		return nil
	}
	d := time.Duration(*seconds * float64(time.Second))
	return &d
}
