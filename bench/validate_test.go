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

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	good, err := result.Encode(fixture.Fanout())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, from, to string
		code           int
		says           string
	}{
		{"as it is", "", "", exitFine, ": valid\n"},
		{"a verdict that there is not", `"verdict": "valid"`, `"verdict": "fine"`, exitUntrusted, "/verdict/verdict at byte "},
		{"a count below 0", `"planned": 108`, `"planned": -108`, exitUntrusted, "at byte"},
		{"half a delivery", `"delivered": 1080000`, `"delivered": 0.5`, exitUntrusted, "at byte"},
		{"a limit that there is not", `"limit": "none"`, `"limit": "nobody"`, exitUntrusted, "value must be one of"},
		{"a histogram that lost values", `"count": 20000`, `"count": 19999`, exitUntrusted, "holds 20000 values, count says 19999"},
		{"a histogram that is no histogram", `"data": "H`, `"data": "X`, exitUntrusted, "/histograms/0: "},
		{"a newer version", `"schema_version": 1`, `"schema_version": 99`, exitUntrusted, "schema version 99 is newer"},
		{"cut", string(good[len(good)/2:]), "", exitUntrusted, "cut short after byte"},
	} {
		text := string(good)
		if c.from != "" {
			if text = strings.Replace(text, c.from, c.to, 1); text == string(good) {
				t.Errorf("%s: %q is not in the result", c.name, c.from)
			}
		}
		file := filepath.Join(dir, result.FileName)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, stdout, stderr := bench("validate", dir); code != c.code || !strings.Contains(stdout, c.says) {
			t.Errorf("%s: exit %d\n%s%s\nwant exit %d and %q", c.name, code, stdout, stderr, c.code, c.says)
		}
	}
}

// A capacity is what its kind says, whatever the file is called.
func TestValidateCapacity(t *testing.T) {
	dir := t.TempDir()
	for text, says := range map[string]string{
		`{"kind": "capacity", "schema_version": 2}`:               "/schema_version at byte 39: ",
		`{"kind": "capacity", "schema_version": 1, "probes": {}}`: "/probes at byte 52: ",
		`{"kind": "capacity", "schema_version": 1}`:               "missing properties",
		`{"kind": "capacity", "schema_version": 1`:                "cut short",
	} {
		if err := os.WriteFile(filepath.Join(dir, result.CapacityFileName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, stdout, stderr := bench("validate", dir); code != exitUntrusted || !strings.Contains(stdout, says) {
			t.Errorf("%s: exit %d\n%s%s\nwant %q", text, code, stdout, stderr, says)
		}
	}
}

// A comparison and its trials are checked together, and what they are is read
// off the file, not its name.
func TestValidateComparison(t *testing.T) {
	dir := t.TempDir()
	e, results := fixture.Comparison(1.1)
	for directory, r := range results {
		if err := result.Write(filepath.Join(dir, directory, result.FileName), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := experiment.Write(dir, e); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := bench("validate", dir)
	if n := strings.Count(stdout, ": valid\n"); code != exitFine || n != len(results)+1 || stderr != "" {
		t.Errorf("exit %d, %d valid of %d\n%s%s", code, n, len(results)+1, stdout, stderr)
	}
	file := filepath.Join(dir, experiment.FileName)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "saved.json")
	if err := os.WriteFile(other, []byte(strings.Replace(string(b), `"verdict": "regression"`, `"verdict": "slow"`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = bench("validate", other, file)
	if code != exitUntrusted || !strings.Contains(stdout, "verdict at byte ") || !strings.Contains(stdout, file+": valid") ||
		!strings.Contains(stderr, "1 of 2 files do not fit their schema") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := bench("validate", t.TempDir()); code != exitUsage || !strings.Contains(stderr, "no result.json and no experiment.json below") {
		t.Errorf("an empty folder: exit %d, %s", code, stderr)
	}
}
