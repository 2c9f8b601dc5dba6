package table_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"fanbench/bench/internal/fixture"
	"fanbench/bench/internal/table"
	"fanbench/loadgen/result"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test -update rewrites it\n--- got\n%s--- want\n%s", path, got, want)
	}
}

func TestRuns(t *testing.T) {
	var b bytes.Buffer
	err := table.Runs(&b, []table.Run{
		{Scenario: "fanout-10k", Result: fixture.Fanout()},
		{Scenario: "overload", Result: fixture.Overload()},
		{Scenario: "rooms", Problem: "exit status 3"},
		{Scenario: "fanout-10k", Result: fixture.Broken()},
		{Scenario: "connect-storm", Result: fixture.Storm()},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "runs.txt", b.String())
}

// scaled is a run in which every metric came out larger by a factor.
func scaled(r *result.Result, factor float64) *result.Result {
	for name, m := range r.Metrics {
		m.Value *= factor
		r.Metrics[name] = m
	}
	return r
}

// voided is a run of which a guard voided one metric.
func voided(r *result.Result, name string) *result.Result {
	if r.Untrusted == nil {
		r.Untrusted = make(map[string]result.Metric)
	}
	r.Untrusted[name] = r.Metrics[name]
	delete(r.Metrics, name)
	return r
}

// Three rounds of three targets on two scenarios: medians, ranges, ratios within
// each round, a trial without a result, one that a guard voided, and an end
// before everybody had a turn.
func TestTargets(t *testing.T) {
	var runs []table.Run
	add := func(round int, name, target string, r *result.Result) {
		runs = append(runs, table.Run{Scenario: name, Target: target, Round: round, Result: r, Problem: "exit status 3"})
	}
	lossy := voided(fixture.Broken(), "delivery.p99")
	for round, drift := range []float64{1, 1.3, 0.9} { // of the machine: it cancels out
		add(round, "fanout-10k", "server", scaled(fixture.Fanout(), drift))
		add(round, "fanout-10k", "floor", voided(scaled(fixture.Fanout(), drift*0.9), "send_lag.p99"))
		add(round, "overload", "server", scaled(fixture.Overload(), drift))
		if round == 2 {
			add(round, "fanout-10k", "gws", lossy)
			break
		}
		add(round, "fanout-10k", "gws", scaled(fixture.Fanout(), drift*float64(2+round)))
		add(round, "overload", "gws", nil)
	}
	var b bytes.Buffer
	if err := table.Targets(&b, runs); err != nil {
		t.Fatal(err)
	}
	golden(t, "targets.txt", b.String())
}

// Connections have columns of their own; one round has no range, and one target
// no ratio.
func TestTargetsOnce(t *testing.T) {
	var b bytes.Buffer
	if err := table.Targets(&b, []table.Run{{Scenario: "connect-storm", Target: "gws", Result: fixture.Storm()}}); err != nil {
		t.Fatal(err)
	}
	golden(t, "targets-once.txt", b.String())
}

// A row must fit a terminal of 120 columns.
func TestRunsWidth(t *testing.T) {
	limited := fixture.Fanout()
	limited.Verdict.Verdict, limited.Verdict.Limit = "generator-limited", "generator"
	var b bytes.Buffer
	if err := table.Runs(&b, []table.Run{
		{Result: fixture.Fanout()}, {Result: fixture.Overload()}, {Result: fixture.Storm()}, {Result: limited},
	}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if n := utf8.RuneCountInString(line); n > 120 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestLine(t *testing.T) {
	for _, c := range []struct {
		result *result.Result
		want   string
	}{
		{fixture.Fanout(), "fanout-10k: valid, none; deliveries/s 40k; p50 21 ms; p99 107 ms*; lost 0 of 1,080,000"},
		{fixture.Storm(), "connect-storm: valid, none; connections/s 15.8k; connect p99 672 ms"},
		{fixture.Broken(), "fanout-10k: generator-limited, partial; deliveries/s 40k; p50 21 ms; p99 107 ms*; lost 12,003 of 1,080,000"},
	} {
		if got := table.Line(c.result); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	a, b := fixture.Fanout(), fixture.Fanout()
	b.RunID, b.Subject.Name = "ffff0000", "gorilla"
	m := b.Metrics["target.cpu_per_delivery_seconds"]
	m.Value *= 0.5
	b.Metrics["target.cpu_per_delivery_seconds"] = m
	delete(b.Metrics, "blocked.p50")
	var out bytes.Buffer
	if err := table.Compare(&out, a, b); err != nil {
		t.Fatal(err)
	}
	golden(t, "compare.txt", out.String())
	for _, want := range []string{"does not judge", "0.500"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the comparison does not say %q", want)
		}
	}
}

func TestDifferences(t *testing.T) {
	same := fixture.Fanout()
	elsewhere := fixture.Fanout()
	elsewhere.Environment.Key = "other"
	elsewhere.Environment.Factors["cpus"] = "64"
	for _, c := range []struct {
		name string
		b    *result.Result
		want []string
	}{
		{"equal", fixture.Fanout(), nil},
		{"scenario", fixture.Storm(), []string{"the scenarios differ (fanout-10k, connect-storm)"}},
		{"environment", elsewhere, []string{`the environments differ (cpus "2" and "64")`}},
	} {
		got := table.Differences(same, c.b)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %d", c.name, got, len(c.want))
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], c.want[i]) {
				t.Errorf("%s: %q, want %q", c.name, got[i], c.want[i])
			}
		}
	}
}
