package report

import (
	"math"
	"slices"
	"strconv"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// timelines draws the series: one chart for each kind of reading that exists,
// all on one time axis with the phases behind them.
func timelines(r *result.Result) []chart {
	s := newSeries(r)
	if len(s.time) < 2 {
		return nil
	}
	deliveries := []line{
		{Name: "delivered", Class: "c0", points: s.column("deliveries_per_second")},
		{Name: "offered: publications sent × members", Class: "c2 dashed", points: scaled(s.offered(), members(r.Scenario))},
	}
	if r.Scenario.Workload == scenario.Connect {
		deliveries = nil
	}
	voided := void(r, "delivery")
	all := []chart{
		s.chart("Deliveries per second", "count", deliveries, fromZero(human.Count)),
		s.chart("Open connections", "count", []line{{Name: "open", Class: "c1", points: s.opened(r)}}, fromZero(human.Count)),
		s.chart("Delivery latency and lag over time", "seconds", []line{
			{Name: "delivery p50, from due", Class: "c1", Untrusted: voided, points: s.column("delivery_p50_seconds")},
			{Name: "delivery p99, from due", Class: "c0", Untrusted: voided, points: s.column("delivery_p99_seconds")},
			{Name: "send lag p99 (generator)", Class: "c3 dashed", points: s.column("send_lag_p99_seconds")},
			{Name: "read lag p99 (generator)", Class: "c4 dashed", points: s.column("read_lag_p99_seconds")},
		}, func(values []float64) axis { return logAxis(values, human.Seconds) }),
		s.chart("CPUs in use", "count", []line{
			{Name: "server", Class: "c0", points: s.rate("target_cpu_seconds")},
			{Name: "generator", Class: "c4 dashed", points: s.rate("generator_cpu_seconds")},
		}, fromZero(func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) })),
		s.chart("Resident memory", "bytes", []line{
			{Name: "server", Class: "c0", points: s.column("target_resident_bytes")},
			{Name: "generator", Class: "c4 dashed", points: s.column("generator_resident_bytes")},
		}, mebibytes),
	}
	var shown []chart
	for _, c := range all {
		if len(c.Lines) > 0 {
			shown = append(shown, c)
		}
	}
	return shown
}

// reading says what to look for in a chart.
var reading = map[string]string{
	"Deliveries per second":              "Where delivered stays below offered, somebody falls behind: the server, or the generator if its lags grow.",
	"Open connections":                   "A ramp, then a level line; where it falls, connections were closed.",
	"Delivery latency and lag over time": "A rise that send lag shares is the generator's doing. Read lag does not count: delivery is timed by arrival.",
	"Delivery latency over time":         "Each point is the median of the side's trials in that second.",
	"CPUs in use":                        "1 is one CPU, busy all the time.",
	"CPUs in use by the server":          "1 is one CPU, busy all the time.",
	"Resident memory":                    "What rises through the whole measurement keeps something: a backlog, or garbage.",
	"Resident memory of the server":      "What rises through the whole measurement keeps something: a backlog, or garbage.",
	"The generator's own lags, p99":      "A side whose generator was later than the other's was not measured alike.",
}

// members is to how many subscribers a publication goes.
func members(s scenario.Scenario) float64 {
	if s.Workload == scenario.Fanout {
		return float64(s.Connections) / float64(max(1, s.Rooms))
	}
	return 1
}

func fromZero(label func(float64) string) func([]float64) axis {
	return func(values []float64) axis { return linearAxis(0, values, label) }
}

// mebibytes steps in round numbers of MiB, which are not round in bytes.
func mebibytes(values []float64) axis {
	const unit = 1 << 20
	in := make([]float64, len(values))
	for i, v := range values {
		in[i] = v / unit
	}
	a := linearAxis(0, in, func(v float64) string { return human.Bytes(v * unit) })
	a.max *= unit
	a.label = human.Bytes
	for i := range a.ticks {
		a.ticks[i].at *= unit
	}
	return a
}

