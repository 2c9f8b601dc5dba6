package output

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

// Metrics is a run's state for Prometheus, a second old at most. Nothing in it
// has been judged. Handler may be used while seconds are added.
type Metrics struct {
	mu         sync.Mutex
	phase      string
	values     map[string]float64 // by name in single
	histograms map[string]*classic
	registry   *prometheus.Registry
}

// classic is a histogram as Prometheus counts it, since the run's start.
type classic struct {
	counts []uint64 // of bounds, not cumulative
	total  uint64
	sum    float64 // seconds
}

// bounds of the buckets in seconds, 1, 2 and 5 of each decade from 10 µs to
// 500 s. A record counts as the lower end of its histogram's step, so that one of
// exactly a bound is below it; from 16 µs on that is within 0.1 % of the record.
var bounds = func() (all []float64) {
	for _, decade := range []float64{1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100} {
		all = append(all, decade, 2*decade, 5*decade)
	}
	return all
}()

const prefix = "fanbench_loadgen_"

// metric has one value: a count, or the reading in a column of the series, which
// may be missing.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	count      func(Counts) uint64
	column     string
}

func (m metric) read(s Second) (value float64, found bool) {
	if m.count != nil {
		return float64(m.count(s.Counts)), true
	}
	if i := slices.Index(s.Columns, m.column); i >= 0 && s.Row[i] != nil {
		return *s.Row[i], true
	}
	return 0, false
}

var single = []metric{
	{"connections", "Connections that are open.", prometheus.GaugeValue, func(c Counts) uint64 { return c.Open }, ""},
	{"connections_failed_total", "Connections that did not open.", prometheus.CounterValue, func(c Counts) uint64 { return c.Failed }, ""},
	{"connections_closed_total", "Connections that were open and are gone, whoever closed.", prometheus.CounterValue, func(c Counts) uint64 { return c.Closed }, ""},
	{"publications_sent_total", "Publications that left.", prometheus.CounterValue, func(c Counts) uint64 { return c.Sent }, ""},
	{"publications_unsent_total", "Publications that were due and did not leave.", prometheus.CounterValue, func(c Counts) uint64 { return c.Unsent }, ""},
	{"deliveries_total", "Unique deliveries.", prometheus.CounterValue, func(c Counts) uint64 { return c.Delivered }, ""},
	{"deliveries_duplicated_total", "Deliveries that had arrived before.", prometheus.CounterValue, func(c Counts) uint64 { return c.Duplicated }, ""},
	{"deliveries_reordered_total", "Deliveries after a later one of the same publisher.", prometheus.CounterValue, func(c Counts) uint64 { return c.Reordered }, ""},
	{"deliveries_corrupt_total", "Deliveries whose checksum is wrong.", prometheus.CounterValue, func(c Counts) uint64 { return c.Corrupt }, ""},
	{"deliveries_misrouted_total", "Deliveries of another room's publication.", prometheus.CounterValue, func(c Counts) uint64 { return c.Misrouted }, ""},
	{"deliveries_missing", "Deliveries missing before later ones.", prometheus.GaugeValue, nil, "missing"},
	{"deliveries_outstanding", "Deliveries that are expected and have not arrived.", prometheus.GaugeValue, nil, "outstanding"},
	{"target_cpu_seconds_total", "CPU time of the target's processes.", prometheus.CounterValue, nil, "target_cpu_seconds"},
	{"target_resident_bytes", "Resident memory of the target's processes.", prometheus.GaugeValue, nil, "target_resident_bytes"},
	{"generator_cpu_seconds_total", "CPU time of the generator's processes.", prometheus.CounterValue, nil, "generator_cpu_seconds"},
	{"generator_resident_bytes", "Resident memory of the generator's processes.", prometheus.GaugeValue, nil, "generator_resident_bytes"},
}

// NewMetrics is the state of one run, whose id and scenario are labels of
// fanbench_loadgen_run_info.
func NewMetrics(runID, scenario string) *Metrics {
	m := &Metrics{values: make(map[string]float64), histograms: make(map[string]*classic), registry: prometheus.NewPedanticRegistry()}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: prefix + "run_info", Help: "The run that this is of; always 1.",
		ConstLabels: prometheus.Labels{"run_id": runID, "scenario": scenario},
	})
	info.Set(1)
	m.registry.MustRegister(info, m)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Observe adds a second.
func (m *Metrics) Observe(s Second) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = s.Phase
	for _, metric := range single {
		value, found := metric.read(s)
		if metric.kind == prometheus.CounterValue {
			value = max(value, m.values[metric.name]) // what is lost with a worker was counted
		}
		if found {
			m.values[metric.name] = value
		} else if metric.kind == prometheus.GaugeValue {
			delete(m.values, metric.name)
		}
	}
	for _, name := range s.recorded() {
		c := m.histograms[name]
		if c == nil {
			c = &classic{counts: make([]uint64, len(bounds))}
			m.histograms[name] = c
		}
		c.add(s.Histograms[name])
	}
}

func (c *classic) add(h *latency.Histogram) {
	for _, step := range h.Steps() {
		// Above the last bound is the total's alone.
		if i, _ := slices.BinarySearch(bounds, step.Low.Seconds()); i < len(bounds) {
			c.counts[i] += uint64(step.Count)
		}
	}
	c.total += uint64(h.Count())
	c.sum += float64(h.Count()) * float64(h.Mean()) / float64(time.Second)
}

// Describe describes nothing: which metrics there are depends on the run.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect reports the latest second.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.phase != "" {
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc(prefix+"phase", "The phase that the run is in; always 1.", []string{"phase"}, nil),
			prometheus.GaugeValue, 1, m.phase)
	}
	for _, metric := range single {
		if value, found := m.values[metric.name]; found {
			to <- prometheus.MustNewConstMetric(prometheus.NewDesc(prefix+metric.name, metric.help, nil, nil), metric.kind, value)
		}
	}
	for name, c := range m.histograms {
		buckets := make(map[float64]uint64)
		var below uint64
		for i, bound := range bounds {
			below += c.counts[i]
			buckets[bound] = below
		}
		desc := prometheus.NewDesc(prefix+result.MetricGroup(name)+"_seconds",
			"The run's "+name+" histogram, not judged yet.", nil, nil)
		to <- prometheus.MustNewConstHistogram(desc, c.total, c.sum, buckets)
	}
}
