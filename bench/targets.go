package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"fanbench/bench/internal/trial"
	"fanbench/loadgen/result"
)

// reference is the target's name of the project's own server.
const reference = "server"

// buildPeers builds the peers' program, which is a module of its own.
const buildPeers = "go build -C bench/peers -o ../../bin/peers ."

// peer is another server that comes with the project: how bench/peers calls it,
// and the library that it stands for.
type peer struct{ kind, library string }

var peers = []peer{
	{"floor", ""},
	{"gorilla", "github.com/gorilla/websocket"},
	{"gws", "github.com/lxzan/gws"},
}

// targetNames lists what --targets knows.
func targetNames() []string {
	names := []string{reference}
	for _, p := range peers {
		names = append(names, p.kind)
	}
	return names
}

// resolve finds the targets' programs; without --targets that is the reference
// server alone.
func (c *runCommand) resolve() ([]trial.Target, error) {
	names := c.Targets
	if len(names) == 0 {
		names = []string{reference}
	}
	var all []trial.Target
	var problems []error
	for i, name := range names {
		t, err := c.target(name)
		if slices.Contains(names[:i], name) {
			err = fmt.Errorf("--targets %s: named twice", name)
		}
		all, problems = append(all, t), append(problems, err)
	}
	return all, errors.Join(problems...)
}

func (c *runCommand) target(name string) (trial.Target, error) {
	if name == reference {
		path, err := program("server", c.Server, "make build")
		return trial.Target{Program: path}, err
	}
	for _, p := range peers {
		if p.kind == name {
			path, err := program("peers", c.Peers, buildPeers)
			return trial.Target{Name: name, Program: path, Peer: p.kind, Library: p.library}, err
		}
	}
	return trial.Target{}, fmt.Errorf("--targets %s: no such target; use %s", name, strings.Join(targetNames(), ", "))
}

// job is one trial of a command.
type job struct {
	declared
	target trial.Target
	name   string // of the target; "" without --targets
	round  int
	design *result.Design // nil for a run of its own
	seed   *uint64        // of the plan
}

func (j job) String() string {
	if j.name == "" {
		return j.scenario.Name
	}
	return j.scenario.Name + ", " + j.name
}

// jobs lists the trials in the order in which they run. Rounds are outside, so
// that drift hits all scenarios alike; within a round each scenario has every
// target in turn, with the same plan, and begins with the next one each round,
// so that nobody is always first.
func (c *runCommand) jobs(all []declared, targets []trial.Target) []job {
	var jobs []job
	group := fmt.Sprintf("%s-%08x", time.Now().UTC().Format("20060102T150405Z"), rand.Uint32())
	for round := range c.Repeat {
		for _, d := range all {
			seed := c.Seed
			if seed == nil {
				seed = new(rand.Uint64())
			}
			for i := range targets {
				at := (i + round) % len(targets)
				j := job{declared: d, target: targets[at], round: round, seed: seed}
				if len(c.Targets) > 0 {
					j.name = c.Targets[at]
				}
				if c.Repeat*len(targets) > 1 {
					j.design = &result.Design{GroupID: group, Block: round + 1, Position: i + 1, Arm: cmp.Or(j.name, reference)}
				}
				if len(targets) > 1 { // ratios are to the first
					j.design.Role = result.RoleCandidate
					if at == 0 {
						j.design.Role = result.RoleBaseline
					}
				}
				jobs = append(jobs, j)
			}
		}
	}
	return jobs
}

// suited keeps the scenarios that are the same work for all targets, and says
// why the others are not.
func suited(all []declared, targets []trial.Target) (kept []declared, refused error) {
	var problems []error
	for _, d := range all {
		fits := true
		for _, t := range targets {
			if why := t.Refuses(d.scenario); why != "" {
				fits = false
				problems = append(problems, fmt.Errorf("--targets %s: scenario %s is not for it: %s; leave one of them out", t.Name, d.scenario.Name, why))
			}
		}
		if fits {
			kept = append(kept, d)
		}
	}
	return kept, errors.Join(problems...)
}