// series are a result's readings with their times, gaps as NaN.
type series struct {
	time    []float64
	columns map[string][]float64
	bands   []band
}

func newSeries(r *result.Result) series {
	s := series{columns: map[string][]float64{}}
	for i, name := range r.Series.Columns {
		values := make([]float64, len(r.Series.Rows))
		for j, row := range r.Series.Rows {
			values[j] = math.NaN()
			if i < len(row) && row[i] != nil {
				values[j] = *row[i]
			}
		}
		s.columns[name] = values
	}
	s.time = s.columns["time_seconds"]
	for _, p := range r.Times.Phases {
		s.bands = append(s.bands, band{p.Name, p.Start, p.End, p.Name == "measure"})
	}
	return s
}

// column returns a column over time; nil if the result does not have it.
func (s series) column(name string) []point {
	var points []point
	for i, v := range s.columns[name] {
		points = append(points, point{s.time[i], v})
	}
	return points
}

// rate turns a running count into its growth per second between readings.
func (s series) rate(name string) []point {
	values := s.columns[name]
	var points []point
	for i := 1; i < len(values); i++ {
		elapsed := s.time[i] - s.time[i-1]
		growth := (values[i] - values[i-1]) / elapsed
		if elapsed <= 0 || growth < 0 { // counts start anew at a phase
			growth = math.NaN()
		}
		points = append(points, point{s.time[i], growth})
	}
	return points
}

// offered is the growth of what was sent, per second. Between phases nothing is
// due: that time does not count.
func (s series) offered() []point {
	sent := s.columns["sent"]
	var points []point
	for i := 1; i < len(sent); i++ {
		from := s.time[i-1]
		for _, b := range s.bands {
			if b.from <= s.time[i] {
				from = max(from, b.from)
			}
		}
		growth := (sent[i] - sent[i-1]) / (s.time[i] - from)
		if s.time[i] <= from || growth < 0 { // counts start anew at a phase
			growth = math.NaN()
		}
		points = append(points, point{s.time[i], growth})
	}
	return points
}

// opened is how many connections are open over time. A ramp that ends before the
// first reading is drawn from what is known of it: when it began, when it ended,
// and how many opened.
func (s series) opened(r *result.Result) []point {
	points := s.column("connections")
	m, _, found := r.Metric("connections_per_second")
	if len(points) == 0 || !found || len(r.Times.Phases) == 0 {
		return points
	}
	if ramp := r.Times.Phases[0]; ramp.Name == "ramp" && ramp.End < points[0].x {
		points = append([]point{{ramp.Start, 0}, {ramp.End, float64(m.N)}}, points...)
	}
	return points
}

func scaled(points []point, factor float64) []point {
	for i := range points {
		points[i].y *= factor
	}
	return points
}

// chart keeps the lines that have a reading.
func (s series) chart(title, kind string, lines []line, y func([]float64) axis) chart {
	c := chart{Title: title, kind: kind, height: 240, xLabel: "seconds since the start of the run", bands: s.bands}
	var values []float64
	for _, l := range lines {
		seen := false
		for _, p := range l.points {
			if !math.IsNaN(p.y) {
				seen = true
				values = append(values, p.y)
			}
		}
		if seen {
			c.Lines = append(c.Lines, l)
		}
	}
	c.Note = reading[title]
	end := s.time
	for _, b := range s.bands {
		end = append(end[:len(end):len(end)], b.to)
	}
	c.x = timeAxis(maximum(end))
	c.y = y(values)
	return c
}

// timeAxis covers the seconds to the end of a run, without an empty stretch
// after it.
func timeAxis(end float64) axis {
	a := linearAxis(0, []float64{end}, func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) })
	a.max = end
	a.ticks = slices.DeleteFunc(a.ticks, func(t tick) bool { return t.at > end })
	return a
}

func maximum(values []float64) float64 {
	m := 0.0
	for _, v := range values {
		m = max(m, v)
	}
	return m
}
