package result

import (
	"fmt"
	"strings"
	"time"

	"fanbench/loadgen/latency"
)

// A Quantile is a share and the name under which metrics carry it.
type Quantile struct {
	Name string
	Q    float64
}

// Quantiles are what every histogram is summed up by.
var Quantiles = [...]Quantile{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}}

// Enough says whether a number of publications carries a quantile: it needs
// 10 ÷ (1−q) of them, for the deliveries of one publication are not independent.
// The maximum is what it is with any number.
func Enough(publications uint64, q float64) bool {
	return q >= 1 || float64(publications)*(1-q) > 10-1e-6
}

// MetricGroup is the group of metrics that sums a histogram up: sent_delivery
// for sent-delivery.
func MetricGroup(histogram string) string { return strings.ReplaceAll(histogram, "-", "_") }

// QuantileMetrics sums a histogram up as metrics in seconds, name.p50 to
// name.max. With publications, the number of them that the records rest on, a
// quantile that they do not carry is marked; 0 leaves them out where they do
// not matter. An empty histogram has no quantiles.
func QuantileMetrics(name string, h *latency.Histogram, publications uint64) map[string]Metric {
	metrics := make(map[string]Metric)
	if h.Count() == 0 {
		return metrics
	}
	for _, q := range Quantiles {
		metrics[name+"."+q.Name] = Metric{
			Value: h.Quantile(q.Q).Seconds(), Unit: "seconds", Better: "lower", N: uint64(h.Count()),
			Publications: publications, Marked: publications > 0 && !Enough(publications, q.Q),
		}
	}
	return metrics
}

// NewHistogram encodes a histogram for the result.
func NewHistogram(name string, h *latency.Histogram) (Histogram, error) {
	data, err := h.Encode()
	if err != nil {
		return Histogram{}, fmt.Errorf("add histogram %s: %w", name, err)
	}
	return Histogram{
		Name: name, Unit: "ns", Lowest: int64(latency.Lowest), Highest: int64(latency.Highest), Digits: h.Digits(),
		Count: h.Count(), Overflow: h.Overflow(), Negative: h.Negative(), Encoding: latency.Encoding, Data: data,
	}, nil
}

// Decode returns the histogram with its records.
func (h Histogram) Decode() (*latency.Histogram, error) {
	if h.Encoding != latency.Encoding || h.Unit != "ns" {
		return nil, fmt.Errorf("decode histogram %s: %s in %s, want %s in ns", h.Name, h.Encoding, h.Unit, latency.Encoding)
	}
	decoded, err := latency.Decode(h.Data, h.Overflow, h.Negative)
	if err != nil {
		return nil, fmt.Errorf("histogram %s: %w", h.Name, err)
	}
	return decoded, nil
}

// Histogram returns the histogram of that name, if the result has it.
func (r *Result) Histogram(name string) (Histogram, bool) {
	for _, h := range r.Histograms {
		if h.Name == name {
			return h, true
		}
	}
	return Histogram{}, false
}

// Metric returns a metric and whether it can be trusted; observed is false if
// the run has no such number.
func (r *Result) Metric(name string) (m Metric, trusted, observed bool) {
	if m, trusted = r.Metrics[name]; trusted {
		return m, true, true
	}
	m, observed = r.Untrusted[name]
	return m, false, observed
}

// Voided lists the tripped guards that void a metric group.
func (v Verdict) Voided(group string) []Guard {
	var guards []Guard
	for _, g := range v.Guards {
		for _, voided := range g.Voids {
			if g.Tripped && voided == group {
				guards = append(guards, g)
			}
		}
	}
	return guards
}

// String is the value with its unit and three significant digits.
func (m Metric) String() string {
	switch m.Unit {
	case "seconds":
		return formatDuration(time.Duration(m.Value * 1e9))
	case "bytes":
		return formatBytes(m.Value)
	case "1":
		return formatNumber(m.Value)
	default:
		return formatNumber(m.Value) + " " + m.Unit
	}
}
