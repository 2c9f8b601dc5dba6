package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/report"
	"fanbench/bench/internal/subject"
	"fanbench/bench/internal/table"
	"fanbench/bench/internal/trend"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

type trendCommand struct {
	Results []string `arg:"" name:"results" help:"Results, or folders of runs."`
	Metric  string   `placeholder:"NAME" help:"Show every point of this metric as well."`
	HTML    string   `name:"html" placeholder:"FILE" help:"Write a page with charts here."`
}

// Run finds the changes of every gating metric, for each scenario and target
// apart. It warns and never fails a build.
func (c *trendCommand) Run(a *app) error {
	all, err := readAll(c.Results)
	if err != nil {
		return usage(err)
	}
	histories, trials := histories(all)
	if trials > 0 {
		fmt.Fprintf(a.stderr, "bench: %d trials of comparisons are left out: a candidate need not be part of the history, and they may be pinned to CPUs\n", trials)
	}
	var found []table.Trend
	for _, key := range slices.Sorted(maps.Keys(histories)) {
		runs := histories[key]
		slices.SortStableFunc(runs, func(x, y *result.Result) int { return x.Times.Started.Compare(y.Times.Started) })
		for _, m := range compare.Metrics(runs[0].Scenario.LatencyFrom == scenario.FromSent) {
			if points := pointsOf(runs, m.Name); m.Gating && len(points) > 0 {
				found = append(found, table.Trend{
					Name: seriesName(runs[0]), Metric: m, Points: points, Listed: m.Name == c.Metric,
					Segments: trend.Find(points, m.MinEffect),
				})
			}
		}
	}
	if c.Metric != "" && !slices.ContainsFunc(found, func(t table.Trend) bool { return t.Listed }) {
		return usage(fmt.Errorf("--metric %s: no valid run has it among the metrics that gate: %s", c.Metric, strings.Join(gatingNames(), ", ")))
	}
	if err := table.Trends(a.stdout, found); err != nil || c.HTML == "" {
		return err
	}
	var series []report.Series
	for _, f := range found {
		series = append(series, report.Series{Name: f.Name, Metric: f.Metric, Points: f.Points, Segments: f.Segments})
	}
	return toFile(c.HTML, func(w io.Writer) error { return report.Trend(w, series) })
}

// histories are the runs of each scenario and target, and how many trials of
// comparisons are in none of them.
func histories(all []*result.Result) (histories map[string][]*result.Result, trials int) {
	histories = make(map[string][]*result.Result)
	for _, r := range all {
		if experiment.IsTrial(r.Design) {
			trials++
			continue
		}
		key := seriesName(r) + " " + r.Scenario.Hash()
		histories[key] = append(histories[key], r)
	}
	return histories, trials
}

// seriesName is what a run's history is of.
func seriesName(r *result.Result) string { return r.Scenario.Name + ", " + subject.Label(r) }

func gatingNames() []string {
	var names []string
	for _, m := range compare.Metrics(false) {
		if m.Gating {
			names = append(names, m.Name)
		}
	}
	return names
}

// pointsOf are a metric's values in runs that count, one after the other.
func pointsOf(runs []*result.Result, metric string) []trend.Point {
	var points []trend.Point
	for _, r := range runs {
		t := experiment.Contribution(r)
		if v := t.Values[metric]; t.Invalid == "" && v > 0 {
			points = append(points, trend.Point{
				Commit: cmp.Or(r.Subject.Commit, r.Subject.Name), Time: r.Times.Started, Environment: r.Environment.Key, Value: v,
			})
		}
	}
	return points
}
