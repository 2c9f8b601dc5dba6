// Package scenarios is the catalogue: the declared workloads that come with
// the project, one YAML file each, embedded so that bench needs no other file.
//
// It holds no rules for reading them; those are package scenario's.
package scenarios

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"fanbench/loadgen/scenario"
)

//go:embed *.yaml
var files embed.FS

// Default lists what runs where nothing is named, within four minutes, in the
// order in which it runs: from the light to the heavy, so that the early runs
// find a quiet machine.
func Default() []string {
	return []string{"fanout-1k", "fanout-10k", "fanout-30k", "rooms", "echo-1k", "overload", "flood", "connect-storm"}
}

// Names lists the catalogue: the default, and then what runs only by name
// because it answers a question of its own.
func Names() []string {
	return append(Default(), "fanout-60k", "fanout-json", "fanout-json-deflate", "churn", "reconnect", "slow-readers")
}

// Source returns a scenario's YAML. An unknown name is an error that says
// which one was probably meant.
func Source(name string) ([]byte, error) {
	src, err := files.ReadFile(name + ".yaml")
	if err == nil {
		return src, nil
	}
	hint := "known: " + strings.Join(Names(), ", ")
	if near := scenario.Nearest(name, Names()); near != "" {
		hint = fmt.Sprintf("did you mean %s? (%s)", near, hint)
	}
	return nil, fmt.Errorf("scenario %q: not in the catalogue, and a path needs a slash or ends in .yaml; %s", name, hint)
}

// IsPath reports whether an argument names a file rather than a scenario of
// the catalogue.
func IsPath(arg string) bool {
	ext := path.Ext(arg)
	return strings.Contains(arg, "/") || ext == ".yaml" || ext == ".yml"
}
