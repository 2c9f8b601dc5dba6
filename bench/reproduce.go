package main

import (
	"fmt"
	"slices"

	"fanbench/bench/internal/trial"
	"fanbench/bench/scenarios"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// reproduce writes the commands that repeat a run. The scenario is recognised
// by its hash, since a stored result does not say how it was started. Another
// project's server has none: bench ab started it.
func reproduce(r *result.Result) string {
	if c := r.Subject.Command; len(c) > 0 && c[0] == trial.ShellPath {
		return ""
	}
	commands := "make build\n"
	if c := r.Subject.Commit; c != "" {
		commands = "git checkout " + c + "\nmake build\n"
	}
	arguments := invocation(r.Scenario.Name, r.Scenario.Hash())
	if name := r.Subject.Name; slices.ContainsFunc(peers, func(p peer) bool { return p.kind == name }) {
		commands += buildPeers + "\n"
		arguments += " --targets=" + name
	}
	return commands + fmt.Sprintf("bin/bench run %s --seed=%d", arguments, r.Seed)
}

// invocation finds a scenario in the catalogue, at full or at toy size. The file
// of any other stands beside the result.
func invocation(name, hash string) (arguments string) {
	source, err := scenarios.Source(name)
	if err != nil {
		return name + ".yaml"
	}
	for _, size := range []struct {
		flag    string
		options []scenario.Option
	}{{"", nil}, {" --toy", []scenario.Option{scenario.Toy()}}} {
		if s, err := scenario.Parse(name+".yaml", source, size.options...); err == nil && s.Hash() == hash {
			return name + size.flag
		}
	}
	return name + ".yaml"
}
