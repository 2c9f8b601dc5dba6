package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"fanbench/bench/internal/store"
	"fanbench/bench/internal/table"
	"fanbench/bench/internal/trial"
	"fanbench/loadgen/result"
)

type runCommand struct {
	Scenarios []string `arg:"" optional:"" name:"scenario" help:"Names of the catalogue or files; none runs its default ones."`
	Repeat    int      `default:"1" placeholder:"N" help:"Make N runs of each scenario, in turn (${default})."`
	Retry     int      `default:"3" placeholder:"N" help:"Make runs that a disturbed generator voided again, N in all at most (${default})."`
	Targets   []string `placeholder:"NAME" help:"Run each scenario against these in turn: server, floor, gorilla, gws. Ratios are to the first."`
	Toy       bool     `help:"Use the scenarios' toy parameters: a test of the pipeline."`
	Seed      *uint64  `placeholder:"N" help:"Seed of the plans (default: drawn for each scenario and round)."`
	Results   string   `default:"results" placeholder:"DIR" help:"Keep results here (${default})."`
	Server    string   `placeholder:"PATH" help:"The server program (default: beside bench)."`
	Peers     string   `placeholder:"PATH" help:"The program of the targets floor, gorilla and gws (default: beside bench)."`
	Loadgen   string   `placeholder:"PATH" help:"The generator program (default: beside bench)."`
}

// notify delivers what asks the program to end: also a terminal that closes,
// unless whoever started it, by nohup, had that ignored.
func notify() (<-chan os.Signal, func()) {
	interrupts := make(chan os.Signal, 8)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(interrupts, syscall.SIGHUP)
	}
	return interrupts, func() { signal.Stop(interrupts) }
}

// Run makes the runs. Everything that can be wrong with the command line is
// found before the first process starts.
func (c *runCommand) Run(a *app) error {
	if c.Repeat < 1 {
		return usage(fmt.Errorf("--repeat %d: use 1 or more", c.Repeat))
	}
	if c.Retry < 0 {
		return usage(fmt.Errorf("--retry %d: use 0 or more", c.Retry))
	}
	targets, err := c.resolve()
	if err != nil {
		return usage(err)
	}
	if c.Loadgen, err = program("loadgen", c.Loadgen, "make build"); err != nil {
		return usage(err)
	}
	declared, err := read(c.Scenarios, c.Toy)
	if err != nil {
		return usage(err)
	}
	declared, refused := suited(declared, targets)
	if refused != nil {
		if len(c.Scenarios) > 0 {
			return usage(refused)
		}
		fmt.Fprintln(a.stderr, refused) // nobody asked for just these
	}
	return c.work(a, c.jobs(declared, targets))
}

// work makes the trials one after the other, until somebody interrupts them.
func (c *runCommand) work(a *app, jobs []job) error {
	var runs []table.Run
	var dirs []string
	worst := exitFine
	retries := 0 // of the whole command, so that its time stays bounded
	for i, j := range jobs {
		fmt.Fprintf(a.stderr, "\n[%d/%d] %v: %s\n", i+1, len(jobs), j, j.scenario.Question)
		out := c.trial(a, j)
		for ; retries < c.Retry && voided(out); retries++ {
			fmt.Fprintf(a.stderr, "%v: voided (%s), kept in %s; made again, %d of %d at most\n",
				j, strings.Join(out.Result.Verdict.Reasons, "; "), out.Dir, retries+1, c.Retry)
			out = c.trial(a, j)
		}
		worst = worse(worst, out.Exit)
		row := table.Run{Scenario: j.scenario.Name, Target: j.name, Round: j.round, Result: out.Result}
		if out.Result == nil {
			row.Problem = fmt.Sprintf("exit status %d", out.Exit)
		} else {
			dirs = append(dirs, out.Dir)
			fmt.Fprintln(a.stderr, table.Line(out.Result))
		}
		runs = append(runs, row)
		if out.Exit == exitInterrupted {
			break
		}
	}
	return c.finish(a, runs, dirs, worst)
}

// voided says that a run has no answer because the generator was held up, and
// nothing else: a neighbour on the machine, as a rule, who may be gone the next
// time. What the server did wrong is never made again.
func voided(out trial.Outcome) bool {
	return out.Exit == exitUntrusted && out.Result != nil && out.Result.Verdict.Verdict == result.GeneratorLimited
}

// trial makes one run and reports its problems.
func (c *runCommand) trial(a *app, j job) trial.Outcome {
	out, err := trial.Run(context.Background(), trial.Config{
		Target: j.target, Loadgen: c.Loadgen,
		Scenario: j.scenario, Source: j.source, Toy: c.Toy, Seed: j.seed, Design: j.design, Reproduce: reproduce,
		Results: c.Results, Stderr: a.stderr, Interrupts: a.interrupts,
	})
	if err != nil {
		fmt.Fprintf(a.stderr, "bench: %v: %v\n", j, err)
		out.Exit = worse(out.Exit, exitUntrusted)
	}
	return out
}

// finish prints the table of all runs and where they are.
func (c *runCommand) finish(a *app, runs []table.Run, dirs []string, code int) error {
	print := table.Runs
	if len(c.Targets) > 0 {
		print = table.Targets
	}
	if err := print(a.stdout, runs); err != nil {
		return err
	}
	if len(dirs) > 0 {
		fmt.Fprintln(a.stdout, "\nResults, each with its report:")
		for _, dir := range dirs {
			fmt.Fprintf(a.stdout, "  %s\n", filepath.Join(dir, store.Page))
		}
	}
	if code != exitFine {
		return failure{code: code}
	}
	return nil
}

// worse returns the exit status that says more: a finding before a missing
// answer, an answer that is missing before one that is unclear.
func worse(a, b int) int {
	order := []int{exitFine, exitUnclear, exitUntrusted, exitFault, exitUsage, exitInterrupted}
	rank := func(code int) int {
		if i := slices.Index(order, code); i >= 0 {
			return i
		}
		return slices.Index(order, exitUntrusted) // a crash: no answer
	}
	if rank(b) > rank(a) {
		a = b
	}
	return order[rank(a)]
}
