package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/intervals"
	"fanbench/bench/internal/report"
	"fanbench/bench/internal/store"
	"fanbench/loadgen/result"
)

type reportCommand struct {
	Results []string `arg:"" name:"result" help:"Result files, directories of runs, or directories of comparisons."`
	Output  string   `placeholder:"FILE" help:"Write here (default: report.html beside each result)."`
}

// Run writes one page for each result and says where.
func (c *reportCommand) Run(a *app) error {
	if c.Output != "" && len(c.Results) > 1 {
		return usage(fmt.Errorf("--output %s: one file for %d results; leave it out, or report one at a time", c.Output, len(c.Results)))
	}
	for _, path := range c.Results {
		s, err := open(path)
		if err != nil {
			return usage(err)
		}
		page := c.Output
		if page == "" {
			page = filepath.Join(s.dir, store.Page)
		}
		if err := toFile(page, func(w io.Writer) error { return s.html(a, w) }); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, page)
	}
	return nil
}

// stored is a run or a comparison that was kept; one of the two is nil.
type stored struct {
	run        *result.Result
	comparison *experiment.Experiment
	dir        string
}

// open reads what a path holds: a run's or a comparison's file or directory.
func open(path string) (stored, error) {
	file := filepath.Join(path, experiment.FileName)
	if filepath.Base(path) == experiment.FileName {
		file = path
	}
	if _, err := os.Stat(file); err == nil {
		e, err := experiment.Read(file)
		return stored{comparison: e, dir: filepath.Dir(file)}, err
	}
	file, err := store.Locate(path)
	if err != nil {
		return stored{}, err
	}
	r, err := result.Read(file)
	return stored{run: r, dir: filepath.Dir(file)}, err
}

func (s stored) html(a *app, w io.Writer) error {
	if s.comparison != nil {
		return comparisonPage(a, w, s.dir, s.comparison)
	}
	return report.HTML(w, beside(a, s.dir, s.run))
}

// beside is a run with the intervals in its directory. A page without their
// chart is better than none.
func beside(a *app, dir string, r *result.Result) report.Run {
	seconds, err := intervals.Read(dir, report.Histogram(r))
	if err != nil {
		fmt.Fprintf(a.stderr, "bench: %v\n", err)
	}
	return report.Run{Result: r, Intervals: seconds, Reproduce: reproduce(r)}
}

// comparisonPage writes the page of a comparison with those of its trials whose
// results are still there.
func comparisonPage(a *app, w io.Writer, dir string, e *experiment.Experiment) error {
	runs := map[string]report.Run{}
	for _, s := range e.Scenarios {
		for _, p := range s.Pairs {
			for _, directory := range []string{p.Baseline.Directory, p.Candidate.Directory} {
				if directory == "" || p.Void() != "" || !filepath.IsLocal(directory) {
					continue
				}
				if r, err := result.Read(filepath.Join(dir, directory, result.FileName)); err == nil {
					runs[directory] = beside(a, filepath.Join(dir, directory), r)
				} else {
					fmt.Fprintf(a.stderr, "bench: %v\n", err)
				}
			}
		}
	}
	return report.Experiment(w, e, runs, reproduceComparison(e))
}

// reproduceComparison writes the command that repeats a comparison.
func reproduceComparison(e *experiment.Experiment) string {
	arguments := []string{"bin/bench ab"}
	switch {
	case e.Baseline.URL != "":
		arguments = append(arguments, "--url="+e.Baseline.URL+","+e.Candidate.URL)
	case e.Baseline.Revision == nil:
		arguments = append(arguments, "--bin="+e.Baseline.Program+","+e.Candidate.Program)
	default:
		for _, arm := range []experiment.Arm{e.Baseline, e.Candidate} {
			if arm.Revision.Dirty {
				arguments = append(arguments, ".")
			} else {
				arguments = append(arguments, arm.Revision.Commit)
			}
		}
	}
	build := "make build\n"
	if s := e.Baseline.Start; s != nil {
		build = "" // it is another project, and bench a program from elsewhere
		arguments[0] = "bench ab"
		for _, flag := range [][2]string{{"--start", s.Command}, {"--build", s.Build}, {"--path", s.Path}, {"--ready", s.Ready}} {
			if flag[1] != "" {
				arguments = append(arguments, flag[0]+"="+quoted(flag[1]))
			}
		}
	}
	if e.Baseline.Tags != "" {
		arguments = append(arguments, "--base-tags="+e.Baseline.Tags)
	}
	if e.Candidate.Tags != "" {
		arguments = append(arguments, "--candidate-tags="+e.Candidate.Tags)
	}
	if e.AA {
		arguments = append(arguments, "--aa")
	}
	toy := false
	for _, s := range e.Scenarios {
		name, flag, _ := strings.Cut(invocation(s.Name, s.Hash), " ")
		arguments, toy = append(arguments, name), toy || flag != ""
	}
	if toy {
		arguments = append(arguments, "--toy")
	}
	pairs := 0
	for _, s := range e.Scenarios {
		pairs = max(pairs, s.Rules.Pairs)
	}
	arguments = append(arguments, fmt.Sprintf("--pairs=%d", pairs), "--affinity="+e.Affinity, fmt.Sprintf("--seed=%d", e.Seed))
	return build + strings.Join(arguments, " ")
}

// quoted is a word for a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// toFile writes a file, once all of it is there: what fails leaves what was there
// before. A pipe, a device or a link, as /dev/stdout is one, stays what it is and
// is written through.
func toFile(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	put := result.Replace
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		put = func(path string, content []byte) error { return os.WriteFile(path, content, 0o644) }
	}
	if err := put(path, b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
