package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanbench/loadgen/internal/calibration"
	"fanbench/loadgen/internal/environment"
)

// At toy size a calibration shows that all is there and adds up. It is never
// trustworthy, for want of publications.
func TestCalibrate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "calibration.json")
	status, out, problem := loadgen("calibrate", "--quick", "--json", "--out", file)
	if status != exitNoAnswer {
		t.Fatalf("exit status %d, standard error\n%s", status, problem)
	}
	var printed calibration.Calibration
	if err := json.Unmarshal([]byte(out), &printed); err != nil {
		t.Fatal(err)
	}
	kept, err := calibration.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if kept.ID == "" || kept.ID != printed.ID || kept.Trustworthy || kept.Environment.Key == "" || kept.Host == "" {
		t.Errorf("kept %+v, printed %+v", kept, printed)
	}
	names := map[string]bool{}
	for _, c := range kept.Ceilings {
		names[c.Name] = true
		if c.Value <= 0 || c.Setting == "" {
			t.Errorf("%+v", c)
		}
	}
	for _, name := range []string{"connections opened", "deliveries", "generator CPU per delivery", "send lag p99", "read lag p99", "round trips", "generator CPU per round trip"} {
		if !names[name] {
			t.Errorf("no %s among %v", name, names)
		}
	}
	if len(kept.Cases) != 4 {
		t.Fatalf("%d cases, want 4", len(kept.Cases))
	}
	for _, c := range kept.Cases {
		// 300 ms at 2,000/s, each to the two of its room: what the target wrote
		// is what the generator measured, delivery by delivery.
		if c.Publications != 600 || c.Deliveries != 1200 || len(c.Faults) != 0 || c.ExactShare <= 0 || len(c.Quantiles) != 4 {
			t.Errorf("%+v", c)
		}
		for i, q := range c.Quantiles {
			if q.True <= 0 || q.Measured <= 0 || i > 0 && q.True < c.Quantiles[i-1].True {
				t.Errorf("%s: %+v", c.Name, q)
			}
		}
	}
	// The injected delays are in the truth.
	for name, least := range map[string]float64{"constant, 5 ms": 0.005, "bimodal, 2 and 20 ms": 0.002} {
		for _, c := range kept.Cases {
			if c.Name == name && c.Quantiles[0].True < least {
				t.Errorf("%s: true p50 %v", name, c.Quantiles[0].True)
			}
		}
	}
}

// A result carries the calibration that its host has, and none if there is none.
func TestResultsCarryTheCalibration(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	run := func() (id string, trustworthy bool) {
		dir := t.TempDir()
		if status, _, problem := loadgen("run", "--url", ours(t), "--workload", "connect", "--connections", "5", "--duration", "100ms", "--out", dir); status != exitFine {
			t.Fatalf("exit status %d, standard error\n%s", status, problem)
		}
		r := read(t, dir)
		if r.Calibration == nil {
			return "", false
		}
		return r.Calibration.ID, r.Calibration.Trustworthy
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	k := &calibration.Calibration{Host: host, Environment: environment.Read(os.DirFS("/")),
		Cases: []calibration.Case{{Name: "none", Publications: calibration.MinPublications}}}
	if err := k.Judge(); err != nil {
		t.Fatal(err)
	}
	// A quick one is printed and not kept.
	var out, problem strings.Builder
	if err := (&calibrateCommand{Quick: true}).finish(k, streams{out: &out, err: &problem}); err != nil || out.Len() == 0 || problem.Len() != 0 {
		t.Errorf("%v, output %q, standard error %q", err, out.String(), problem.String())
	}
	if id, _ := run(); id != "" {
		t.Errorf("calibration %s after a quick one", id)
	}
	if err := (&calibrateCommand{}).finish(k, streams{out: &out, err: &problem}); err != nil || !strings.Contains(problem.String(), "calibration in ") {
		t.Fatalf("%v, standard error %q", err, problem.String())
	}
	if id, trustworthy := run(); id != k.ID || !trustworthy {
		t.Errorf("calibration %q, trustworthy %v; want %s", id, trustworthy, k.ID)
	}
}
