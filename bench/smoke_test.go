package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fanbench/bench/scenarios"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Every scenario of the catalogue at toy size, through the three real programs.
// It asserts counts; how long anything took is the machine's affair.
func TestSmoke(t *testing.T) {
	for _, name := range scenarios.Names() {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			out, err := exec.Command(filepath.Join(bin, "bench"), "run", "--toy", "--seed", "7", "--results", root, name).CombinedOutput()
			if err != nil {
				t.Fatalf("bench run --toy %s: %v\n%s", name, err, out)
			}
			stored, err := filepath.Glob(filepath.Join(root, name, "*", result.FileName))
			if err != nil || len(stored) != 1 {
				t.Fatalf("stored %v (%v), want one result", stored, err)
			}
			if !strings.Contains(string(out), filepath.Join(filepath.Dir(stored[0]), "report.html")) {
				t.Error("the output does not name the report")
			}
			r, err := result.Read(stored[0])
			if err != nil {
				t.Fatal(err)
			}
			checkCounts(t, r)
			if r.Seed != 7 || len(r.Subject.Command) == 0 {
				t.Errorf("seed %d, command %v", r.Seed, r.Subject.Command)
			}
		})
	}
}

func checkCounts(t *testing.T, r *result.Result) {
	t.Helper()
	l := r.Ledger
	if l.Lost+l.Duplicated+l.Reordered+l.Corrupt+l.Misrouted != 0 || !l.GapsAgree || l.Delivered+l.Excluded != l.Expected || l.Unsent != 0 {
		t.Errorf("the ledger is not clean: %+v", l)
	}
	if len(r.Failures) > 0 && r.Scenario.Slow.Share == 0 { // slow readers are closed by right
		t.Errorf("failures: %+v", r.Failures)
	}
	if r.Scenario.Workload == scenario.Connect {
		if m, _, found := r.Metric("connections_per_second"); !found || m.N != uint64(r.Scenario.Connections) {
			t.Errorf("%d connections opened, want %d", m.N, r.Scenario.Connections)
		}
		return
	}
	want := l.Sent
	if r.Scenario.Workload == scenario.Fanout {
		want *= uint64((r.Scenario.Connections - r.Scenario.SlowSubscribers()) / r.Scenario.Rooms)
	}
	if l.Sent == 0 || l.Delivered+l.Excluded != want || l.Excluded > 0 && r.Scenario.Churn.Rate == 0 {
		t.Errorf("%d sent became %d deliveries and %d excluded, want %d", l.Sent, l.Delivered, l.Excluded, want)
	}
}
