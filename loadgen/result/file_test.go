package result

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The golden file is schema version 1 as it was first written. It must read
// with every later version, and this one must write it byte for byte.
func TestVersion1(t *testing.T) {
	want := sample(t)
	b, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "v1.json", b)
	got, err := Read(filepath.Join("testdata", "v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read\n%+v\nwant\n%+v", got, want)
	}
}

func TestWriteReadsBack(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "results", "adhoc")
	path := filepath.Join(folder, FileName)
	for range 2 { // into a missing folder, then over a file
		if err := Write(path, sample(t)); err != nil {
			t.Fatal(err)
		}
	}
	for _, where := range []string{path, folder} {
		got, err := Read(where)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, sample(t)) {
			t.Errorf("read %s: %+v", where, got)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, want the result alone (%v)", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAbsentListsAreEmptyNotNull(t *testing.T) {
	b, err := Encode(&Result{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "null") {
		t.Errorf("null in\n%s", b)
	}
}

func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, FileName)
	if err := Write(path, sample(t)); err != nil {
		t.Fatal(err)
	}
	bad := sample(t)
	bad.Metrics["x"] = Metric{Value: math.NaN()}
	if err := Write(path, bad); err == nil {
		t.Error("wrote NaN")
	}
	if got, err := Read(path); err != nil || !reflect.DeepEqual(got, sample(t)) {
		t.Errorf("the old file is gone: %v", err)
	}

	// A rename that fails, here onto a folder, leaves no temporary file.
	occupied := filepath.Join(folder, "occupied")
	if err := os.MkdirAll(filepath.Join(occupied, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(occupied, sample(t)); err == nil || !strings.Contains(err.Error(), "write result: ") {
		t.Errorf("wrote over a folder: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, ".result-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := Write(filepath.Join(path, "below-a-file", FileName), sample(t)); err == nil {
		t.Error("made a folder below a file")
	}
}

func TestReadRefuses(t *testing.T) {
	whole, err := Encode(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, content, want string }{
		{"an empty file", "", "the file is empty"},
		{"a file cut short", string(whole[:1000]), "cut short after byte 1000"},
		{"a file that lacks its last brace", string(whole[:len(whole)-2]), "cut short after byte"},
		{"a file broken in the middle", `{"schema_version": 1, "kind": "run", }`, "broken at byte 38"},
		{"another program's file", `{"version": 2}`, "no schema_version"},
		{"version 0", `{"schema_version": 0, "kind": "run"}`, "no schema_version"},
		{"a newer version", `{"schema_version": 99, "kind": "run"}`, "schema version 99 is newer than 1"},
		{"another kind", `{"schema_version": 1, "kind": "experiment"}`, `kind "experiment": want a result of kind "run"`},
		{"a text where a number belongs", `{"schema_version": 1, "kind": "run", "seed": "x"}`, "unexpected value at byte 48"},
	} {
		path := filepath.Join(t.TempDir(), "r.json")
		if err := os.WriteFile(path, []byte(row.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	if _, err := Decode(whole[:500]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestUpgrade(t *testing.T) {
	rename := func(d map[string]any) error { d["b"] = d["a"]; delete(d, "a"); return nil }
	double := func(d map[string]any) error { d["b"] = d["b"].(float64) * 2; return nil }
	fail := func(map[string]any) error { return errors.New("no room") }
	for _, row := range []struct {
		name    string
		version int
		steps   []step
		doc     string
		want    string
	}{
		{"the newest stays as it is", 3, []step{rename, double}, `{ "b":1 }`, `{ "b":1 }`},
		{"one step", 2, []step{rename, double}, `{"b":1}`, `{"b":2,"schema_version":3}`},
		{"two steps in order", 1, []step{rename, double}, `{"a":1}`, `{"b":2,"schema_version":3}`},
		{"a step fails", 1, []step{fail, double}, `{"a":1}`, `upgrade from schema version 1: no room`},
	} {
		got, err := upgrade([]byte(row.doc), row.version, row.steps)
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}
