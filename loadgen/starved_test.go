package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fanbench/loadgen/result"
)

// startPeer starts the small server as a process of its own.
func startPeer(t *testing.T) (pid int, address string) {
	t.Helper()
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "LOADGEN_TEST=peer")
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
	return server.Process.Pid, "ws://" + strings.TrimSpace(line)
}

// stall stops processes for a while.
func stall(t *testing.T, d time.Duration, pids ...int) {
	t.Helper()
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		for _, pid := range pids {
			if err := syscall.Kill(pid, signal); err != nil {
				t.Fatal(err)
			}
		}
		if signal == syscall.SIGSTOP {
			time.Sleep(d)
		}
	}
}

func guard(r *result.Result, name string) result.Guard {
	for _, g := range r.Verdict.Guards {
		if g.Name == name {
			return g
		}
	}
	return result.Guard{}
}

// limited checks the verdict on a generator that was held up.
func limited(t *testing.T, dir string, status int, tripped string) {
	t.Helper()
	r := read(t, dir)
	_, void := r.Untrusted["delivery.p99"]
	if status != exitNoAnswer || r.Verdict.Verdict != "generator-limited" || !guard(r, tripped).Tripped || !void {
		t.Errorf("exit status %d, verdict %+v, p99 void: %v", status, r.Verdict, void)
	}
	if l := r.Ledger; l.Lost != 0 || l.Planned != l.Sent || !l.GapsAgree {
		t.Errorf("ledger %+v", l)
	}
}

func TestAStoppedGeneratorIsTheLimit(t *testing.T) {
	for _, who := range []string{"the workers", "the coordinator"} {
		t.Run(who, func(t *testing.T) {
			pid, address := startPeer(t)
			dir := t.TempDir()
			cmd := begin(t, brief(address, "--duration", "4s", "--watch-pid", strconv.Itoa(pid), "--require", "delivery,ledger", "--out", dir)...)
			stopped := []int{cmd.Process.Pid}
			if who == "the workers" {
				stopped = childrenOf(t, cmd.Process.Pid)
			}
			stall(t, 2500*time.Millisecond, stopped...)
			cmd.Wait()
			limited(t, dir, cmd.ProcessState.ExitCode(), "pause")
		})
	}
}

func TestAGeneratorAmongBusyLoopsIsTheLimit(t *testing.T) {
	ctx, end := context.WithTimeout(t.Context(), 30*time.Second)
	defer end()
	for range 8 * runtime.NumCPU() {
		hog := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := hog.Start(); err != nil {
			t.Fatal(err)
		}
		defer hog.Wait()
	}
	defer end()
	pid, address := startPeer(t)
	dir := t.TempDir()
	cmd := begin(t, brief(address, "--duration", "3s", "--rate", "200/s", "--watch-pid", strconv.Itoa(pid), "--require", "delivery,ledger", "--out", dir)...)
	cmd.Wait()
	limited(t, dir, cmd.ProcessState.ExitCode(), "run-delay")
}

// What a stopped target delays is its own latency, and nothing of it is lost.
func TestAStoppedTargetIsMeasured(t *testing.T) {
	const stopped = 2 * time.Second
	pid, address := startPeer(t)
	dir := t.TempDir()
	cmd := begin(t, brief(address, "--duration", "3s", "--watch-pid", strconv.Itoa(pid), "--require", "ledger", "--out", dir)...)
	stall(t, stopped, pid)
	cmd.Wait()
	r := read(t, dir)
	if status := cmd.ProcessState.ExitCode(); status != exitFine || r.Verdict.Verdict != "valid" {
		t.Errorf("exit status %d, verdict %+v", status, r.Verdict)
	}
	if m, _, _ := r.Metric("delivery.max"); m.Value < (stopped - 100*time.Millisecond).Seconds() {
		t.Errorf("the longest delivery took %v", m)
	}
	if l := r.Ledger; l.Lost != 0 || l.Expected != l.Delivered || l.Planned != l.Sent || !l.GapsAgree {
		t.Errorf("ledger %+v", l)
	}
	for _, name := range []string{"pause", "sent", "drained", "target-alive", "retransmits", "ledger-agrees"} {
		if g := guard(r, name); g.Tripped {
			t.Errorf("%s tripped: %+v", name, g)
		}
	}
}
