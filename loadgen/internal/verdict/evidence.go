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
	// Held is how many of the opened were still open when resident memory was
	// read and, where connections are only held, at the end.
	Held *int
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

// none is for what no guard can void: the evidence itself, and counts and
// readings that are what they are.
const none = ""

// groups by the part of a metric's name before the first dot, of a reading of a
// process by the next part.
var groups = map[string]string{
	"delivery": scenario.GroupDelivery, "slow_delivery": scenario.GroupDelivery,
	"first": scenario.GroupDelivery, "median": scenario.GroupDelivery, "completion": scenario.GroupDelivery,
	"sent_delivery": scenario.GroupSentDelivery, "spread": scenario.GroupSentDelivery,
	// A part of the time from sent.
	"blocked": scenario.GroupSentDelivery,
	// Of a closed loop, whose throughput is the inverse of it.
	"read_delivery":         scenario.GroupThroughput,
	"deliveries_per_second": scenario.GroupThroughput,
	"connect":               scenario.GroupConnect, "connections_per_second": scenario.GroupConnect,
	"tls_handshake": scenario.GroupConnect, "recovery": scenario.GroupConnect, "recovery_seconds": scenario.GroupConnect,
	"rss_per_connection_bytes": scenario.GroupResident,
	"cpu_seconds":              scenario.GroupCPU, "cpu_per_delivery_seconds": scenario.GroupCPU, "cpu_per_connection_seconds": scenario.GroupCPU,

	// The error bar.
	"send_lag": none, "read_lag": none, "gc_pause": none, "stamps": none,
	"run_delay_share": none, "cpu_busy_share": none, "cpu_pressure_share": none, "steal_share": none, "throttled_share": none,
	// Readings and counts.
	"resident_bytes": none, "descriptors": none, "context_switches": none,
	"connections": none, "churn": none, "reconnects": none, "glued_frames": none,
}

// Group is the metric group that a metric belongs to, empty for one that cannot
// be voided.
func Group(metric string) string { return groups[family(metric)] }

// family is the part of a metric's name that stands in groups.
func family(metric string) string {
	first, rest, _ := strings.Cut(metric, ".")
	if first == "generator" || first == "target" {
		first, _, _ = strings.Cut(rest, ".")
	}
	return first
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
