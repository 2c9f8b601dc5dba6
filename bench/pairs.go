package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/noise"
	"fanbench/bench/internal/table"
	"fanbench/bench/internal/trial"
	"fanbench/loadgen/scenario"
)

// design is what bench ab and bench noise share: how pairs are made.
type design struct {
	Pairs    int     `default:"12" placeholder:"N" help:"Pairs of each scenario (${default})."`
	MaxVoid  int     `default:"4" placeholder:"N" help:"Void pairs of each scenario, at most (${default})."`
	Affinity string  `default:"none" enum:"none,split" placeholder:"HOW" help:"CPUs: none leaves them to the kernel, split gives server and generator different ones (${default})."`
	Toy      bool    `help:"Use the scenarios' toy parameters: a test of the pipeline."`
	Seed     *uint64 `placeholder:"N" help:"Seed of the order and of the plans (default: drawn)."`
	Results  string  `default:"results/ab" placeholder:"DIR" help:"Keep experiments here (${default})."`
	Loadgen  string  `placeholder:"PATH" help:"The generator program (default: beside bench)."`
}

func (d design) check() error {
	switch {
	case d.Pairs < 1:
		return fmt.Errorf("--pairs %d: use 1 or more; fewer than 6 can never show a change", d.Pairs)
	case d.MaxVoid < 0:
		return fmt.Errorf("--max-void %d: use 0 or more", d.MaxVoid)
	}
	return nil
}

// prepared is what the trials of an experiment need besides their servers.
type prepared struct {
	loadgen  string
	declared []declared
	placed   placement
}

// prepare finds it all, before anything is built or started.
func (d design) prepare(names []string) (p prepared, err error) {
	if p.loadgen, err = program("loadgen", d.Loadgen, "make build"); err != nil {
		return p, err
	}
	if p.declared, err = read(names, d.Toy); err != nil {
		return p, err
	}
	if d.Affinity == "split" {
		p.placed, err = split()
	}
	return p, err
}

func (p prepared) scenarios() (all []scenario.Scenario) {
	for _, d := range p.declared {
		all = append(all, d.scenario)
	}
	return all
}

// run makes an experiment's trials and stores it after every pair, so that
// whatever ends it leaves what was measured.
func (d design) run(a *app, e *experiment.Experiment, arms [2]arm, with prepared, looks compare.Looks, profiles string) (dir string, err error) {
	if profiles == "" {
		if profiles, err = noise.Folder(); err != nil {
			return "", err
		}
	}
	e.Tool, e.Affinity, e.Seed = version, d.Affinity, rand.Uint64()>>16
	if d.Seed != nil {
		e.Seed = *d.Seed
	}
	if dir, e.ID, err = experiment.Create(d.Results, e.Baseline, e.Candidate, time.Now()); err != nil {
		return "", err
	}
	config := experiment.Config{Looks: looks, MostVoid: d.MaxVoid, Now: time.Now}
	for _, one := range with.declared {
		config.Work = append(config.Work, experiment.Work{Scenario: one.scenario, Source: one.source})
	}
	config.Noise = func(environment, hash string) map[string]float64 {
		profile, err := noise.Read(profiles, environment, d.Affinity)
		if err != nil {
			fmt.Fprintf(a.stderr, "bench: %v\n", err)
		}
		return profile.Scenarios[hash].Noise
	}
	config.Trial = func(w experiment.Work, p experiment.Place) experiment.Outcome {
		target := arms[0].target
		if p.Side == experiment.Candidate {
			target = arms[1].target
		}
		seed := e.Seed + uint64(p.Pair) // the same for both sides of a pair
		var said words
		out, err := trial.Run(context.Background(), trial.Config{
			Target: target, Loadgen: with.loadgen, TargetCPUs: with.placed.target, LoadgenCPUs: with.placed.loadgen,
			Scenario: w.Scenario, Source: w.Source, Toy: d.Toy, Seed: &seed, Design: e.Design(p), Reproduce: reproduce,
			Results: dir, Stderr: &said, Interrupts: a.interrupts,
		})
		return experiment.Outcome{Result: out.Result, Why: said.why(out, err), Directory: relative(dir, out.Dir), Interrupted: out.Exit == exitInterrupted, Problem: err}
	}
	config.Progress = func(p experiment.Progress) {
		if p.Problem != nil {
			fmt.Fprintf(a.stderr, "bench: %v\n", p.Problem)
		}
		fmt.Fprintln(a.stderr, table.Progress(p))
		if storing := experiment.Write(dir, e); storing != nil {
			err = storing
		}
	}
	experiment.Run(e, config)
	return dir, errors.Join(err, experiment.Write(dir, e))
}

func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && path != "" {
		return rel
	}
	return path
}
