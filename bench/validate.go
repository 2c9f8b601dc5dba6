package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fanbench/bench/internal/experiment"
	"fanbench/loadgen/result"
	"fanbench/loadgen/result/schema"
)

type validateCommand struct {
	Results []string `arg:"" name:"result" help:"Results and comparisons: files, their directories, or folders of them."`
}

// Run checks each file against its committed schema and says what is wrong
// with those that do not fit.
func (c *validateCommand) Run(a *app) error {
	var files []string
	for _, path := range c.Results {
		found, err := documents(path)
		if err != nil {
			return usage(err)
		}
		files = append(files, found...)
	}
	broken := 0
	for _, file := range files {
		err := validate(file)
		if err == nil {
			fmt.Fprintf(a.stdout, "%s: valid\n", file)
			continue
		}
		fmt.Fprintf(a.stdout, "%s: %v\n", file, err)
		broken++
	}
	if broken > 0 {
		return failure{exitUntrusted, fmt.Errorf("%d of %d files do not fit their schema: cut, changed by hand or another program's; copy them again, or make the runs again", broken, len(files))}
	}
	return nil
}

// documents are the files that a path means: itself, or every result,
// comparison and capacity below a folder.
func documents(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("find result: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if name := entry.Name(); err == nil && !entry.IsDir() && (name == result.FileName || name == experiment.FileName || name == result.CapacityFileName) {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find results: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("find results: no %s and no %s below %s", result.FileName, experiment.FileName, path)
	}
	return files, nil
}

// validate checks one file: that a program can read it, every value in it, and
// that its histograms hold what they say.
func validate(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	var head struct {
		Kind string `json:"kind"`
	}
	_ = json.Unmarshal(b, &head) // what does not parse is a broken result, below
	if head.Kind == experiment.Kind {
		if _, err := experiment.Decode(b); err != nil {
			return err
		}
		return schema.Check(experiment.Schema, b)
	}
	if head.Kind == result.CapacityKind {
		return schema.Check(result.CapacitySchema, b)
	}
	r, err := result.Decode(b)
	if err != nil {
		return err
	}
	if b, err = result.Upgraded(b); err != nil {
		return err
	}
	if err := schema.Check(result.Schema, b); err != nil {
		return err
	}
	for i, h := range r.Histograms {
		if decoded, err := h.Decode(); err != nil {
			return fmt.Errorf("/histograms/%d: %w", i, err)
		} else if decoded.Count() != h.Count {
			return fmt.Errorf("/histograms/%d: %s holds %d values, count says %d", i, h.Name, decoded.Count(), h.Count)
		}
	}
	return nil
}
