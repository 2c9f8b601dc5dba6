package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/fixture"
	"fanbench/loadgen/result"
)

// keep stores a made-up comparison, with its trials, and a run of it.
func keep(t *testing.T) (comparison, run string) {
	t.Helper()
	comparison = t.TempDir()
	e, results := fixture.Comparison(1.15)
	if err := experiment.Write(comparison, e); err != nil {
		t.Fatal(err)
	}
	for directory, r := range results {
		file := filepath.Join(comparison, directory, result.FileName)
		if err := result.Write(file, r); err != nil {
			t.Fatal(err)
		}
		if r.Scenario.Name == "overload" {
			run = filepath.Dir(file)
		}
	}
	return comparison, run
}

func TestReportOfAComparison(t *testing.T) {
	dir, _ := keep(t)
	code, stdout, stderr := bench("report", dir)
	page := filepath.Join(dir, "report.html")
	if code != exitFine || strings.TrimSpace(stdout) != page || stderr != "" {
		t.Fatalf("exit status %d, %q, %q", code, stdout, stderr)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Percentiles of", "bin/bench ab 5f2c9d7e1a3b4c6d8e0f1a2b3c4d5e6f7a8b9c0d . fanout-10k.yaml overload.yaml --pairs=12 --affinity=none --seed=7", "faster-&lt;log&gt;"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if strings.Contains(string(html), "have no result beside") {
		t.Error("trials' results are there and were not found")
	}
}

func TestExport(t *testing.T) {
	comparison, run := keep(t)
	folder := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--format=text", comparison}, exitFine, "REGRESSION"},
		{[]string{"--format=markdown", comparison}, exitFine, "bench: regression"},
		{[]string{"--format=junit", comparison}, exitFine, "<testsuites>"},
		{[]string{"--format=csv", comparison}, exitFine, "scenario,pair,first,side,metric"},
		{[]string{"--format=gobench", comparison}, exitUsage, "give --output FOLDER"},
		{[]string{"--format=gobench", "--output=" + folder, comparison}, exitFine, ""},
		{[]string{"--format=hgrm", comparison}, exitUsage, "of a run, not of a comparison"},
		{[]string{"--format=text", run, run}, exitFine, "overload"},
		{[]string{"--format=markdown", run}, exitUsage, "of a comparison, not of runs"},
		{[]string{"--format=junit", run}, exitFine, "<testsuites>"},
		{[]string{"--format=csv", run}, exitFine, "scenario,run,verdict,metric"},
		{[]string{"--format=gobench", run, run}, exitFine, "BenchmarkRun/scenario="},
		{[]string{"--format=hgrm", "--histogram=sent-delivery", run}, exitFine, "TotalCount"},
		{[]string{"--format=hgrm", run, run}, exitUsage, "one run, not 2"},
		{[]string{"--format=hgrm", "--histogram=deliveries", run}, exitUsage, "--histogram deliveries: the run has none of that name; it has delivery, sent-delivery"},
		{[]string{"--format=csv", "--output=" + filepath.Join(folder, "no", "where"), run}, exitUntrusted, "no such file or directory"},
		{[]string{"--format=text", comparison, run}, exitUsage, "exported alone"},
		{[]string{"--format=text", filepath.Join(comparison, "nothing")}, exitUsage, "no such file"},
	} {
		code, stdout, stderr := bench(append([]string{"export"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("export %v: exit status %d, %.200q %q; want %d with %q", c.args, code, stdout, stderr, c.code, c.says)
		}
	}
	for _, side := range []string{"baseline.txt", "candidate.txt"} {
		if _, err := os.Stat(filepath.Join(folder, side)); err != nil {
			t.Error(err)
		}
	}
}
