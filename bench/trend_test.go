package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
