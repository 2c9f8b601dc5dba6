package process_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fanbench/bench/internal/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bound = 10 * time.Second

func start(t *testing.T, script string) (*process.Process, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	p, err := process.Start(process.Spec{Path: "/bin/sh", Args: []string{"-c", script}, Stdout: &out, Stderr: &out})
	if err != nil {
		t.Fatal(err)
	}
	return p, &out
}

func wait(t *testing.T, p *process.Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(bound):
		t.Fatalf("process %d did not end within %v", p.PID(), bound)
	}
}

// gone reports whether no process with that id exists.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		script string
		want   int
	}{
		{"exit 0", 0},
		{"exit 3", 3},
		{"kill -9 $$", 128 + 9},
	} {
		p, _ := start(t, c.script)
		wait(t, p)
		if p.ExitCode() != c.want {
			t.Errorf("%q: exit code %d, want %d", c.script, p.ExitCode(), c.want)
		}
	}
}

func TestStartUnknownProgram(t *testing.T) {
	_, err := process.Start(process.Spec{Path: "/no/such/program"})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "start /no/such/program") {
		t.Fatalf("got %v, want a not-exist error that names the program", err)
	}
}

func TestStopAsksFirst(t *testing.T) {
	f := t.TempDir() + "/ready"
	p, out := start(t, `trap 'echo asked; exit 0' TERM; touch `+f+`; while :; do sleep 0.01; done`)
	waitForFile(t, f)
	if err := p.Stop(bound); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "asked\n" || p.ExitCode() != 0 {
		t.Fatalf("output %q, exit %d; want a chance to end by itself", got, p.ExitCode())
	}
	if !gone(p.PID()) {
		t.Fatal("the process is still there")
	}
	if err := p.Stop(bound); err != nil {
		t.Fatalf("second stop: %v", err)
	}
}

// A child that ignores SIGTERM is killed together with its own children.
func TestStopKillsTheGroup(t *testing.T) {
	f := t.TempDir() + "/grandchild"
	p, _ := start(t, `trap '' TERM; sh -c 'trap "" TERM; echo $$ > `+f+`.tmp; mv `+f+`.tmp `+f+`; while :; do sleep 0.01; done' & wait; while :; do sleep 0.01; done`)
	waitForFile(t, f)
	b, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(50 * time.Millisecond); err == nil {
		t.Fatal("want an error that says force was needed")
	}
	if p.ExitCode() != 128+9 {
		t.Fatalf("exit code %d, want killed", p.ExitCode())
	}
	// The grandchild is reaped by another process: it is dead or about to be.
	deadline := time.Now().Add(bound)
	for !dead(grandchild) {
		if time.Now().After(deadline) {
			t.Fatalf("grandchild %d survived", grandchild)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// dead: no such process, or one that only waits to be reaped.
func dead(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(rest, "Z")
}

// A shell passes no signal on: its group gets it, and nobody outlives the shell.
func TestGroup(t *testing.T) {
	for _, c := range []struct {
		name, script, says string
	}{
		{"the signal reaches all", `sh -c 'trap "echo asked; exit" TERM; touch ready; while :; do sleep 0.01; done' & wait; wait`, "asked"},
		{"who ignores it is killed", `sh -c 'trap "" TERM; echo $$ > left; touch ready; while :; do sleep 0.01; done' & until [ $asked ]; do sleep 0.01; done`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			out, err := os.Create(dir + "/out")
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			p, err := process.Start(process.Spec{Path: "/bin/sh", Args: []string{"-c", "trap asked=1 TERM\n" + c.script + `; echo "$WORD" > word`},
				Stdout: out, Stderr: out, Dir: dir, Env: []string{"WORD=given"}, Group: true})
			if err != nil {
				t.Fatal(err)
			}
			waitForFile(t, dir+"/ready")
			if err := p.Stop(bound); err != nil {
				t.Fatal(err)
			}
			for file, want := range map[string]string{"out": c.says, "word": "given"} {
				if b, _ := os.ReadFile(dir + "/" + file); !strings.Contains(string(b), want) {
					t.Errorf("%s holds %q, want %q", file, b, want)
				}
			}
			if b, err := os.ReadFile(dir + "/left"); err == nil {
				left, err := strconv.Atoi(strings.TrimSpace(string(b)))
				if err != nil {
					t.Fatal(err)
				}
				for end := time.Now().Add(bound); !dead(left); time.Sleep(5 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("process %d of the group survived", left)
					}
				}
			}
		})
	}
}

func TestSignalAfterTheEnd(t *testing.T) {
	p, _ := start(t, "exit 0")
	wait(t, p)
	p.Signal(syscall.SIGINT) // must not reach a stranger, nor panic
	if !p.Ended() {
		t.Fatal("not ended")
	}
}

func waitForFile(t *testing.T, path string) {
	t.Helper()
	deadline := time.Now().Add(bound)
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not appear", path)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
