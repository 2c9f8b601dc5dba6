package report

import (
	"math"
	"slices"
	"strconv"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/scenario"
)

// sides draws the readings of both sides over time, each the median of its
// trials in that second.
func sides(arms []arm) []chart {
	var frame series // of any run: the phases
	var of scenario.Scenario
	for _, a := range arms {
		for _, run := range a.runs {
			if s := newSeries(run.Result); len(s.time) > len(frame.time) {
				frame, of = s, run.Result.Scenario
			}
		}
	}
	if len(frame.time) < 2 {
		return nil
	}
	both := func(name, dashes string, read func(series) []point) []line {
		var lines []line
		for _, a := range arms {
			lines = append(lines, line{Name: a.name + name, Class: a.class + dashes, points: a.median(read)})
		}
		return lines
	}
	column := func(name string) func(series) []point { return func(s series) []point { return s.column(name) } }
	rate := func(name string) func(series) []point { return func(s series) []point { return s.rate(name) } }

	var deliveries []line
	if of.Workload != scenario.Connect {
		offered := func(s series) []point { return scaled(s.offered(), members(of)) }
		deliveries = append(both(", delivered", "", column("deliveries_per_second")), both(", offered", " dashed", offered)...)
	}
	var opened []line
	for _, a := range arms {
		opened = append(opened, line{Name: a.name, Class: a.class, points: a.opened()})
	}
	plain := func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }
	seconds := func(values []float64) axis { return logAxis(values, human.Seconds) }
	all := []chart{
		frame.chart("Deliveries per second", "count", deliveries, fromZero(human.Count)),
		frame.chart("Delivery latency over time", "seconds", append(
			both(", p50", "", column("delivery_p50_seconds")), both(", p99", " dashed", column("delivery_p99_seconds"))...), seconds),
		frame.chart("CPUs in use by the server", "count", both("", "", rate("target_cpu_seconds")), fromZero(plain)),
		frame.chart("Resident memory of the server", "bytes", both("", "", column("target_resident_bytes")), mebibytes),
		frame.chart("Open connections", "count", opened, fromZero(human.Count)),
		frame.chart("The generator's own lags, p99", "seconds", append(
			both(", send lag", "", column("send_lag_p99_seconds")), both(", read lag", " dashed", column("read_lag_p99_seconds"))...), seconds),
	}
	return slices.DeleteFunc(all, func(c chart) bool { return len(c.Lines) == 0 })
}

// opened is how connections opened in the side's first trial: ramps last a
// moment, and medians over whole seconds would hide them.
func (a arm) opened() []point {
	for _, run := range a.runs {
		return newSeries(run.Result).opened(run.Result)
	}
	return nil
}

// median of the trials' readings in each second of a run.
func (a arm) median(read func(series) []point) []point {
	seconds := map[float64][]float64{}
	for _, run := range a.runs {
		for _, p := range read(newSeries(run.Result)) {
			if !math.IsNaN(p.y) {
				at := math.Round(p.x)
				seconds[at] = append(seconds[at], p.y)
			}
		}
	}
	var points []point
	for at, values := range seconds {
		_, middle, _ := spread(values)
		points = append(points, point{at, middle})
	}
	slices.SortFunc(points, func(p, q point) int { return int(p.x - q.x) })
	return points
}

// spread is the lowest, the median and the highest of values, which it sorts.
func spread(values []float64) (low, middle, high float64) {
	slices.Sort(values)
	n := len(values)
	return values[0], (values[(n-1)/2] + values[n/2]) / 2, values[n-1]
}
