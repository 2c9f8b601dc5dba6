package main

import (
	"fmt"
	"slices"

	"fanbench/bench/scenarios"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// reproduce writes the commands that repeat a run. The scenario is recognised
// by its hash, since a stored result does not say how it was started.
func reproduce(r *result.Result) string {
	commands := "make build\n"
	if c := r.Subject.Commit; c != "" {
		commands = "git checkout " + c + "\nmake build\n"
	}
	arguments, known := invocation(r.Scenario)
	if !known {
		// Its file stands beside the result.
		arguments = r.Scenario.Name + ".yaml"
	}
	if name := r.Subject.Name; slices.ContainsFunc(peers, func(p peer) bool { return p.kind == name }) {
		commands += buildPeers + "\n"
		arguments += " --targets=" + name
	}
	return commands + fmt.Sprintf("bin/bench run %s --seed=%d", arguments, r.Seed)
}

// invocation finds a scenario in the catalogue, at full or at toy size.
func invocation(s scenario.Scenario) (arguments string, known bool) {
	hash := s.Hash()
	for _, name := range scenarios.Names() {
		source, err := scenarios.Source(name)
		if err != nil {
			continue
		}
		if full, err := scenario.Parse(name+".yaml", source); err == nil && full.Hash() == hash {
			return name, true
		}
		if toy, err := scenario.Parse(name+".yaml", source, scenario.Toy()); err == nil && toy.Hash() == hash {
			return name + " --toy", true
		}
	}
	return "", false
}
