package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fanbench/loadgen/result"
	"fanbench/server/servertest"
)

// await reads lines until one contains text, and goes on reading behind.
func await(t *testing.T, r io.Reader, text string) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			go io.Copy(io.Discard, r)
			return
		}
	}
	t.Fatalf("no line with %q", text)
}

// begin starts loadgen as a process and returns it when it is measuring.
func begin(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	cmd := command(t, arguments...)
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	await(t, progress, "measure")
	return cmd
}

// victim starts a server as a process of its own, at an address or, if that is
// empty, anywhere.
func victim(t *testing.T, at string) (server *exec.Cmd, address string) {
	t.Helper()
	server = exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "LOADGEN_TEST=peer", "LOADGEN_TEST_ADDRESS="+at)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return server, strings.TrimSpace(line)
}

// TestATargetThatIsKilledAndReturns (fault 5): everybody comes back, what was
// sent and not received is lost while down to the last delivery, and nothing
// else is.
func TestATargetThatIsKilledAndReturns(t *testing.T) {
	server, address := victim(t, "")
	dir := t.TempDir()
	cmd := begin(t, "run", "../bench/scenarios/reconnect.yaml", "--toy", "--url", "ws://"+address, "--duration", "3s", "--out", dir)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	server.Wait()
	victim(t, address)
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitFine {
		t.Errorf("exit status %d, want 0", status)
	}
	r := read(t, dir)
	l := r.Ledger
	if !l.GapsAgree || l.Expected != l.Sent*60 || l.LostUp != 0 || l.Excluded != 0 || l.LostDown != l.Expected-l.Delivered || l.Delivered == 0 {
		t.Errorf("ledger %+v", l)
	}
	if n, _, _ := r.Metric("reconnects"); n.Value < 61 {
		t.Errorf("%v reconnects, want all 61 connections or more", n.Value)
	}
	if _, _, observed := r.Metric("recovery_seconds"); !observed {
		t.Errorf("no recovery_seconds; warnings %+v", r.Warnings)
	}
	if _, found := r.Histogram("recovery"); !found || r.Verdict.Partial {
		t.Errorf("recovery: %v, verdict %+v", found, r.Verdict)
	}
}

func TestATargetThatIsKilledLeavesAMarkedResult(t *testing.T) {
	server, address := victim(t, "")
	dir := t.TempDir()
	cmd := begin(t, brief("ws://"+address, "--duration", "1h", "--workers", "2", "--out", dir,
		"--watch-pid", strconv.Itoa(server.Process.Pid))...)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitNoAnswer {
		t.Errorf("exit status %d, want 3", status)
	}
	r := read(t, dir)
	gone := slices.ContainsFunc(r.Verdict.Reasons, func(s string) bool { return strings.Contains(s, "the target is gone") })
	if v := r.Verdict; !v.Partial || v.Interrupted || v.Verdict != "invalid" || !gone {
		t.Errorf("verdict %+v", v)
	}
}

func TestAnInterruptKeepsAMarkedResult(t *testing.T) {
	server := servertest.Start(t)
	dir := t.TempDir()
	cmd := begin(t, brief(server.URL, "--duration", "1h", "--workers", "2", "--out", dir)...)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitInterrupted {
		t.Errorf("exit status %d, want 130", status)
	}
	r := read(t, dir)
	if v, l := r.Verdict, r.Ledger; !v.Partial || !v.Interrupted || l.Unsent == 0 || l.Lost != 0 || !l.GapsAgree {
		t.Errorf("verdict %+v, ledger %+v", v, l)
	}
}

// silence is a target that takes publications and delivers nothing: it keeps the
// drain waiting, so that a second interrupt finds the run still going.
func silence(t *testing.T) (url string) {
	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}))
	t.Cleanup(mute.Close)
	return "ws://" + mute.Listener.Addr().String()
}

