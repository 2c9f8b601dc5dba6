package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fanbench/bench/internal/store"
	"fanbench/bench/scenarios"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// What several commands are given: programs, scenarios and stored results.

// program finds one of the project's programs: where the flag says, or beside
// this one, where build puts it.
func program(name, path, build string) (string, error) {
	remedy := "check the path"
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find bench's own directory: %w", err)
		}
		path = filepath.Join(filepath.Dir(self), name)
		remedy = build + ", or name it"
	}
	info, err := os.Stat(path)
	if err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
		err = errors.New("not an executable file")
	}
	if err != nil {
		return "", fmt.Errorf("--%s %s: no such program (%w); %s", name, path, err, remedy)
	}
	return filepath.Abs(path)
}

// declared is a scenario with the text that it was read from.
type declared struct {
	scenario scenario.Scenario
	source   []byte
}

// read loads all scenarios or none.
func read(args []string, toy bool) ([]declared, error) {
	if len(args) == 0 {
		args = scenarios.Default()
	}
	var options []scenario.Option
	if toy {
		options = append(options, scenario.Toy())
	}
	var all []declared
	var problems []error
	for _, arg := range args {
		d, err := readOne(arg, options)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		all = append(all, d)
	}
	return all, errors.Join(problems...)
}

func readOne(arg string, options []scenario.Option) (declared, error) {
	var source []byte
	var err error
	name := arg + ".yaml"
	if scenarios.IsPath(arg) {
		name = arg
		source, err = os.ReadFile(arg)
	} else {
		source, err = scenarios.Source(arg)
	}
	if err != nil {
		return declared{}, err
	}
	s, err := scenario.Parse(name, source, options...)
	return declared{s, source}, err
}

// readAll reads every result that the paths mean. A run counts once, however
// many copies there are.
func readAll(paths []string) ([]*result.Result, error) {
	var all []*result.Result
	seen := make(map[string]bool)
	for _, path := range paths {
		files, err := store.All(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			r, err := result.Read(file)
			if err != nil {
				return nil, err
			}
			if !seen[r.RunID] {
				seen[r.RunID] = true
				all = append(all, r)
			}
		}
	}
	return all, nil
}
