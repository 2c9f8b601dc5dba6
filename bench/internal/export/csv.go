package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/loadgen/result"
)

// CSV writes a comparison's values, a line for each metric of each trial, those
// of void pairs too.
func CSV(w io.Writer, e *experiment.Experiment) error {
	rows := [][]string{{"scenario", "pair", "first", "side", "metric", "value", "publications", "void", "directory"}}
	for _, s := range e.Scenarios {
		for i, p := range s.Pairs {
			first := experiment.Candidate
			if p.BaselineFirst {
				first = experiment.Baseline
			}
			for _, side := range []struct {
				name  experiment.Side
				trial compare.Trial
			}{{experiment.Baseline, p.Baseline}, {experiment.Candidate, p.Candidate}} {
				for _, name := range slices.Sorted(maps.Keys(side.trial.Values)) {
					rows = append(rows, []string{s.Name, strconv.Itoa(i + 1), string(first), string(side.name), name, number(side.trial.Values[name]),
						strconv.FormatUint(side.trial.Publications, 10), p.Void(), side.trial.Directory})
				}
			}
		}
	}
	return writeRows(w, rows)
}

// CSVRuns writes runs' metrics, a line for each, in their units. trusted is
// false for what a guard voided.
func CSVRuns(w io.Writer, runs []*result.Result) error {
	rows := [][]string{{"scenario", "run", "verdict", "metric", "value", "unit", "n", "publications", "marked", "trusted"}}
	for _, r := range runs {
		for _, group := range []struct {
			metrics map[string]result.Metric
			trusted bool
		}{{r.Metrics, true}, {r.Untrusted, false}} {
			for _, name := range slices.Sorted(maps.Keys(group.metrics)) {
				m := group.metrics[name]
				rows = append(rows, []string{r.Scenario.Name, r.RunID, r.Verdict.Verdict, name, number(m.Value), m.Unit, strconv.FormatUint(m.N, 10),
					strconv.FormatUint(m.Publications, 10), strconv.FormatBool(m.Marked), strconv.FormatBool(group.trusted)})
			}
		}
	}
	return writeRows(w, rows)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func writeRows(w io.Writer, rows [][]string) error {
	if err := csv.NewWriter(w).WriteAll(rows); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}
