// Package store keeps results: one directory per run, whose name cannot meet
// another run's and is never used again.
//
//	<root>/<scenario>/<UTC>-<commit12>-<id>/result.json
//
// A directory without result.json is of a run that is under way or was killed.
// What a result says is package result's.
package store

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fanbench/loadgen/result"
)

// Page is the name of the report beside the result.
const Page = "report.html"

// unversioned stands in a directory's name for a commit that is not known.
const unversioned = "unversioned"

// Create makes the directory of a run that starts now.
func Create(root, scenario, commit string, now time.Time) (string, error) {
	if commit == "" {
		commit = unversioned
	}
	name := fmt.Sprintf("%s-%s-%08x", now.UTC().Format("20060102T150405Z"), commit[:min(12, len(commit))], rand.Uint32())
	dir := filepath.Join(root, scenario, name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("create results directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil { // an existing one is another run's
		return "", fmt.Errorf("create results directory: %w", err)
	}
	return dir, nil
}

// Locate returns the result file that a path means: the file itself, or the
// one in a run's directory. A directory of runs is an error that names the
// newest.
func Locate(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("find result: %w", err)
	}
	if !info.IsDir() {
		return path, nil
	}
	file := filepath.Join(path, result.FileName)
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	runs, err := filepath.Glob(filepath.Join(path, "*", result.FileName))
	if err != nil || len(runs) == 0 {
		return "", fmt.Errorf("find result: no %s in %s", result.FileName, path)
	}
	newest := filepath.Dir(slices.Max(runs)) // names begin with the time
	return "", fmt.Errorf("find result: %s holds %d runs; name one, the newest is %s", filepath.Clean(path), len(runs), newest)
}

// All returns the result files that a path means, the oldest first: the one of
// [Locate], or every one below a folder of runs.
func All(path string) ([]string, error) {
	if file, err := Locate(path); err == nil {
		return []string{file}, nil
	}
	var files []string
	err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() == result.FileName {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find results: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("find results: no %s below %s", result.FileName, path)
	}
	slices.SortFunc(files, func(a, b string) int { // directories' names begin with the time
		return strings.Compare(filepath.Base(filepath.Dir(a)), filepath.Base(filepath.Dir(b)))
	})
	return files, nil
}
