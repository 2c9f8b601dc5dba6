package main

import (
	"runtime"
	"runtime/debug"

	"fanbench/loadgen/result"
)

// tool is this program, as far as its build says.
func tool() result.Tool {
	t := result.Tool{Name: "loadgen", Version: "devel", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return t
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		t.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			t.Commit = s.Value
		}
	}
	return t
}
