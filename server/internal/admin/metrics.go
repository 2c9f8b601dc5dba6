package admin

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"fanbench/server/internal/backplane"
	"fanbench/server/internal/gateway"
	"fanbench/server/internal/supervisor"
)

const prefix = "fanbench_server_"

// NewRegistry returns a registry with the Go runtime's and the process's own metrics and those of the collectors.
func NewRegistry(version string, own ...prometheus.Collector) *prometheus.Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "1, labelled with the version.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(own...)
	return registry
}

// metric turns one figure of a snapshot S into a metric.
type metric[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(S) float64
}

// labelled turns one map of a snapshot S into a metric per key, which is a label's value.
type labelled[S any] struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	counts func(S) map[string]uint64
}

func gauge[S any](name, help string, value func(S) float64) metric[S] {
	return metric[S]{prometheus.NewDesc(prefix+name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter[S any](name, help string, value func(S) uint64) metric[S] {
	return metric[S]{prometheus.NewDesc(prefix+name, help, nil, nil), prometheus.CounterValue,
		func(s S) float64 { return float64(value(s)) }}
}

func byLabel[S any](label, name, help string, counts func(S) map[string]uint64) labelled[S] {
	return labelled[S]{prometheus.NewDesc(prefix+name, help, []string{label}, nil), prometheus.CounterValue, counts}
}

func gaugeByLabel[S any](label, name, help string, counts func(S) map[string]uint64) labelled[S] {
	return labelled[S]{prometheus.NewDesc(prefix+name, help, []string{label}, nil), prometheus.GaugeValue, counts}
}

func byReason[S any](name, help string, counts func(S) map[string]uint64) labelled[S] {
	return byLabel("reason", name, help, counts)
}

// collector takes one snapshot per scrape, so that the figures of a scrape belong together.
type collector[S any] struct {
	snapshot func() S
	metrics  []metric[S]
	labelled []labelled[S]
}

func (c collector[S]) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		out <- m.desc
	}
	for _, l := range c.labelled {
		out <- l.desc
	}
}

func (c collector[S]) Collect(out chan<- prometheus.Metric) {
	s := c.snapshot()
	for _, m := range c.metrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s))
	}
	for _, l := range c.labelled {
		for value, n := range l.counts(s) {
			out <- prometheus.MustNewConstMetric(l.desc, l.kind, float64(n), value)
		}
	}
}

// GatewayMetrics collects what a gateway counts.
func GatewayMetrics(snapshot func() gateway.Stats) prometheus.Collector {
	type S = gateway.Stats
	return collector[S]{
		snapshot,
		[]metric[S]{
			gauge("connections", "Sockets open now, in any state.", func(s S) float64 { return float64(s.Connections) }),
			gauge("connections_upgraded", "WebSocket connections that neither side has begun to close.", func(s S) float64 { return float64(s.Upgraded) }),
			gauge("connections_lagging", "Connections whose send buffer is full now.", func(s S) float64 { return float64(s.Lagging) }),
			gauge("rooms", "Rooms with a member now.", func(s S) float64 { return float64(s.Rooms) }),
			counter("connections_opened_total", "Sockets admitted.", func(s S) uint64 { return s.Opened }),
			counter("messages_received_total", "Whole data messages received.", func(s S) uint64 { return s.Messages }),
			counter("publications_total", "Messages published to rooms with members, other workers' included.", func(s S) uint64 { return s.Publications }),
			counter("encodings_total", "Publications compressed for the members of a room with one window size.", func(s S) uint64 { return s.Encodings }),
			counter("deliveries_total", "Publications taken whole by the kernel, per member.", func(s S) uint64 { return s.Deliveries }),
			counter("delivered_bytes_total", "Bytes of deliveries taken by the kernel.", func(s S) uint64 { return s.DeliveredBytes }),
			counter("delivery_writes_total", "Write calls of deliveries.", func(s S) uint64 { return s.Writes }),
			counter("passes_total", "Times that a room's members on one event loop were visited.", func(s S) uint64 { return s.Passes }),
			counter("lags_total", "Times that a send buffer was found full.", func(s S) uint64 { return s.Lags }),
			counter("pings_total", "Pings sent.", func(s S) uint64 { return s.Pings }),
			counter("panics_total", "Handler panics caught; each closed its connection.", func(s S) uint64 { return s.Panics }),
		},
		[]labelled[S]{
			gaugeByLabel("io", "fanout_loops", "Event loops, by their way of fan-out (--fanout-io).", func(s S) map[string]uint64 { return s.FanoutLoops }),
			byLabel("policy", "deliveries_dropped_total", "Publications that members did not get as they were too far behind, by the policy in force.", func(s S) map[string]uint64 { return s.Dropped }),
			byReason("connections_refused_total", "Sockets closed unheard.", func(s S) map[string]uint64 { return s.Refused }),
			byLabel("error", "accept_errors_total", "Failures of accept(2), which harm no open connection.", func(s S) map[string]uint64 { return s.AcceptErrors }),
			byReason("rejected_total", "Requests and connections ended by a limit, or for what the peer sent.", func(s S) map[string]uint64 { return s.Rejected }),
			byReason("connections_given_up_total", "Connections ended because they were broken.", func(s S) map[string]uint64 { return s.GivenUp }),
		},
	}
}

