package main

import (
	"fmt"
	"time"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/noise"
	"fanbench/bench/internal/table"
	"fanbench/bench/internal/trial"
)

type noiseCommand struct {
	Scenarios []string `arg:"" optional:"" name:"scenario" help:"Names of the catalogue or files; none measures those that bench ab compares."`
	design
	Server   string `placeholder:"PATH" help:"The server program (default: beside bench)."`
	Profiles string `name:"noise" placeholder:"DIR" help:"Keep profiles here (default: the user's cache)."`
}

// Run compares the server with itself and keeps what its trials differ by.
func (c *noiseCommand) Run(a *app) error {
	if err := c.check(); err != nil {
		return usage(err)
	}
	path, err := program("server", c.Server, "make build")
	if err != nil {
		return usage(err)
	}
	names := c.Scenarios
	if len(names) == 0 {
		names = defaultComparison
	}
	with, err := c.prepare(names)
	if err != nil {
		return usage(err)
	}
	folder := c.Profiles
	if folder == "" {
		if folder, err = noise.Folder(); err != nil {
			return err
		}
	}
	one := arm{experiment.Arm{Name: "server", Program: path}, trial.Target{Program: path}}
	e := &experiment.Experiment{Baseline: one.Arm, Candidate: one.Arm, AA: true}
	looks := compare.Fixed(c.Pairs)
	fmt.Fprintln(a.stderr, table.Estimate(looks.Pairs, with.scenarios()))
	dir, err := c.run(a, e, [2]arm{one, one}, with, looks, folder)
	if err != nil {
		return err
	}
	if e.Interrupted {
		fmt.Fprintf(a.stderr, "bench: interrupted; no profile was kept, the trials are in %s\n", dir)
		return failure{code: exitInterrupted}
	}
	return c.keep(a, e, folder, dir)
}

// keep stores the profile of those scenarios whose pairs count.
func (c *noiseCommand) keep(a *app, e *experiment.Experiment, folder, dir string) error {
	profile, err := noise.Read(folder, e.Environment.Key, c.Affinity)
	if err != nil {
		return err
	}
	missing := false
	for _, s := range e.Scenarios {
		if s.Comparison.Counted < s.Rules.Pairs {
			fmt.Fprintf(a.stderr, "bench: %s: %d of %d pairs count; no profile kept\n", s.Name, s.Comparison.Counted, s.Rules.Pairs)
			missing = true
			continue
		}
		profile.Scenarios[s.Hash] = noise.Scenario{
			Name: s.Name, Measured: time.Now().UTC().Truncate(time.Second), Pairs: s.Comparison.Counted,
			Noise: compare.Noise(s.Pairs, s.Rules.Metrics),
		}
	}
	file, err := profile.Write(folder)
	if err != nil {
		return err
	}
	if err := table.Noise(a.stdout, profile, e); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "\nProfile: %s\nTrials: %s\n", file, dir)
	if missing {
		return failure{code: exitUntrusted}
	}
	return nil
}
