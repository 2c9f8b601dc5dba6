package experiment_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/revision"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

const cpu = "target.cpu_per_delivery_seconds"

// bench is a fake of everything around an experiment: trials take ten seconds
// and their CPU per delivery is what of says.
type bench struct {
	now   time.Time
	of    func(side experiment.Side, pair int) float64
	spoil func(n int, out *experiment.Outcome) // n counts trials from 0
	made  []string
	said  []experiment.Progress
}

func (b *bench) config(t *testing.T, scenarios ...string) experiment.Config {
	t.Helper()
	b.now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	var work []experiment.Work
	for i, name := range scenarios {
		s, err := scenario.New(scenario.Set("size", fmt.Sprintf("%dB", 128+i), ""))
		if err != nil {
			t.Fatal(err)
		}
		s.Name = name
		work = append(work, experiment.Work{Scenario: s})
	}
	return experiment.Config{
		Work: work, Looks: compare.Fixed(12), MostVoid: 2,
		Noise:    func(environment, scenario string) map[string]float64 { return map[string]float64{cpu: 0.04} },
		Trial:    b.trial,
		Progress: func(p experiment.Progress) { b.said = append(b.said, p) },
		Now:      func() time.Time { return b.now },
	}
}

func (b *bench) trial(w experiment.Work, p experiment.Place) experiment.Outcome {
	side, pair := p.Side, p.Pair
	b.now = b.now.Add(10 * time.Second)
	n := len(b.made)
	b.made = append(b.made, fmt.Sprintf("%s %d %s", w.Scenario.Name, pair, side))
	value := 1 + 0.002*float64(n%7)
	if b.of != nil {
		value *= b.of(side, pair)
	}
	out := experiment.Outcome{
		Directory: fmt.Sprintf("run-%d", n),
		Result: &result.Result{
			Environment: result.Environment{Key: "machine", Factors: map[string]string{"arch": "amd64"}, Detail: map[string]string{}}, Scenario: w.Scenario,
			Verdict: result.Verdict{Verdict: "valid"},
			Metrics: map[string]result.Metric{cpu: {Value: value, Unit: "seconds", Publications: 40}},
		},
	}
	if b.spoil != nil {
		b.spoil(n, &out)
	}
	return out
}

func TestFixedNumberOfPairs(t *testing.T) {
	b := &bench{}
	e := &experiment.Experiment{Seed: 7}
	experiment.Run(e, b.config(t, "fanout-1k", "echo-1k"))
	if e.Verdict != compare.Equivalent || len(e.Scenarios) != 2 || e.Environment.Key != "machine" {
		t.Fatalf("%s, %d scenarios, environment %q", e.Verdict, len(e.Scenarios), e.Environment.Key)
	}
	for _, s := range e.Scenarios {
		first := 0
		for _, p := range s.Pairs {
			if p.BaselineFirst {
				first++
			}
		}
		if len(s.Pairs) != 12 || first != 6 {
			t.Errorf("%s: %d pairs, the baseline first in %d; want 12 and 6", s.Name, len(s.Pairs), first)
		}
		if s.Rules.Alpha != 0.025 || s.Rules.Noise[cpu] != 0.04 {
			t.Errorf("%s: judged at %v with noise %v; want half of 0.05, and 0.04", s.Name, s.Rules.Alpha, s.Rules.Noise)
		}
	}
	if len(b.made) != 48 || !strings.HasPrefix(b.made[0], "fanout-1k 0") || !strings.HasPrefix(b.made[2], "echo-1k 0") {
		t.Errorf("%d trials, the first %v; want 48, the scenarios in turn", len(b.made), b.made[:4])
	}
	last := b.said[len(b.said)-1]
	if half := b.said[11]; half.Done != 12 || half.Planned != 24 || half.Left != 4*time.Minute || last.Left != 0 {
		t.Errorf("half way: %d of %d, %v left; at the end %v", half.Done, half.Planned, half.Left, last.Left)
	}
}

// The order depends on the seed alone, and no order is the only one.
func TestOrder(t *testing.T) {
	orders := map[string]int{}
	for seed := range uint64(40) {
		var made [2]string
		for i := range made {
			b := &bench{}
			experiment.Run(&experiment.Experiment{Seed: seed}, b.config(t, "fanout-1k"))
			made[i] = strings.Join(b.made[:4], ", ")
		}
		if made[0] != made[1] {
			t.Fatalf("seed %d: %s, then %s", seed, made[0], made[1])
		}
		orders[made[0]]++
	}
	if len(orders) != 2 {
		t.Errorf("the first two pairs have %d orders over 40 seeds, want the 2 that are balanced: %v", len(orders), orders)
	}
}

