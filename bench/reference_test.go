package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanbench/bench/scenarios"
	"fanbench/loadgen/result"
)

const referenceRuns = "../results/reference"

// The committed runs are whole, valid, one for each scenario of the default
// catalogue, and in the table of results/README.md.
func TestReferenceRuns(t *testing.T) {
	code, stdout, stderr := bench("validate", referenceRuns)
	if code != exitFine || strings.Count(stdout, ": valid\n") != len(scenarios.Default()) {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	page, err := os.ReadFile("../results/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scenarios.Default() {
		r, err := result.Read(filepath.Join(referenceRuns, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if r.Scenario.Name != name || r.Verdict.Verdict != "valid" || r.Subject.Commit == "" || r.Subject.Dirty {
			t.Errorf("%s: a %s run of %s by %+v; want a valid one of a commit", name, r.Verdict.Verdict, r.Scenario.Name, r.Subject)
		}
		if !strings.Contains(string(page), "| `reference/"+name+"/` |") {
			t.Errorf("results/README.md has no row for reference/%s/", name)
		}
		for _, arg := range r.Subject.Command {
			if filepath.IsAbs(arg) {
				t.Errorf("%s: the command names %s, a path of the machine that measured", name, arg)
			}
		}
	}
}
