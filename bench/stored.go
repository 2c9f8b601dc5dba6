package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/report"
	"fanbench/bench/internal/store"
	"fanbench/bench/internal/table"
	"fanbench/bench/internal/trend"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

type compareCommand struct {
	Results []string `arg:"" name:"result" help:"A B: result files or directories of runs; or A… -- B…, also folders of runs."`
	Force   bool     `help:"Compare unlike runs all the same."`
}

// Run prints two results side by side, or judges two sets of them.
func (c *compareCommand) Run(a *app) error {
	left, right := c.Results, a.candidates
	if right == nil && len(left) == 2 {
		left, right = left[:1], left[1:]
	}
	if len(left) == 0 || len(right) == 0 {
		return usage(errors.New("want A B, or A… -- B…"))
	}
	baseline, err := readAll(left)
	if err != nil {
		return usage(err)
	}
	candidate, err := readAll(right)
	if err != nil {
		return usage(err)
	}
	if differences := unlike(slices.Concat(baseline, candidate)); len(differences) > 0 {
		if !c.Force {
			return usage(fmt.Errorf("these runs cannot be compared: %s; use --force to do it all the same", strings.Join(differences, "; ")))
		}
		for _, d := range differences {
			fmt.Fprintf(a.stderr, "warning: %s\n", d)
		}
	}
	if len(baseline) == 1 && len(candidate) == 1 {
		return table.Compare(a.stdout, baseline[0], candidate[0])
	}
	fromSent := baseline[0].Scenario.LatencyFrom == scenario.FromSent
	rules := compare.Rules{Metrics: compare.Metrics(fromSent), Alpha: 0.05}
	judged := compare.Unpaired(contributions(baseline), contributions(candidate), rules)
	return table.Unpaired(a.stdout, baseline, candidate, judged)
}

// readAll reads every result that the paths mean.
func readAll(paths []string) ([]*result.Result, error) {
	var all []*result.Result
	for _, path := range paths {
		files, err := store.All(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			r, err := result.Read(file)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// unlike says what keeps runs from being comparable, each thing once.
func unlike(all []*result.Result) []string {
	var differences []string
	for _, r := range all[1:] {
		for _, d := range table.Differences(all[0], r) {
			if !slices.Contains(differences, d) {
				differences = append(differences, d)
			}
		}
	}
	return differences
}

func contributions(all []*result.Result) []compare.Trial {
	trials := make([]compare.Trial, len(all))
	for i, r := range all {
		trials[i] = experiment.Contribution(r)
	}
	return trials
}

type trendCommand struct {
	Results []string `arg:"" name:"results" help:"Results, or folders of runs."`
	Metric  string   `placeholder:"NAME" help:"Show every point of this metric as well."`
	HTML    string   `name:"html" placeholder:"FILE" help:"Write a page with charts here."`
}

// Run finds the changes of every gating metric, scenario by scenario. It warns
// and never fails a build.
func (c *trendCommand) Run(a *app) error {
	all, err := readAll(c.Results)
	if err != nil {
		return usage(err)
	}
	byScenario := make(map[string][]*result.Result)
	for _, r := range all {
		key := r.Scenario.Name + " " + r.Scenario.Hash()
		byScenario[key] = append(byScenario[key], r)
	}
	var found []table.Trend
	for _, key := range slices.Sorted(maps.Keys(byScenario)) {
		runs := byScenario[key]
		slices.SortStableFunc(runs, func(x, y *result.Result) int { return x.Times.Started.Compare(y.Times.Started) })
		for _, m := range compare.Metrics(runs[0].Scenario.LatencyFrom == scenario.FromSent) {
			if points := pointsOf(runs, m.Name); m.Gating && len(points) > 0 {
				found = append(found, table.Trend{
					Scenario: runs[0].Scenario.Name, Metric: m, Points: points, Listed: m.Name == c.Metric,
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
		series = append(series, report.Series{Scenario: f.Scenario, Metric: f.Metric, Points: f.Points, Segments: f.Segments})
	}
	return toFile(c.HTML, func(w io.Writer) error { return report.Trend(w, series) })
}

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
