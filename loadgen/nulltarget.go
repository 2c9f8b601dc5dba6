package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/environment"
	"fanbench/loadgen/internal/nulltarget"
	"fanbench/loadgen/internal/preflight"
	conduct "fanbench/loadgen/internal/run"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// nullTargetCommand is the null target's process. It is started by calibrate
// and selftest, and ends when its standard input does.
type nullTargetCommand struct{}

// Run serves until the end of standard input.
func (nullTargetCommand) Run(s streams) error {
	if err := preflight.RaiseDescriptors(); err != nil {
		return err
	}
	return nulltarget.Serve(s.in, s.out)
}

// against is one run against a null target of its own.
type against struct {
	result *result.Result
	report nulltarget.Report
	epoch  int64 // from which stamps count due times, CLOCK_MONOTONIC in nanoseconds
}

// runAgainst runs a scenario against a null target and stops that. The run's
// own progress is not shown. The error is for what leaves no result; whether
// the result is to be trusted is for the caller to see.
func runAgainst(c nulltarget.Config, asked scenario.Scenario, seed uint64, s streams) (_ against, err error) {
	var none against
	self, err := os.Executable()
	if err != nil {
		return none, noAnswer(fmt.Errorf("find this program: %w", err))
	}
	target, err := nulltarget.Launch(c, self, "null-target")
	if err != nil {
		return none, noAnswer(err)
	}
	r, epoch, err := runAt(target, asked, seed, s)
	report, stopped := target.Stop()
	if err != nil {
		return none, err
	}
	if stopped != nil {
		return none, noAnswer(stopped)
	}
	if r.Verdict.Interrupted {
		return none, failure{exitInterrupted, fmt.Errorf("interrupted")}
	}
	return against{r, report, epoch}, nil
}

func runAt(target *nulltarget.Process, asked scenario.Scenario, seed uint64, s streams) (*result.Result, int64, error) {
	watched, err := vitals.NewTree(target.PID)
	if err != nil {
		return nil, 0, noAnswer(err)
	}
	own, err := newApart(target.PID)
	if err != nil {
		return nil, 0, noAnswer(err)
	}
	config := conduct.Config{
		Scenario: asked, Seed: seed, Stamp: rand.Uint32N(1 << 30), RunID: time.Now().UTC().Format("20060102T150405Z"),
		URL: "ws://" + target.Address.String(), Address: target.Address, Host: target.Address.String(), CPUs: runtime.NumCPU(),
		Tool: tool(), Environment: environment.Read(os.DirFS("/")), Target: watched, Generator: own, Epoch: clock.Now(),
	}
	if err := check(&config); err != nil {
		return nil, 0, err
	}
	r, err := new(runCommand).conduct(config, streams{in: s.in, out: s.out, err: io.Discard})
	return r, config.Epoch, err
}

// apart is this process and its workers: its tree without the target, which is
// a child of it as well.
type apart struct{ tree, target *vitals.Tree }

func newApart(target int) (*apart, error) {
	tree, err := vitals.NewTree(os.Getpid())
	if err != nil {
		return nil, err
	}
	child, err := vitals.NewTree(target)
	if err != nil {
		return nil, err
	}
	return &apart{tree, child}, nil
}

// Read is a [vitals.Source]'s.
func (a *apart) Read(ctx context.Context) (vitals.Reading, error) {
	all, err := a.tree.Read(ctx)
	if err != nil {
		return vitals.Reading{}, err
	}
	target, err := a.target.Read(ctx)
	if err != nil {
		return vitals.Reading{}, err
	}
	all.CPUSeconds -= target.CPUSeconds
	all.ResidentBytes -= min(target.ResidentBytes, all.ResidentBytes) // it may have grown between the two readings
	all.Processes -= target.Processes
	all.Descriptors -= target.Descriptors
	all.ContextSwitches -= min(target.ContextSwitches, all.ContextSwitches)
	return all, nil
}

// workload is a scenario from keys and values in turn, which are this
// program's own: an error in them is its fault.
func workload(keysAndValues ...string) scenario.Scenario {
	var options []scenario.Option
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		options = append(options, scenario.Set(keysAndValues[i], keysAndValues[i+1], keysAndValues[i]))
	}
	s, err := scenario.New(options...)
	if err != nil {
		panic(err)
	}
	return s
}
