package run

import (
	"fmt"
	"maps"
	"math"
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// measured is the metrics as they are put together.
type measured map[string]result.Metric

// add is for a value that may be absent.
func (m measured) add(name string, value *float64, unit, better string, n uint64) {
	if value != nil && !math.IsNaN(*value) && !math.IsInf(*value, 0) {
		m[name] = result.Metric{Value: *value, Unit: unit, Better: better, N: n}
	}
}

// metrics computes every metric that this run can answer for. publications is
// how many stand behind the deliveries.
func (c *conductor) metrics(histograms map[string]*latency.Histogram, publications uint64) measured {
	m := make(measured)
	for _, name := range order {
		h := histograms[name]
		if h == nil {
			continue
		}
		var behind uint64 // independent events, where the records are not
		switch name {
		case engine.Delivery, engine.SentDelivery, engine.SlowDelivery, engine.ReadDelivery, first, median, completion, spread:
			behind = publications
		}
		maps.Copy(m, result.QuantileMetrics(result.MetricGroup(name), h, behind))
	}
	c.throughput(m)
	c.cost(m)
	c.memory(m)
	c.movement(m)
	c.instrument(m, histograms)
	c.machine(m)
	return m
}

func (c *conductor) throughput(m measured) {
	if s := c.ramp.seconds; s > 0 {
		m.add("connections_per_second", number(float64(c.ramp.opened)/s), "connections/s", "higher", uint64(c.ramp.opened))
	}
	if c.Scenario.Deflate {
		m.add("connections.deflated_share", per(number(float64(c.ramp.deflated)), uint64(c.ramp.opened)), "1", "", uint64(c.ramp.opened))
	}
	var lastArrival int64
	for _, a := range c.accounts {
		lastArrival = max(lastArrival, a.LastArrival)
	}
	if delivered := c.result.Ledger.MeasuredDelivered; delivered > 0 && lastArrival > c.measureAt {
		elapsed := time.Duration(lastArrival - c.measureAt).Seconds()
		m.add("deliveries_per_second", number(float64(delivered)/elapsed), "deliveries/s", "higher", delivered)
	}
}

// cost is what was used over exactly the measured phase with its drain, and CPU
// time over the ramp for the connections. Memory and descriptors are those at
// the end.
func (c *conductor) cost(m measured) {
	delivered := c.result.Ledger.MeasuredDelivered
	opened := uint64(c.ramp.opened)
	for _, of := range []struct {
		name           string
		measured, ramp *float64
		edges          [2]*vitals.Reading
	}{
		{"generator", cpu(c.measureEdges.generator), cpu(c.rampEdges.generator), c.measureEdges.generator},
		{"target", cpu(c.measureEdges.target), cpu(c.rampEdges.target), c.measureEdges.target},
	} {
		m.add(of.name+".cpu_seconds", of.measured, "seconds", "lower", 0)
		m.add(of.name+".cpu_per_delivery_seconds", per(of.measured, delivered), "seconds", "lower", delivered)
		m.add(of.name+".cpu_per_connection_seconds", per(of.ramp, opened), "seconds", "lower", opened)
		if from, to := of.edges[0], of.edges[1]; from != nil && to != nil {
			m.add(of.name+".resident_bytes", number(float64(to.ResidentBytes)), "bytes", "lower", 0)
			m.add(of.name+".descriptors", number(float64(to.Descriptors)), "1", "", 0)
			if to.ContextSwitches >= from.ContextSwitches { // threads that ended take theirs along
				m.add(of.name+".context_switches", number(float64(to.ContextSwitches-from.ContextSwitches)), "1", "lower", 0)
			}
		}
	}
}

// memory is resident memory after the idle phase less before the first connect.
func (c *conductor) memory(m measured) {
	opened := uint64(c.ramp.opened)
	m.add("generator.rss_per_connection_bytes", per(resident(c.idleEdges.generator), opened), "bytes", "lower", opened)
	m.add("target.rss_per_connection_bytes", per(resident(c.idleEdges.target), opened), "bytes", "lower", opened)
}

// instrument is what the generator says of itself.
func (c *conductor) instrument(m measured, histograms map[string]*latency.Histogram) {
	var exact, all, glued, slowExact uint64
	var pauses int64
	var total, longest time.Duration
	for _, a := range c.accounts {
		glued += a.Glued
		slowExact += a.SlowExactStamps
		exact += a.ExactStamps
		all += a.ExactStamps + a.BoundStamps + a.MissingStamps
		pauses += a.GCPauses
		total += a.GCPauseTotal
		longest = max(longest, a.GCPauseMax)
	}
	if h := histograms[engine.SlowDelivery]; h != nil {
		m.add("slow_delivery.exact_share", per(number(float64(slowExact)), uint64(h.Count())), "1", "higher", uint64(h.Count()))
	}
	if glued > 0 {
		m.add("glued_frames", number(float64(glued)), "1", "", 0)
	}
	if all > 0 {
		m.add("stamps.exact_share", number(float64(exact)/float64(all)), "1", "higher", all)
	}
	if len(c.accounts) > 0 {
		m.add("generator.gc_pause.total", number(total.Seconds()), "seconds", "lower", uint64(pauses))
		m.add("generator.gc_pause.max", number(longest.Seconds()), "seconds", "lower", uint64(pauses))
	}
}

// per divides; nil if there is nothing to divide or nothing to divide by.
func per(value *float64, n uint64) *float64 {
	if value == nil || n == 0 {
		return nil
	}
	return number(*value / float64(n))
}

// conclude turns what was gathered into the result.
func (c *conductor) conclude() {
	histograms := c.histograms()
	var publications, complete uint64
	switch c.Scenario.Workload {
	case scenario.Fanout:
		publications, complete = c.publications(histograms)
	case scenario.Echo: // each delivery is a publication of its own
		publications = c.result.Ledger.MeasuredDelivered
		complete = publications
	}
	if n := publications - complete; n > 0 && !c.moving() {
		c.warn(fmt.Sprintf("%s did not reach every subscriber of the plan; completion and spread count those reached",
			plural(int(n), "publication", "publications")), "see lost deliveries and failures")
	}
	for _, name := range order {
		if h := histograms[name]; h != nil && h.Overflow() > 0 {
			c.warn(fmt.Sprintf("%d values of %s were longer than %v and count as that", h.Overflow(), name, latency.Highest), "lower the rate")
		}
	}
	var steps uint64
	for _, a := range c.accounts {
		steps = max(steps, a.ClockSteps)
	}
	if steps > 0 {
		c.warn("the wall clock was stepped "+plural(int(steps), "time", "times")+" during the run; arrivals were converted with the offset before and after",
			"stop time synchronisation that steps while measuring")
	}
	if n := c.ramp.opened - c.ramp.deflated; c.Scenario.Deflate && n > 0 {
		c.warn(fmt.Sprintf("%d of %s did not negotiate permessage-deflate, which was offered", n, plural(c.ramp.opened, "connection", "connections")),
			"turn compression on in the target (the reference server: --deflate), or leave deflate out")
	}
	c.encode(histograms)
	c.result.Series = result.Series{IntervalSeconds: rowInterval.Seconds(), Columns: columns, Rows: c.rows.rows}
	all := c.metrics(histograms, publications)
	c.judge(all, histograms)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
