package scenario

import (
	"maps"
	"slices"
	"strings"
)

// What a condition can be on: every metric and every ledger entry that a result
// may have, by name, with its unit.
var (
	// distributions have the quantiles below, in seconds.
	distributions = []string{
		"delivery", "sent_delivery", "read_delivery", "slow_delivery", "first", "median", "completion", "spread",
		"read_lag", "send_lag", "blocked", "connect", "tls_handshake", "recovery",
	}
	quantiles = []string{"p50", "p90", "p99", "p99.9", "max"}

	// readings are of both processes, target and generator.
	readings = map[string]string{
		"cpu_seconds": Seconds, "cpu_per_delivery_seconds": Seconds, "cpu_per_connection_seconds": Seconds,
		"resident_bytes": Bytes, "rss_per_connection_bytes": Bytes,
		"descriptors": Number, "context_switches": Number, "run_delay_share": Number,
	}

	scalars = map[string]string{
		"connections_per_second": Number, "deliveries_per_second": Number,
		"connections.deflated_share": Number, "stamps.exact_share": Number, "slow_delivery.exact_share": Number,
		"generator.gc_pause.total": Seconds, "generator.gc_pause.max": Seconds,
		"recovery_seconds": Seconds,
		"churn.left":       Number, "churn.joined": Number, "reconnects": Number,
		"glued_frames": Number, "cpu_busy_share": Number, "cpu_pressure_share": Number,
		"steal_share": Number, "throttled_share": Number,
	}

	entries = []string{
		"planned", "sent", "unsent", "expected", "delivered", "lost", "lost_up", "lost_down", "excluded",
		"duplicated", "reordered", "corrupt", "misrouted", "foreign", "unknown", "late",
		"measured_planned", "measured_sent", "measured_delivered",
	}

	known = catalogue()
)

// Metrics maps the name of every metric that a result may have to its unit.
func Metrics() map[string]string {
	all := maps.Clone(scalars)
	for _, of := range distributions {
		for _, q := range quantiles {
			all[of+"."+q] = Seconds
		}
	}
	for name, unit := range readings {
		all["target."+name], all["generator."+name] = unit, unit
	}
	return all
}

// catalogue maps every name to its unit.
func catalogue() map[string]string {
	all := Metrics()
	for _, name := range entries {
		all[name] = Number
	}
	return all
}

// lookUp finds a metric by its name in a result, of which the unit at the end
// may be left out.
func lookUp(name string) (metric, unit string, found bool) {
	for _, metric := range []string{name, name + "_seconds", name + "_bytes"} {
		if unit, found := known[metric]; found {
			return metric, unit, true
		}
	}
	return "", "", false
}

// metricNames are all the names, as a condition's author may write them.
func metricNames() []string {
	var names []string
	for name := range known {
		names = append(names, strings.TrimSuffix(strings.TrimSuffix(name, "_seconds"), "_bytes"))
	}
	slices.Sort(names)
	return names
}
