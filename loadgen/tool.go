package main

import (
	"runtime"

	"fanbench/loadgen/result"
)

// version is set by the linker: a tag, or the commit.
var version = "devel"

// tool is this program, as far as its build says.
func tool() result.Tool {
	return result.Tool{Name: "loadgen", Version: version, Go: runtime.Version()}
}
