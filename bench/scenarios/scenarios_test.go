package scenarios_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fanbench/bench/scenarios"
	"fanbench/loadgen/scenario"
)

func TestNamesAreTheFiles(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f, ".yaml"))
	}
	listed := scenarios.Names()
	slices.Sort(names) // as file names they sort differently
	slices.Sort(listed)
	if !slices.Equal(names, listed) {
		t.Errorf("the folder holds %v, the catalogue lists %v", names, listed)
	}
}

func TestEachScenario(t *testing.T) {
	var whole time.Duration
	for _, name := range scenarios.Names() {
		source, err := scenarios.Source(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(source), "# ") {
			t.Errorf("%s does not open with a comment", name)
		}
		full, err := scenario.Parse(name+".yaml", source)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		toy, err := scenario.Parse(name+".yaml", source, scenario.Toy())
		if err != nil {
			t.Errorf("%s, toy: %v", name, err)
			continue
		}
		if !strings.HasSuffix(full.Question, "?") {
			t.Errorf("%s asks no question: %q", name, full.Question)
		}
		p := toy.Phases
		if toy.Connections > 100 || p.WarmUp+p.Measure > time.Second || toy.Hash() == full.Hash() {
			t.Errorf("%s: its toy is no toy: %d connections, %v", name, toy.Connections, p.WarmUp+p.Measure)
		}
		// A test of the pipeline asserts counts; lags are the machine's.
		if full.Workload != scenario.Connect && !slices.Equal(toy.Require, []string{scenario.GroupLedger}) {
			t.Errorf("%s: its toy requires %v, want the ledger alone", name, toy.Require)
		}
		if !slices.Contains(scenarios.Default(), name) {
			continue
		}
		p = full.Phases
		whole += p.Idle + p.WarmUp + p.Measure
	}
	// Ramps, drains, starts and stops come on top, within four minutes.
	if whole > 150*time.Second {
		t.Errorf("the default publishes for %v, want at most 2m30s", whole)
	}
}

func TestUnknownName(t *testing.T) {
	for name, want := range map[string]string{
		"fanout-10":  "did you mean fanout-1k?",
		"conect":     "known: fanout-1k, ", // too far from connect-storm to guess
		"room":       "did you mean rooms?",
		"zzzzzzzzzz": "known: fanout-1k, ",
	} {
		_, err := scenarios.Source(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestIsPath(t *testing.T) {
	for arg, want := range map[string]bool{
		"rooms": false, "fanout-1k": false, "rooms.yaml": true, "./rooms": true, "a/b.yml": true, os.TempDir(): true,
	} {
		if scenarios.IsPath(arg) != want {
			t.Errorf("IsPath(%q) = %v, want %v", arg, !want, want)
		}
	}
}
