// Package output gives a run's numbers the forms that other programs read: while
// it runs as a stream of JSON lines and a Prometheus endpoint, of each second as
// a histogram log, and of the result as CSV and percentile distributions.
//
// It computes nothing that the result does not hold. The result file is package
// result's, the formats of HDR histograms are package latency's.
package output

import (
	"maps"
	"slices"
	"time"

	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

// Second is what a run saw since the one before, about a second. What it refers
// to may be changed once whoever was told of it has returned.
type Second struct {
	Phase   string
	Started time.Time // of the run
	// Start and End since the run's start. The histograms' records were taken
	// up in between.
	Start, End time.Duration
	// Row of the series that ends now; a missing reading is nil.
	Columns []string
	Row     []*float64
	Counts  Counts
	// Histograms by their names in the result; some may be empty.
	Histograms map[string]*latency.Histogram
}

// Counts run from the run's start, except Open, which is now. The deliveries are
// unique ones of warm-up and measure together.
type Counts struct {
	Open       uint64 `json:"open"`
	Failed     uint64 `json:"failed"` // connections that did not open
	Closed     uint64 `json:"closed"` // opened and gone, whoever closed
	Sent       uint64 `json:"sent"`
	Unsent     uint64 `json:"unsent"`
	Delivered  uint64 `json:"delivered"`
	Duplicated uint64 `json:"duplicated"`
	Reordered  uint64 `json:"reordered"`
	Corrupt    uint64 `json:"corrupt"`
	Misrouted  uint64 `json:"misrouted"`
}

// recorded are the names of the histograms with records, in order.
func (s Second) recorded() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.Histograms)), func(name string) bool { return s.Histograms[name].Count() == 0 })
}

// Untrusted lists the histograms of a result whose metrics a guard voided, in
// order.
func Untrusted(r *result.Result) []string {
	names := []string{} // a list in JSON, even if empty
	for _, h := range r.Histograms {
		if voided(r, result.MetricGroup(h.Name)+".max") {
			names = append(names, h.Name)
		}
	}
	slices.Sort(names)
	return names
}

// voided says whether a metric was observed and cannot be trusted.
func voided(r *result.Result, metric string) bool {
	_, trusted, observed := r.Metric(metric)
	return observed && !trusted
}
