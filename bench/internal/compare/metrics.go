package compare

import "slices"

// Gating is the metrics that decide, and their minimum effects. Few, because
// each costs the others sensitivity; those that neighbours on the machine touch
// least come first.
var gating = []Metric{
	{Name: "target.cpu_per_delivery_seconds", Unit: "seconds", Better: Lower, MinEffect: 0.05},
	{Name: "target.rss_per_connection_bytes", Unit: "bytes", Better: Lower, MinEffect: 0.05},
	{Name: "deliveries_per_second", Unit: "deliveries/s", Better: Higher, MinEffect: 0.05},
	{Name: "delivery.p50", Unit: "seconds", Better: Lower, MinEffect: 0.10},
	{Name: "delivery.p99", Unit: "seconds", Better: Lower, MinEffect: 0.15, Publications: 1000},
}

// reported metrics stand in the table and decide nothing: their noise is too
// large, or they are the instrument's.
var reported = []Metric{
	{Name: "delivery.p99.9", Unit: "seconds", Better: Lower},
	{Name: "delivery.max", Unit: "seconds", Better: Lower},
	{Name: "completion.p50", Unit: "seconds", Better: Lower},
	{Name: "generator.cpu_per_delivery_seconds", Unit: "seconds", Better: Lower},
	{Name: "send_lag.p99", Unit: "seconds", Better: Lower},
}

// Metrics returns what is compared. fromSent takes the delivery latency from
// the first attempt to write instead of from the due time, as scenarios do that
// have no due times or offer more than can be sent.
func Metrics(fromSent bool) []Metric {
	all := slices.Concat(gating, reported)
	for i := range all {
		all[i].Gating = i < len(gating)
		if fromSent {
			all[i].Name = fromSentName(all[i].Name)
		}
	}
	return all
}

func fromSentName(name string) string {
	const due = "delivery."
	if len(name) > len(due) && name[:len(due)] == due {
		return "sent_" + name
	}
	return name
}
