package experiment_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/loadgen/result/schema"
	"fanbench/loadgen/result/schema/schematest"
)

// The schema and the Go types describe the same documents.
func TestSchemaAndTypesAgree(t *testing.T) {
	schematest.Agree(t, experiment.Schema, reflect.TypeFor[experiment.Experiment]())
}

// Whatever becomes of an experiment, its file fits the schema after every pair
// and reads back.
func TestDocumentsFitTheSchema(t *testing.T) {
	for _, c := range []struct {
		name  string
		bench bench
	}{
		{"all is well", bench{}},
		{"a server that never starts", bench{spoil: func(_ int, out *experiment.Outcome) { out.Result, out.Problem = nil, errors.New("no") }}},
		{"voided by turns", bench{spoil: func(n int, out *experiment.Outcome) {
			if n%3 == 0 {
				out.Result.Verdict.Verdict = "invalid"
			}
		}}},
		{"losses", bench{spoil: func(n int, out *experiment.Outcome) { out.Result.Ledger.Lost = uint64(n % 2) }}},
		{"interrupted in the first trial", bench{spoil: func(_ int, out *experiment.Outcome) { out.Result, out.Interrupted = nil, true }}},
		{"interrupted later", bench{spoil: func(n int, out *experiment.Outcome) { out.Interrupted = n == 9 }}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			e := &experiment.Experiment{ID: "id", Affinity: "none", AA: true}
			fits := func() {
				if err := experiment.Write(dir, e); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(filepath.Join(dir, experiment.FileName))
				if err != nil {
					t.Fatal(err)
				}
				if err := schema.Check(experiment.Schema, b); err != nil {
					t.Errorf("after %d pairs: %v", len(e.Scenarios[0].Pairs), err)
				}
				if got, err := experiment.Read(dir); err != nil || got.Verdict != e.Verdict || got.Verdict == "" {
					t.Errorf("read back: %v, %v; want %s", got, err, e.Verdict)
				}
			}
			config := c.bench.config(t, "fanout-1k", "echo-1k")
			config.Progress = func(experiment.Progress) { fits() }
			experiment.Run(e, config)
			fits()
		})
	}
}

// What an experiment that is killed has stored last is not taken for a finished
// one.
func TestUnderWay(t *testing.T) {
	b := &bench{}
	e := &experiment.Experiment{}
	config := b.config(t, "fanout-1k")
	pairs := 0
	config.Progress = func(p experiment.Progress) {
		pairs++
		want := compare.Invalid
		if pairs == 12 {
			want = compare.Equivalent
		}
		if e.Verdict != want || !e.Ended.Equal(b.now) {
			t.Errorf("after pair %d: %s until %v, want %s until %v", pairs, e.Verdict, e.Ended, want, b.now)
		}
		if reasons := strings.Join(e.Scenarios[0].Comparison.Reasons, "; "); pairs < 12 && !strings.Contains(reasons, "of 12 pairs count") {
			t.Errorf("after pair %d: %s", pairs, reasons)
		}
	}
	experiment.Run(e, config)
}

// Each trial's result says where it stands, from 1, and on which side.
func TestDesign(t *testing.T) {
	e := &experiment.Experiment{ID: "group", Baseline: experiment.Arm{Name: "a"}, Candidate: experiment.Arm{Name: "b", Tags: "slower"}}
	first := e.Design(experiment.Place{Side: experiment.Candidate})
	if first.GroupID != "group" || first.Block != 1 || first.Position != 1 || first.Arm != "b -tags slower" || first.Role != "candidate" {
		t.Errorf("the first trial is %+v", first)
	}
	places := map[[3]int]string{}
	b := &bench{}
	config := b.config(t, "fanout-1k", "echo-1k")
	inner := config.Trial
	config.Trial = func(w experiment.Work, p experiment.Place) experiment.Outcome {
		d := e.Design(p)
		at := [3]int{len(w.Scenario.Name), d.Block, d.Position}
		if places[at] != "" {
			t.Errorf("%v is both %s and %s", at, places[at], d.Role)
		}
		places[at] = d.Role
		return inner(w, p)
	}
	experiment.Run(e, config)
	if len(places) != 48 {
		t.Errorf("%d places, want 2 scenarios of 12 pairs", len(places))
	}
	for at, role := range places {
		if other := places[[3]int{at[0], at[1], 3 - at[2]}]; other == role || other == "" {
			t.Errorf("%v is %s, the other of its pair %q", at, role, other)
		}
	}
}
