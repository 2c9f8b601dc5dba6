package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/table"
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