// LogMetrics collects how many lines of the log were lost.
func LogMetrics(lost func() uint64) prometheus.Collector {
	return collector[uint64]{lost, []metric[uint64]{
		counter("log_lines_dropped_total", "Lines of the log that could not be written.", func(n uint64) uint64 { return n }),
	}, nil}
}

// BackplaneMetrics collects what a link to the other workers counts.
func BackplaneMetrics(snapshot func() backplane.Stats) prometheus.Collector {
	type S = backplane.Stats
	return collector[S]{snapshot, []metric[S]{
		gauge("backplane_up", "1 while the link to the other workers is up.", func(s S) float64 { return bit(s.Connected) }),
		gauge("backplane_queued_bytes", "Bytes that wait for the broker.", func(s S) float64 { return float64(s.QueuedBytes) }),
		counter("backplane_published_total", "Publications sent to the other workers.", func(s S) uint64 { return s.Published }),
		counter("backplane_dropped_total", "Publications that could not be sent to the other workers.", func(s S) uint64 { return s.Dropped }),
		counter("backplane_received_total", "Publications of other workers.", func(s S) uint64 { return s.Received }),
		counter("backplane_lost_total", "Publications of other workers that never came.", func(s S) uint64 { return s.Lost }),
		counter("backplane_reconnects_total", "Times that the link came back.", func(s S) uint64 { return s.Reconnects }),
		counter("backplane_errors_total", "Malformed batches and the broker's errors.", func(s S) uint64 { return s.Errors }),
	}, nil}
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// WorkerMetrics collects the state of the worker processes, which only their supervisor knows.
func WorkerMetrics(workers func() []supervisor.Worker) prometheus.Collector {
	return workerCollector{workers}
}

type workerCollector struct{ workers func() []supervisor.Worker }

var (
	workerUp       = prometheus.NewDesc(prefix+"worker_up", "1 while the worker is ready.", []string{workerLabel}, nil)
	workerRestarts = prometheus.NewDesc(prefix+"worker_restarts_total", "Times that the worker was started again.", []string{workerLabel}, nil)
)

func (workerCollector) Describe(out chan<- *prometheus.Desc) { out <- workerUp; out <- workerRestarts }

func (c workerCollector) Collect(out chan<- prometheus.Metric) {
	for _, w := range c.workers() {
		index := strconv.Itoa(w.Index)
		out <- prometheus.MustNewConstMetric(workerUp, prometheus.GaugeValue, bit(w.Ready), index)
		out <- prometheus.MustNewConstMetric(workerRestarts, prometheus.CounterValue, float64(w.Restarts), index)
	}
}
