package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanbench/bench/internal/fixture"
	"fanbench/loadgen/result"
)

// runs stores valid runs of one server under a folder, an hour apart, with these
// CPU times per delivery in microseconds.
func runs(t *testing.T, commit string, change func(*result.Result), microseconds ...float64) string {
	t.Helper()
	folder := t.TempDir()
	for i, us := range microseconds {
		r := fixture.Fanout()
		r.Subject.Commit = commit
		r.Times.Started = r.Times.Started.Add(time.Duration(i) * time.Hour)
		m := r.Metrics["target.cpu_per_delivery_seconds"]
		m.Value = us * 1e-6
		r.Metrics["target.cpu_per_delivery_seconds"] = m
		if change != nil {
			change(r)
		}
		if err := result.Write(filepath.Join(folder, fmt.Sprintf("20261122T%02d0000Z-%s", i, commit), result.FileName), r); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestCompareStoredRuns(t *testing.T) {
	a := runs(t, "aaaaaaaaaaaa", nil, 6.0, 6.1, 6.2, 6.3, 6.15, 6.05, 6.25, 6.12)
	b := runs(t, "bbbbbbbbbbbb", nil, 7.0, 7.1, 7.2, 7.3, 7.15, 7.05, 7.25, 7.12)
	elsewhere := runs(t, "cccccccccccc", func(r *result.Result) { r.Environment.Key = "another machine" }, 6)
	other := runs(t, "dddddddddddd", func(r *result.Result) { r.Scenario.Connections = 7 }, 6)
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"dearer", []string{a, "--", b}, exitFine, []string{"REGRESSION (advisory)", "target.cpu_per_delivery_seconds: regression, +16", "not made in pairs", "aaaaaaaaaaaa, 8 runs"}},
		{"the same", []string{a, "--", a}, exitFine, []string{"EQUIVALENT (advisory)"}},
		{"two single runs", []string{a + "/20261122T000000Z-aaaaaaaaaaaa", b + "/20261122T000000Z-bbbbbbbbbbbb"}, exitFine, []string{"This table does not judge"}},
		{"another machine", []string{a, "--", elsewhere}, exitUsage, []string{"cannot be compared", "the environments differ", "--force"}},
		{"another scenario", []string{a, "--", other}, exitUsage, []string{"cannot be compared", "the scenarios differ"}},
		{"another scenario by force", []string{"--force", a, "--", other}, exitFine, []string{"warning: the scenarios differ", "(advisory)"}},
		{"one side", []string{a}, exitUsage, []string{"want A B, or A… -- B…"}},
		{"nothing there", []string{a, "--", "/no/runs"}, exitUsage, []string{"find results"}},
	} {
		code, stdout, stderr := bench(append([]string{"compare"}, c.args...)...)
		for _, says := range c.says {
			if code != c.code || !strings.Contains(stdout+stderr, says) {
				t.Errorf("%s: exit %d\n%s%s\nwant exit %d and %q", c.name, code, stdout, stderr, c.code, says)
			}
		}
	}
}

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
