package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/export"
	"fanbench/bench/internal/table"
	"fanbench/loadgen/result"
)

type exportCommand struct {
	Results   []string `arg:"" name:"result" help:"A comparison's directory, or runs: files or directories."`
	Format    string   `required:"" enum:"text,markdown,junit,gobench,csv,hgrm" placeholder:"FORMAT" help:"One of ${enum}."`
	Output    string   `placeholder:"PATH" help:"Write here instead of stdout; for gobench of a comparison a folder."`
	Histogram string   `default:"delivery" placeholder:"NAME" help:"The histogram for hgrm (${default})."`
}

// Run writes results in another program's format.
func (c *exportCommand) Run(a *app) error {
	var runs []*result.Result
	var comparison *experiment.Experiment
	for _, path := range c.Results {
		s, err := open(path)
		if err != nil {
			return usage(err)
		}
		if s.comparison != nil {
			comparison = s.comparison
			continue
		}
		runs = append(runs, s.run)
	}
	if comparison != nil && len(c.Results) > 1 {
		return usage(errors.New("a comparison is exported alone; name one"))
	}
	write, err := c.writer(runs, comparison)
	if err != nil {
		return usage(err)
	}
	if comparison != nil && c.Format == "gobench" && c.Output != "" {
		return sidesTo(c.Output, comparison)
	}
	if c.Output == "" {
		return write(a.stdout)
	}
	return toFile(c.Output, write)
}

// writer picks what writes the format.
func (c *exportCommand) writer(runs []*result.Result, e *experiment.Experiment) (func(io.Writer) error, error) {
	if e != nil {
		write := map[string]func(io.Writer) error{
			"text":     func(w io.Writer) error { return table.Experiment(w, e) },
			"markdown": func(w io.Writer) error { return export.Markdown(w, e) },
			"junit":    func(w io.Writer) error { return export.JUnit(w, e) },
			"csv":      func(w io.Writer) error { return export.CSV(w, e) },
			"gobench": func(io.Writer) error {
				return usage(errors.New("--format gobench: benchstat wants a file for each side; give --output FOLDER"))
			},
		}[c.Format]
		if write == nil {
			return nil, fmt.Errorf("--format %s: of a run, not of a comparison; name one of its trials", c.Format)
		}
		return write, nil
	}
	switch c.Format {
	case "markdown":
		return nil, errors.New("--format markdown: of a comparison, not of runs; use text")
	case "hgrm":
		if len(runs) > 1 {
			return nil, fmt.Errorf("--format hgrm: one run, not %d", len(runs))
		}
		if _, found := runs[0].Histogram(c.Histogram); !found {
			return nil, fmt.Errorf("--histogram %s: the run has none of that name; it has %s", c.Histogram, strings.Join(histograms(runs[0]), ", "))
		}
	}
	return map[string]func(io.Writer) error{
		"text": func(w io.Writer) error {
			var rows []table.Run
			for _, r := range runs {
				rows = append(rows, table.Run{Scenario: r.Scenario.Name, Result: r})
			}
			return table.Runs(w, rows)
		},
		"junit":   func(w io.Writer) error { return export.JUnitRuns(w, runs) },
		"csv":     func(w io.Writer) error { return export.CSVRuns(w, runs) },
		"hgrm":    func(w io.Writer) error { return export.HGRM(w, runs[0], c.Histogram) },
		"gobench": func(w io.Writer) error { return runsGoBench(w, runs) },
	}[c.Format], nil
}

func histograms(r *result.Result) []string {
	var names []string
	for _, h := range r.Histograms {
		names = append(names, h.Name)
	}
	return names
}

func runsGoBench(w io.Writer, runs []*result.Result) error {
	var records []export.Record
	note := "runs"
	for _, r := range runs {
		records = append(records, export.RecordOf(r))
		note += " " + r.RunID
	}
	return export.GoBench(w, runs[0].Environment, note, records)
}

// sidesTo writes baseline.txt and candidate.txt for benchstat.
func sidesTo(folder string, e *experiment.Experiment) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("write Go benchmark format: %w", err)
	}
	for side, arm := range map[experiment.Side]experiment.Arm{experiment.Baseline: e.Baseline, experiment.Candidate: e.Candidate} {
		err := toFile(filepath.Join(folder, string(side)+".txt"), func(w io.Writer) error {
			return export.GoBench(w, e.Environment, fmt.Sprintf("%s of %s: %s", side, e.ID, arm), export.Records(e, side))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
