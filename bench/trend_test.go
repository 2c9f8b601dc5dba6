package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/trial"
	"fanbench/loadgen/result"
)

// A change point is found where it is, gaps are said, and nothing fails.
func TestTrend(t *testing.T) {
	values := []float64{6, 6.05, 5.95, 6.02, 5.98, 6.01, 5.99, 6.03, 7.5, 7.55, 7.45, 7.52, 7.48, 7.51, 7.5, 7.53}
	folder := runs(t, "aaaaaaaaaaaa", nil, values...)
	code, stdout, stderr := bench("trend", "--metric", "target.cpu_per_delivery_seconds", folder)
	if code != exitFine || !strings.Contains(stdout, "+25") || !strings.Contains(stdout, "worse") || !strings.Contains(stdout, "gates nothing") {
		t.Errorf("a step by a quarter: exit %d\n%s%s", code, stdout, stderr)
	}
	html := filepath.Join(t.TempDir(), "trend.html")
	if code, _, stderr := bench("trend", "--html", html, folder); code != exitFine || stderr != "" {
		t.Errorf("--html: exit %d, %s", code, stderr)
	}
	if b, err := os.ReadFile(html); err != nil || !strings.Contains(string(b), "gates nothing") || !strings.Contains(string(b), "target.cpu_per_delivery_seconds over stored runs") {
		t.Errorf("the page does not show the metric (%v)", err)
	}
	if n := strings.Count(stdout, "aaaaaaaaaaaa"); n != len(values)+1 {
		t.Errorf("%d lines name the commit, want one for each of %d points and one for the change\n%s", n, len(values), stdout)
	}
	if code, stdout, _ := bench("trend", runs(t, "aaaaaaaaaaaa", nil, 6, 6.1, 6)); code != exitFine || !strings.Contains(stdout, "No series has the 10 runs") {
		t.Errorf("three runs: exit %d\n%s", code, stdout)
	}
	moved := 0
	folder = runs(t, "aaaaaaaaaaaa", func(r *result.Result) {
		if moved++; moved > 8 {
			r.Environment.Key = "new"
		}
	}, values...)
	if code, stdout, _ := bench("trend", folder); code != exitFine || !strings.Contains(stdout, "the environment changed at") || strings.Contains(stdout, "worse") {
		t.Errorf("a step with a new machine: exit %d\n%s", code, stdout)
	}
	if code, _, stderr := bench("trend", "--metric", "speed", folder); code != exitUsage || !strings.Contains(stderr, "--metric speed") {
		t.Errorf("an unknown metric: exit %d, %s", code, stderr)
	}
	if code, _, stderr := bench("trend", filepath.Join(os.TempDir(), "no-runs-here")); code != exitUsage || !strings.Contains(stderr, "find results") {
		t.Errorf("no runs: exit %d, %s", code, stderr)
	}
}

// A series is of one scenario and one target, and of a history's runs: what was
// measured of anything else, the next day, is no change of the server.
func TestTrendSeries(t *testing.T) {
	server := runs(t, "aaaaaaaaaaaa", nil, 6, 6.05, 5.95, 6.02, 5.98, 6.01, 5.99, 6.03)
	dearer := func(change func(*result.Result)) string {
		return runs(t, "aaaaaaaaaaaa", func(r *result.Result) {
			r.Times.Started = r.Times.Started.Add(24 * time.Hour)
			change(r)
		}, 7.5, 7.55, 7.45, 7.52, 7.48, 7.51, 7.5, 7.53, 7.49, 7.5)
	}
	_, comparison, err := experiment.Create(t.TempDir(), experiment.Arm{Program: "server"}, experiment.Arm{Program: "server"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	trialOf := func(role string) string {
		return dearer(func(r *result.Result) { r.Design = &result.Design{GroupID: comparison, Role: role} })
	}
	round := (&runCommand{Repeat: 2, Targets: []string{"gorilla", "server"}}).jobs(make([]declared, 1), make([]trial.Target, 2))[1].design
	for _, c := range []struct {
		name  string
		more  string
		worse bool
		says  string
	}{
		{"the server itself", dearer(func(*result.Result) {}), true, "    18  aaaaaaaaaaaa"},
		{"in rounds with another", dearer(func(r *result.Result) { r.Design = round }), true, "    18  aaaaaaaaaaaa"},
		{"another server", dearer(func(r *result.Result) { r.Subject.Name = "gorilla" }), false, "fanout-10k, gorilla  commit"},
		{"other build tags", dearer(func(r *result.Result) { r.Subject.Version += " -tags slower" }), false, "fanout-10k, server -tags slower  commit"},
		{"baseline of a comparison", trialOf(result.RoleBaseline), false, "10 trials of comparisons are left out"},
		{"candidate of a comparison", trialOf(result.RoleCandidate), false, "10 trials of comparisons are left out"},
		{"copies", server, false, "No series has the 10 runs"},
	} {
		code, stdout, stderr := bench("trend", "--metric", "target.cpu_per_delivery_seconds", server, c.more)
		if code != exitFine || strings.Contains(stdout, "worse") != c.worse || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("%s: exit %d\n%s%s\nwant worse %v and %q", c.name, code, stdout, stderr, c.worse, c.says)
		}
	}
}
