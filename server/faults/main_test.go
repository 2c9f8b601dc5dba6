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

// The programs under test: the server as everybody builds it, and with a message that makes it panic. The environment names the
// directory in processes of namespaces, which find them built.
const directoryVariable = "FANBENCH_FAULTS"

const (
	plain    = "server"
	panicker = "server-that-panics"
)

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
		for _, build := range [][]string{{"-o", filepath.Join(directory, plain)}, {"-tags", "faults", "-o", filepath.Join(directory, panicker)}} {
			if out, err := exec.Command("go", append(append([]string{"build"}, build...), "fanbench/server")...).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build server: %v\n%s", err, out)
				return 1
			}
		}
		os.Setenv(directoryVariable, directory)
		code := m.Run()
		namespace.Report(os.Stdout)
		return code
	}())
}

func program(name string) string { return filepath.Join(os.Getenv(directoryVariable), name) }
