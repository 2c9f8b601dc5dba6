package run

import (
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/verdict"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// judge puts the evidence together, and the metrics where the verdict says.
func (c *conductor) judge(all measured, histograms map[string]*latency.Histogram) {
	e, absent := c.evidence(all, histograms)
	v := verdict.Judge(e)
	v.Absent = absent
	if c.ended != "" {
		v.Partial = true
		if !c.stopped {
			v.Reasons = append(v.Reasons, "the run ended early: "+c.ended)
		}
	}
	if c.lost != nil {
		v.Verdict = result.Invalid
	}
	c.result.Verdict = v
	c.result.Metrics, c.result.Untrusted = verdict.Split(v, all)
	c.result.SLO = c.objectives.watch.Judge(c.result)
}

func (c *conductor) evidence(all measured, histograms map[string]*latency.Histogram) (verdict.Evidence, []result.Absence) {
	alive := !c.gone
	edges := c.stretch()
	e := verdict.Evidence{
		Scenario: c.Scenario, Metrics: all, Ledger: c.result.Ledger, Failures: c.result.Failures,
		Interrupted: c.stopped, TargetAlive: &alive,
		Requested: c.ramp.requested, Opened: c.ramp.opened, Held: c.held, Outstanding: c.left,
		Delivery: histograms[engine.Delivery], SentDelivery: histograms[engine.SentDelivery],
		SendLag: histograms[engine.SendLag], ReadLag: histograms[engine.ReadLag], Blocked: histograms[engine.Blocked],
		BusiestLoop: share(edges.loops, edges.length()), Interval: edges.length(), Abandoned: c.abandoned,
		GeneratorCPU: duration(cpu(edges.generator)), TargetCPU: duration(cpu(edges.target)), CPUs: c.CPUs,
		TargetCores: c.TargetCPUs, Local: c.Local,
	}
	absent := c.observeHost(&e, edges)
	var lastArrival int64
	for _, a := range c.accounts {
		e.Arrivals += a.ExactStamps + a.BoundStamps + a.MissingStamps
		e.StampsExact += a.ExactStamps
		e.StampsMissing += a.MissingStamps
		e.ClockSteps = max(e.ClockSteps, a.ClockSteps)
		if e.GCPause == nil || a.GCPauseMax > *e.GCPause {
			e.GCPause = &a.GCPauseMax
		}
		e.FilledBuffers += a.FilledBuffers
		lastArrival = max(lastArrival, a.LastArrival)
	}
	if lastArrival > 0 && c.measureAt > 0 {
		overrun := time.Duration(lastArrival-c.measureAt) - c.Scenario.Phases.Measure
		e.Overrun = &overrun
	}
	return e, absent
}

// observeHost adds what the machine did in the stretch, and returns what it has
// no counters for.
func (c *conductor) observeHost(e *verdict.Evidence, edges edges) []result.Absence {
	e.RunDelay = share(edges.delays, edges.length())
	if c.Machine == nil || edges.length() <= 0 {
		return nil
	}
	e.Standstill = &edges.stood
	e.Host = edges.machine[1].Since(edges.machine[0])
	if onCPU, delay, known := vitals.Busiest(edges.threads[0], edges.threads[1]); known {
		e.TargetBusiest = number(onCPU.Seconds() / edges.length().Seconds())
		e.TargetDelay = number(delay.Seconds() / edges.length().Seconds())
	}
	return absences(e.Host, e.RunDelay != nil)
}

// edges are the readings at the two ends of a stretch of the run.
type edges struct {
	target, generator [2]*vitals.Reading
	loops             [2][][]time.Duration // CPU time of each worker's loops
	at                [2]int64
	hostEdges
}

// stretch is what the guards look at: the measured phase with its drain, or the
// ramp where connections are only held.
func (c *conductor) stretch() edges {
	if c.Scenario.Workload == scenario.Connect {
		return c.rampEdges
	}
	return c.measureEdges
}

// length of the stretch.
func (e *edges) length() time.Duration { return time.Duration(e.at[1] - e.at[0]) }

func duration(seconds *float64) *time.Duration {
	if seconds == nil {
		return nil
	}
	d := time.Duration(*seconds * float64(time.Second))
	return &d
}
