package main

import (
	"fmt"
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
		r.RunID, r.Subject.Commit = fmt.Sprintf("%s/%d", folder, i), commit
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
	gorilla := runs(t, "aaaaaaaaaaaa", func(r *result.Result) { r.Subject.Name = "gorilla" }, 8, 8.1, 8.2, 8.3)
	other := runs(t, "dddddddddddd", func(r *result.Result) { r.Scenario.Connections = 7 }, 6)
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"dearer", []string{a, "--", b}, exitFine, []string{"REGRESSION (advisory)", "target.cpu_per_delivery_seconds: regression, +16", "not made in pairs", "server aaaaaaaaaaaa, 8 runs"}},
		{"another server", []string{a, "--", gorilla}, exitFine, []string{"baseline   server aaaaaaaaaaaa, 8 runs\ncandidate  gorilla aaaaaaaaaaaa, 4 runs\n"}},
		{"copies", []string{a, a, "--", b}, exitFine, []string{"server aaaaaaaaaaaa, 8 runs"}},
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