// Closing a terminal interrupts a run once, though both the shell and the kernel
// hang up; with nohup it does not.
func TestHangUps(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // so that the children do not ignore it, if this process did
	t.Cleanup(func() { signal.Stop(heard) })
	url := silence(t)
	for _, c := range []struct {
		name    string
		with    []string
		signals []syscall.Signal
		steps   []string // lines that they follow
	}{
		{"once", nil, []syscall.Signal{syscall.SIGHUP}, []string{"outstanding"}},
		{"twice", nil, []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP}, []string{"outstanding", "drain"}},
		{"after Ctrl-C", nil, []syscall.Signal{syscall.SIGINT, syscall.SIGHUP}, []string{"outstanding", "drain"}},
		{"nohup, then Ctrl-C", []string{"nohup"}, []syscall.Signal{syscall.SIGHUP, syscall.SIGINT}, []string{"outstanding", "measure"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			arguments := append(c.with, command(t, brief(url, "--warm-up", "0s", "--duration", "1h", "--drain", "2s", "--out", dir)...).Args...)
			cmd := exec.Command(arguments[0], arguments[1:]...)
			cmd.Env = append(os.Environ(), "LOADGEN_TEST=loadgen")
			progress, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			lines := bufio.NewScanner(progress)
			for i, step := range c.steps {
				for lines.Scan() && !strings.Contains(lines.Text(), step) {
				}
				if err := cmd.Process.Signal(c.signals[i]); err != nil {
					t.Fatal(err)
				}
			}
			_, _ = io.Copy(io.Discard, progress)
			_ = cmd.Wait() // the status says it
			if status := cmd.ProcessState.ExitCode(); status != exitInterrupted {
				t.Errorf("exit status %d, want 130", status)
			}
			if v := read(t, dir).Verdict; !v.Partial || !v.Interrupted {
				t.Errorf("verdict %+v", v)
			}
		})
	}
}

func TestASecondInterruptEndsAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	cmd := command(t, brief(silence(t), "--warm-up", "0s", "--duration", "1h", "--drain", "1h", "--out", dir)...)
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	reader := bufio.NewReader(progress)
	for _, step := range []string{"outstanding", "drain"} {
		for line := ""; !strings.Contains(line, step); {
			if line, err = reader.ReadString('\n'); err != nil {
				t.Fatalf("no line with %q", step)
			}
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	rest, _ := io.ReadAll(reader)
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitInterrupted || !strings.Contains(string(rest), "interrupted twice") {
		t.Errorf("exit status %d, standard error %q", status, rest)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("something was kept: %v", err)
	}
}

func TestAWorkerThatIsKilledEndsTheRun(t *testing.T) {
	server := servertest.Start(t)
	dir := t.TempDir()
	cmd := begin(t, brief(server.URL, "--duration", "1h", "--workers", "2", "--out", dir)...)
	children := childrenOf(t, cmd.Process.Pid)
	if len(children) != 2 {
		t.Fatalf("%d worker processes, want 2", len(children))
	}
	if err := syscall.Kill(children[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitNoAnswer {
		t.Errorf("exit status %d, want 3", status)
	}
	r, err := result.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	lost := slices.ContainsFunc(r.Verdict.Reasons, func(s string) bool { return strings.Contains(s, "ended: signal: killed") })
	if !r.Verdict.Partial || r.Verdict.Verdict != "invalid" || !lost {
		t.Errorf("verdict %+v", r.Verdict)
	}
}

func TestWorkersEndWithTheirCoordinator(t *testing.T) {
	server := servertest.Start(t)
	cmd := begin(t, brief(server.URL, "--duration", "1h", "--workers", "2")...)
	children := childrenOf(t, cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	for _, pid := range children {
		for syscall.Kill(pid, 0) == nil && !zombie(pid) {
			// The test's own time limit ends this if the worker does not end.
			syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10_000})
		}
	}
}

// stat is a field of /proc/<pid>/stat behind the name: 0 the state, 1 the
// parent.
func stat(pid, field int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)[field]
}

func zombie(pid int) bool { return stat(pid, 0) == "Z" || stat(pid, 0) == "" }

func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var children []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && stat(pid, 1) == strconv.Itoa(parent) {
			children = append(children, pid)
		}
	}
	return children
}
