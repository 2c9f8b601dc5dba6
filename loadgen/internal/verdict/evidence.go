// Package verdict judges a run: can its numbers be trusted, metric group by
// metric group, and was it the server or the generator that limited it?
//
// It is arithmetic on what was observed. What was not observed is absent from
// the verdict; it never counts for or against anybody. The rules are the
// design's "Verdicts and exit codes".
package verdict

import (
	"strings"
	"time"

	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Evidence is what a run observed. A nil pointer is a source that the host, the
// workload or the flags did not offer.
type Evidence struct {
	Scenario scenario.Scenario
	// Metrics is everything measured, trusted or not.
	Metrics  map[string]result.Metric
	Ledger   result.Ledger
	Failures []result.Failure

	// Interrupted: somebody ended the run early.
	Interrupted bool
	// TargetAlive: at the run's end the target still served.
	TargetAlive *bool
	// Requested and Opened connections.
	Requested, Opened int
	// Outstanding deliveries when the last drain ended.
	Outstanding *uint64

	// Histograms of the measured phase.
	Delivery, SentDelivery, SendLag, ReadLag, Blocked *latency.Histogram

	// Arrivals in the measured phase, and how many of them had no kernel time
	// stamp.
	Arrivals, StampsMissing uint64
	// FilledBuffers counts reads that emptied a receive buffer at least half
	// full.
	FilledBuffers uint64

	// BusiestLoop is the share of the measured time, 0 to 1, that the busiest
	// of the generator's loops was on a CPU.
	BusiestLoop *float64
	// Interval is the time over which the CPU times below were taken: measure
	// and its drain, or the ramp where connections are only held.
	Interval                time.Duration
	GeneratorCPU, TargetCPU *time.Duration
	// CPUs of the machine; TargetCores is how many of them the target's loops
	// can use at once, 0 if that is not known.
	CPUs, TargetCores int
	// Overrun is the last measured arrival minus the measured phase's end;
	// negative if everything had arrived before.
	Overrun *time.Duration
}

// Group is the metric group that a metric belongs to, by the part of its name
// before the first dot. Lags and collection pauses belong to none: they are the
// error bar and cannot be voided.
func Group(metric string) string {
	switch {
	case strings.HasSuffix(metric, ".rss_per_connection_bytes"):
		return scenario.GroupResident
	case strings.HasSuffix(metric, ".cpu_per_delivery_seconds"), strings.HasSuffix(metric, ".cpu_seconds"):
		return scenario.GroupCPU
	}
	family, _, _ := strings.Cut(metric, ".")
	switch family {
	case "delivery", "completion":
		return scenario.GroupDelivery
	case "sent_delivery", "spread":
		return scenario.GroupSentDelivery
	case "deliveries_per_second":
		return scenario.GroupThroughput
	case "connect", "connections_per_second":
		return scenario.GroupConnect
	}
	return ""
}

// Split parts metrics into those that the verdict leaves standing and those
// that a guard voids.
func Split(v result.Verdict, metrics map[string]result.Metric) (trusted, untrusted map[string]result.Metric) {
	trusted, untrusted = make(map[string]result.Metric), make(map[string]result.Metric)
	for name, m := range metrics {
		if group := Group(name); group != "" && len(v.Voided(group)) > 0 {
			untrusted[name] = m
		} else {
			trusted[name] = m
		}
	}
	return trusted, untrusted
}
