package experiment

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"fanbench/loadgen/result"
)

// SchemaVersion of what [Write] writes. It grows with every change that older
// readers would misunderstand.
const SchemaVersion = 1

// Schema is the JSON Schema (draft 2020-12) of what [Write] writes.
//
//go:embed schema.json
var Schema []byte

// Kind tells experiments from other JSON files.
const Kind = "fanbench-experiment"

// FileName of an experiment in its directory.
const FileName = "experiment.json"

// Create makes the directory of an experiment below root and returns it with
// the experiment's id, which is its name.
func Create(root string, baseline, candidate Arm, now time.Time) (dir, id string, err error) {
	id = fmt.Sprintf("%s-%s-%s-%08x", now.UTC().Format("20060102T150405Z"), baseline.short(), candidate.short(), rand.Uint32())
	dir = filepath.Join(root, id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("create experiment directory: %w", err)
	}
	return dir, id, nil
}

// short names an arm in a directory's name.
func (a Arm) short() string {
	switch {
	case a.Revision != nil:
		return a.Revision.Commit[:min(12, len(a.Revision.Commit))]
	case a.URL != "":
		return "url"
	}
	return filepath.Base(a.Program)
}

// Write stores an experiment in its directory, whole or not at all.
func Write(dir string, e *Experiment) error {
	whole := *e
	whole.SchemaVersion, whole.Kind = SchemaVersion, Kind
	if whole.Environment.Key == "" { // no trial has told it: absent, but not null
		whole.Environment.Factors, whole.Environment.Detail = map[string]string{}, map[string]string{}
	}
	b, err := json.MarshalIndent(whole, "", "  ")
	if err == nil {
		err = result.Replace(filepath.Join(dir, FileName), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write experiment: %w", err)
	}
	return nil
}

// Read reads an experiment's file, or the one in its directory. A newer schema
// version, another kind of file and one that is cut short are refused.
func Read(path string) (*Experiment, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read experiment: %w", err)
	}
	e, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("read experiment %s: %w", path, err)
	}
	return e, nil
}

// Decode reads what [Write] wrote.
func Decode(b []byte) (*Experiment, error) {
	var e Experiment
	if err := decode(b, &e); err != nil {
		return nil, err
	}
	for i := range e.Scenarios { // ratios follow from the pairs
		e.Scenarios[i].Comparison.Restore(e.Scenarios[i].Pairs)
	}
	return &e, nil
}

func decode(b []byte, e *Experiment) error {
	var head struct {
		SchemaVersion int    `json:"schema_version"`
		Kind          string `json:"kind"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return result.Broken(err, len(b))
	}
	switch {
	case head.Kind != Kind:
		return fmt.Errorf("kind %q: want %q", head.Kind, Kind)
	case head.SchemaVersion < 1:
		return errors.New("no schema_version")
	case head.SchemaVersion > SchemaVersion:
		return fmt.Errorf("schema version %d is newer than %d, the newest that this program knows; use a newer program", head.SchemaVersion, SchemaVersion)
	}
	if err := json.Unmarshal(b, e); err != nil {
		return result.Broken(err, len(b))
	}
	return nil
}
