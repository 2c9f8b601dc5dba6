package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		{"a verdict that there is not", `"verdict": "valid"`, `"verdict": "fine"`, exitUntrusted, "/verdict/verdict: value must be one of"},
		{"a count below 0", `"planned": 108`, `"planned": -108`, exitUntrusted, "at byte"},
		{"half a delivery", `"delivered": 1080000`, `"delivered": 0.5`, exitUntrusted, "at byte"},
		{"a limit that there is not", `"limit": "none"`, `"limit": "nobody"`, exitUntrusted, "/verdict/limit: value must be one of"},
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