func TestVerdicts(t *testing.T) {
	dearer := func(by float64) func(experiment.Side, int) float64 {
		return func(side experiment.Side, _ int) float64 {
			if side == experiment.Candidate {
				return by
			}
			return 1
		}
	}
	for _, c := range []struct {
		name    string
		bench   bench
		looks   compare.Looks
		verdict compare.Verdict
		pairs   int
	}{
		{"dearer", bench{of: dearer(1.15)}, compare.Fixed(12), compare.Regression, 12},
		{"cheaper", bench{of: dearer(0.85)}, compare.Fixed(12), compare.Improvement, 12},
		{"clear at the first look", bench{of: dearer(1.15)}, compare.Sequential(), compare.Regression, 8},
		{"the same at the first look", bench{}, compare.Sequential(), compare.Equivalent, 8},
		{"unclear at the first look, clear at the second", bench{of: func(side experiment.Side, pair int) float64 {
			switch {
			case side == experiment.Baseline:
				return 1
			case pair < 2:
				return 0.9
			}
			return 1.15
		}}, compare.Sequential(), compare.Regression, 16},
		{"never clear", bench{of: func(side experiment.Side, pair int) float64 {
			if side == experiment.Baseline {
				return 1
			}
			return 0.8 + 0.45*float64(pair%2)
		}}, compare.Sequential(), compare.Inconclusive, 16},
		{"a void pair is made again", bench{spoil: func(n int, out *experiment.Outcome) {
			if n == 5 {
				out.Result.Verdict.Verdict = "generator-limited"
			}
		}}, compare.Fixed(12), compare.Equivalent, 13},
		{"void pairs are capped", bench{spoil: func(n int, out *experiment.Outcome) {
			if n > 3 {
				out.Result = nil
			}
		}}, compare.Fixed(12), compare.Invalid, 5},
		{"a loss is a regression", bench{spoil: func(n int, out *experiment.Outcome) {
			out.Result.Ledger.Lost = uint64(n % 2)
		}}, compare.Fixed(12), compare.Regression, 12},
		{"a loss that the scenario allows is none", bench{spoil: func(n int, out *experiment.Outcome) {
			out.Result.Ledger.Lost, out.Result.Scenario.Allow = 1, []string{"lost"}
		}}, compare.Fixed(12), compare.Equivalent, 12},
	} {
		config := c.bench.config(t, "fanout-1k")
		config.Looks = c.looks
		e := &experiment.Experiment{Seed: 1}
		experiment.Run(e, config)
		if e.Verdict != c.verdict || len(e.Scenarios[0].Pairs) != c.pairs {
			t.Errorf("%s: %s after %d pairs %v, want %s after %d", c.name, e.Verdict, len(e.Scenarios[0].Pairs), e.Scenarios[0].Comparison.Reasons, c.verdict, c.pairs)
		}
	}
}

// An interrupt ends the experiment at once; the pairs that are whole stay.
func TestInterrupt(t *testing.T) {
	b := &bench{spoil: func(n int, out *experiment.Outcome) { out.Interrupted = n == 7 }}
	e := &experiment.Experiment{}
	experiment.Run(e, b.config(t, "fanout-1k"))
	if !e.Interrupted || len(e.Scenarios[0].Pairs) != 3 || len(b.made) != 8 || e.Verdict != compare.Invalid {
		t.Errorf("interrupted %v after %d trials with %d pairs: %s", e.Interrupted, len(b.made), len(e.Scenarios[0].Pairs), e.Verdict)
	}
	b = &bench{spoil: func(n int, out *experiment.Outcome) { out.Interrupted = true }}
	e = &experiment.Experiment{}
	experiment.Run(e, b.config(t, "fanout-1k", "echo-1k"))
	if len(b.made) != 1 || e.Verdict != compare.Invalid {
		t.Errorf("interrupted in the first: %d trials, %s", len(b.made), e.Verdict)
	}
}

// What is stored is read back as it was, and nothing but a whole file is read.
func TestFile(t *testing.T) {
	b := &bench{}
	e := &experiment.Experiment{ID: "id", Baseline: experiment.Arm{Name: "main", Revision: &revision.Revision{Ref: "main", Commit: "0123456789abcdef"}}}
	config := b.config(t, "fanout-1k")
	config.Looks = compare.Fixed(3) // a small file: it is cut at every byte below
	experiment.Run(e, config)
	dir, id, err := experiment.Create(t.TempDir(), e.Baseline, experiment.Arm{Program: "/bin/server"}, b.now)
	if err != nil || filepath.Base(dir) != id || !strings.HasPrefix(id, "20261122T030100Z-0123456789ab-server-") {
		t.Fatalf("%s, %s, %v", dir, id, err)
	}
	if err := experiment.Write(dir, e); err != nil {
		t.Fatal(err)
	}
	got, err := experiment.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	e.SchemaVersion, e.Kind = experiment.SchemaVersion, "fanbench-experiment"
	if !reflect.DeepEqual(got, e) {
		t.Errorf("read back\n%+v\nwant\n%+v", got, e)
	}
	file := filepath.Join(dir, experiment.FileName)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.json")
	for size := range len(whole) - 1 {
		want := fmt.Sprintf("cut short after byte %d", size)
		if size == 0 {
			want = "the file is empty"
		}
		if _, err := experiment.Decode(whole[:size]); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("cut at %d: %v", size, err)
		}
	}
	for change, want := range map[string]string{
		`"schema_version": 1`: "schema version 2 is newer than 1", `"fanbench-experiment"`: `kind "fanbench-run"`,
	} {
		other := map[string]string{`"schema_version": 1`: `"schema_version": 2`, `"fanbench-experiment"`: `"fanbench-run"`}[change]
		if err := os.WriteFile(cut, []byte(strings.Replace(string(whole), change, other, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := experiment.Read(cut); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// A write that fails leaves the old file as it was.
func TestWriteThatFails(t *testing.T) {
	dir := t.TempDir()
	e := &experiment.Experiment{ID: "old"}
	if err := experiment.Write(dir, e); err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	e.ID = strings.Repeat("new", 100_000)
	small := limit
	small.Cur = 64 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	err := experiment.Write(dir, e)
	if restore := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); restore != nil {
		t.Fatal(restore)
	}
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("a file that is too large: %v", err)
	}
	if got, err := experiment.Read(dir); err != nil || got.ID != "old" {
		t.Errorf("the old file: %v, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
