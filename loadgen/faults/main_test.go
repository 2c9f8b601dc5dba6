//go:build faults

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fanbench/server/servertest/namespace"
)

// The environment names the directory of the programs in processes of
// namespaces, which find them built.
const directoryVariable = "FANBENCH_FAULTS"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv(directoryVariable) != "" {
			return m.Run()
		}
		directory, err := os.MkdirTemp("", "fanbench-faults")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(directory)
		build := exec.Command("go", "build", "-o", directory, "fanbench/server", "fanbench/loadgen", "fanbench/bench")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build programs: %v\n%s", err, out)
			return 1
		}
		os.Setenv(directoryVariable, directory)
		code := m.Run()
		namespace.Report(os.Stdout)
		return code
	}())
}

func program(name string) string { return filepath.Join(os.Getenv(directoryVariable), name) }
