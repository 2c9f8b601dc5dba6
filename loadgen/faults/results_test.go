//go:build faults

package faults

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fanbench/loadgen/result"
	"fanbench/server/servertest/namespace"
)

// The disk fills up between two runs: the second cannot be kept, says so and
// prints what it measured; the first one's file is as it was.
func TestFault34DiskFull(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	serve(t)
	disk := namespace.Disk(t, 64<<10)
	dir := filepath.Join(disk, "out")
	args := []string{"--workload", "connect", "--connections", "20", "--duration", "200ms"}
	load(t, url, args...).keep(dir).run(fine)
	file := filepath.Join(dir, result.FileName)
	before := content(t, file)
	fill(t, filepath.Join(disk, "filler"))

	g := load(t, url, args...).keep(dir).begin()
	g.ends(noAnswer)
	if !strings.Contains(g.log.last(), "no space left on device") {
		t.Errorf("last line %q, want no space left", g.log.last())
	}
	if summary := g.out.String(); !strings.Contains(summary, "connections") {
		t.Errorf("no summary on standard output: %q", summary)
	}
	if !bytes.Equal(content(t, file), before) {
		t.Error("the earlier result changed")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".result-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for page := make([]byte, os.Getpagesize()); err == nil; _, err = file.Write(page) {
		continue
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// A result file that is cut short anywhere is refused, with the byte where it
// ends. Reading it is tried at every byte; the whole program, which does nothing
// else with it, at some.
func TestFault35ResultCutShort(t *testing.T) {
	target := httptest.NewServer(hold)
	t.Cleanup(target.Close)
	g := load(t, "ws://"+target.Listener.Addr().String(), twenty...)
	g.run(fine)
	whole := content(t, filepath.Join(g.dir, result.FileName))
	last := len(whole) - len("}\n") // nothing is missing without the newline
	cut := filepath.Join(t.TempDir(), "cut.json")
	for size := range last + 1 {
		where := fmt.Sprintf("cut short after byte %d: ", size)
		if size == 0 {
			where = "the file is empty"
		}
		if _, err := result.Decode(whole[:size]); err == nil || !strings.HasPrefix(err.Error(), where) {
			t.Fatalf("cut after byte %d: %v, want %q", size, err, where)
		}
		if size%(last/20) != 0 && size != last {
			continue
		}
		if err := os.WriteFile(cut, whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		for _, order := range [][]string{{g.dir, cut}, {cut, g.dir}} {
			compare := exec.Command(program("bench"), append([]string{"compare"}, order...)...)
			var out, said bytes.Buffer
			compare.Stdout, compare.Stderr = &out, &said
			if err := compare.Run(); err == nil || !strings.Contains(said.String(), where) || !strings.Contains(said.String(), cut) || out.Len() != 0 {
				t.Fatalf("cut after byte %d: %v, standard error %q, output %q; want it refused and %q", size, err, said.String(), out.String(), where)
			}
		}
	}
}
