package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fanbench/bench/internal/doctor"
	"fanbench/bench/internal/report"
	"fanbench/bench/internal/store"
	"fanbench/bench/internal/table"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

type compareCommand struct {
	A string `arg:"" help:"A result file or the directory of a run."`
	B string `arg:"" help:"The one to hold against it."`
}

// Run prints the two results side by side.
func (c *compareCommand) Run(a *app) error {
	first, err := load(c.A)
	if err != nil {
		return usage(err)
	}
	second, err := load(c.B)
	if err != nil {
		return usage(err)
	}
	return table.Compare(a.stdout, first, second)
}

func load(path string) (*result.Result, error) {
	file, err := store.Locate(path)
	if err != nil {
		return nil, err
	}
	return result.Read(file)
}

type reportCommand struct {
	Results []string `arg:"" name:"result" help:"Result files or directories of runs."`
	Output  string   `placeholder:"FILE" help:"Write here (default: report.html beside each result)."`
}

// Run writes one page for each result and says where.
func (c *reportCommand) Run(a *app) error {
	if c.Output != "" && len(c.Results) > 1 {
		return usage(fmt.Errorf("--output %s: one file for %d results; leave it out, or report one at a time", c.Output, len(c.Results)))
	}
	for _, path := range c.Results {
		file, err := store.Locate(path)
		if err != nil {
			return usage(err)
		}
		r, err := result.Read(file)
		if err != nil {
			return usage(err)
		}
		page := c.Output
		if page == "" {
			page = filepath.Join(filepath.Dir(file), store.Page)
		}
		if err := write(page, r); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, page)
	}
	return nil
}

func write(page string, r *result.Result) error {
	f, err := os.Create(page)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return errors.Join(report.HTML(f, r, reproduce(r)), f.Close())
}

type doctorCommand struct {
	Scenarios []string `arg:"" optional:"" name:"scenario" help:"Names of the catalogue or files; none asks about the default ones."`
}

// sample is how long doctor watches the CPUs.
const sample = 500 * time.Millisecond

// Run examines the host. Nothing that could run is exit status 3.
func (c *doctorCommand) Run(a *app) error {
	all, err := read(c.Scenarios, false)
	if err != nil {
		return usage(err)
	}
	var asked []scenario.Scenario
	for _, d := range all {
		asked = append(asked, d.scenario)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-a.interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	host, err := doctor.ReadHost(ctx, sample)
	if err != nil {
		if ctx.Err() != nil {
			return failure{code: exitInterrupted}
		}
		return err
	}
	found := doctor.Examine(host, asked)
	if err := doctor.Print(a.stdout, found); err != nil {
		return err
	}
	if len(found.Runnable()) == 0 {
		return failure{code: exitUntrusted}
	}
	return nil
}
