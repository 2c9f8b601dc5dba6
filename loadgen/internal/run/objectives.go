package run

import (
	"time"

	"fanbench/loadgen/internal/slo"
	"fanbench/loadgen/result"
)

// objectives are the scenario's conditions while the run is under way.
type objectives struct {
	watch *slo.Watch
	// At the row before:
	missing   uint64 // before later ones, at some receiver
	reordered uint64 // arrived after later ones, so far
}

// lost is how many deliveries have been missing since the row before at least:
// as many as were, less those that have come since. What came may also be what
// only went missing since; then it is too few, and the end tells the rest.
func (o *objectives) lost(now totals) float64 {
	came := now.counts.Reordered - min(o.reordered, now.counts.Reordered)
	lost := o.missing - min(o.missing, came)
	o.missing, o.reordered = now.missing, now.counts.Reordered
	return float64(min(lost, now.missing))
}

// second judges the row that has just been taken.
func (c *conductor) second(phase string, now int64, row []*float64) {
	o := &c.objectives
	lost := o.lost(c.last)
	if phase != "measure" || c.measureAt == 0 {
		return
	}
	if reason := o.watch.Second(time.Duration(now-c.measureAt), func(metric string) (float64, bool) {
		if metric == "lost" {
			return lost, true
		}
		return c.figure(metric, row)
	}); reason != "" {
		c.abandoned = true
		c.end(reason)
	}
}

// figure is what the latest second says of a metric.
func (c *conductor) figure(metric string, row []*float64) (float64, bool) {
	for i, column := range columns {
		if value := row[i]; value != nil && liveColumns[metric] == column {
			return *value, true
		}
	}
	for name, h := range c.slice {
		if m, found := result.QuantileMetrics(result.MetricGroup(name), h, 0)[metric]; found {
			return m.Value, true
		}
	}
	return 0, false
}

// liveColumns are the columns that hold a metric as it is, by the metric.
var liveColumns = map[string]string{
	"deliveries_per_second":     "deliveries_per_second",
	"target.resident_bytes":     "target_resident_bytes",
	"generator.resident_bytes":  "generator_resident_bytes",
	"generator.run_delay_share": "generator_run_delay_share",
	"cpu_busy_share":            "cpu_busy_share",
	"cpu_pressure_share":        "cpu_pressure_share",
	"steal_share":               "steal_share",
	"throttled_share":           "throttled_share",
}
