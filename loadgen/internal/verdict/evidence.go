// Package verdict judges a run: can its numbers be trusted, metric group by
// metric group, and was it the server, the generator or the link that limited
// it?
//
// It is arithmetic on what was observed. What was not observed is absent from
// the verdict; it never counts for or against anybody. The rules are the
// design's "Verdicts and exit codes".
package verdict

import (
	"strings"
	"time"

	"fanbench/loadgen/internal/vitals"
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

	// Arrivals in the measured phase, how many of them had a kernel time stamp
	// of their own, and how many had none. The others share the stamp of a later
	// arrival.
	Arrivals, StampsExact, StampsMissing uint64
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
	// CPUs that the generator, and a target on the same machine, may use;
	// TargetCores is how many of them the target may, 0 if that is not known.
	CPUs, TargetCores int
	// Host is what the generator's machine did over the same interval.
	Host vitals.HostReading
	// Local: the target is on that machine too.
	Local bool
	// RunDelay is the share of the interval, 0 to 1, that the loop which waited
	// longest was runnable and had no CPU.
	RunDelay *float64
	// TargetBusiest and TargetDelay are the same shares of the target's threads:
	// of the one that was longest on a CPU, and of the one that waited longest.
	TargetBusiest, TargetDelay *float64
	// Standstill is the longest time in the interval that one of the generator's
	// processes did not answer or did not wake up when it should have.
	Standstill *time.Duration
	// GCPause is the generator's longest garbage-collection pause in the
	// measured phase.
	GCPause *time.Duration
	// ClockSteps is how often the wall clock was seen to jump.
	ClockSteps uint64
	// Abandoned: a condition of the scenario ended the run early, so that not
	// everything planned was due.
	Abandoned bool
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
	case "delivery", "first", "median", "completion":
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
