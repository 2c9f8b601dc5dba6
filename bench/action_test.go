package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// Every input of the action reaches the script, under a name that it reads, and
// what its page shows as an example exists.
func TestAction(t *testing.T) {
	var action struct {
		Inputs map[string]struct{ Description string }
		Runs   struct {
			Using string
			Steps []struct{ Env map[string]string }
		}
	}
	source, err := os.ReadFile("../action.yml")
	if err == nil {
		err = yaml.Unmarshal(source, &action)
	}
	if err != nil || action.Runs.Using != "composite" {
		t.Fatalf("action.yml: %v, using %q", err, action.Runs.Using)
	}
	script, err := os.ReadFile("../scripts/ci-compare.sh")
	if err != nil {
		t.Fatal(err)
	}
	passed := map[string]string{}
	for _, step := range action.Runs.Steps {
		for name, value := range step.Env {
			passed[value] = name
		}
	}
	for name, input := range action.Inputs {
		variable := passed["${{ inputs."+name+" }}"]
		if read, _ := regexp.Match(`\$\{?`+variable+`\b`, script); variable == "" || !read || input.Description == "" {
			t.Errorf("input %s is passed as %q, which the script does not read, or it is not described", name, variable)
		}
	}
	page, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "        with:\n          base:")
	example, _, _ = strings.Cut("          base:"+example, "```")
	for _, m := range regexp.MustCompile(`(?m)^          ([a-z]+):`).FindAllStringSubmatch(example, -1) {
		if _, exists := action.Inputs[m[1]]; !exists {
			t.Errorf("docs/ci.md gives the action an input %q that it does not have", m[1])
		}
	}
}

// The workflows are YAML, and what runs a pull request's code may not write.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		var flow struct {
			Permissions map[string]string
			Jobs        map[string]struct{ Steps []struct{ Uses string } }
		}
		source, err := os.ReadFile(file)
		if err == nil {
			err = yaml.Unmarshal(source, &flow)
		}
		if err != nil || len(flow.Jobs) == 0 || len(flow.Permissions) == 0 {
			t.Fatalf("%s: %v, %d jobs, permissions %v", file, err, len(flow.Jobs), flow.Permissions)
		}
		writes := slices.Contains(slices.Collect(maps.Values(flow.Permissions)), "write")
		for _, job := range flow.Jobs {
			for _, step := range job.Steps {
				if writes && strings.HasPrefix(step.Uses, "actions/checkout") {
					t.Errorf("%s may write and checks code out", file)
				}
			}
		}
	}
}
