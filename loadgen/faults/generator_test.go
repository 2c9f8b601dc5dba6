//go:build faults

package faults

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fanbench/loadgen/result"
	"fanbench/server/servertest/namespace"
)

// A generator that stands still, or that others take the CPUs from, is the limit
// of its run: what it measured is not offered as the server's.
func TestFault31GeneratorStarved(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	for _, c := range []struct {
		name, guard string
		starve      func(*testing.T, *generator)
	}{
		{"stopped for 5 s", "pause", func(t *testing.T, g *generator) {
			workers := children(t, g.cmd.Process.Pid)
			for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
				for _, pid := range workers {
					if err := syscall.Kill(pid, signal); err != nil {
						t.Fatal(err)
					}
				}
				if signal == syscall.SIGSTOP {
					time.Sleep(5 * time.Second) // the fault itself
				}
			}
		}},
		{"busy loops on its CPUs", "run-delay", func(t *testing.T, g *generator) {
			ctx, end := context.WithCancel(t.Context())
			t.Cleanup(end)
			for range 8 * runtime.NumCPU() {
				hog := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
				if err := hog.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { end(); _ = hog.Wait() })
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serve(t)
			defer kill(server)
			g := load(t, url, "--connections", "200", "--rate", "200/s", "--warm-up", "200ms", "--duration", "6s", "--drain", "20s",
				"--workers", "2", "--watch-pid", strconv.Itoa(server.Process.Pid), "--require", "delivery,ledger").begin()
			g.says("measure")
			c.starve(t, g)
			g.ends(noAnswer)
			r := g.result()
			if v := r.Verdict; v.Verdict != "generator-limited" || v.Limit != "generator" && v.Limit != "both" || !guard(r, c.guard).Tripped {
				t.Errorf("verdict %+v, want generator-limited by %s", v, c.guard)
			}
			for _, name := range []string{"delivery.p50", "delivery.p99", "delivery.max"} {
				if _, trusted, observed := r.Metric(name); trusted || !observed {
					t.Errorf("%s: trusted %t, observed %t; want it under untrusted", name, trusted, observed)
				}
			}
			for _, lag := range []string{"send-lag", "read-lag"} {
				if _, found := r.Histogram(lag); !found {
					t.Errorf("no histogram of the generator's own %s", lag)
				}
			}
			nothingWrong(t, r)
		})
	}
}

// children are the processes that one has started.
func children(t *testing.T, parent int) (pids []int) {
	t.Helper()
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		t.Fatalf("process %d has no children", parent)
	}
	return pids
}

func TestFault33InterruptedOnce(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	serve(t)
	g := load(t, url, "--connections", "50", "--rate", "50/s", "--warm-up", "200ms", "--duration", "1h", "--workers", "2").begin()
	g.says("outstanding")
	g.signal(os.Interrupt)
	g.ends(interrupted)
	r := g.result()
	if v, l := r.Verdict, r.Ledger; !v.Partial || !v.Interrupted || l.Sent == 0 || l.Unsent == 0 || l.Lost != 0 {
		t.Errorf("verdict %+v, ledger %+v; want a partial result of what was sent", v, l)
	}
	if summary := g.out.String(); !strings.Contains(summary, "interrupted") {
		t.Errorf("the summary does not say so:\n%s", summary)
	}
}

// A target that delivers nothing keeps the drain waiting, so that the second
// interrupt finds the run still going. What was kept earlier stays.
func TestFault33InterruptedTwice(t *testing.T) {
	target := httptest.NewServer(hold)
	t.Cleanup(target.Close)
	url := "ws://" + target.Listener.Addr().String()
	earlier := load(t, url, twenty...)
	earlier.run(fine)
	file := filepath.Join(earlier.dir, result.FileName)
	before := content(t, file)

	g := load(t, url, "--connections", "20", "--rate", "50/s", "--warm-up", "0s", "--duration", "1h", "--drain", "1h").keep(earlier.dir).begin()
	for _, step := range []string{"outstanding", "drain"} {
		g.says(step)
		g.signal(os.Interrupt)
	}
	g.ends(interrupted)
	if last := g.log.last(); !strings.Contains(last, "interrupted twice: nothing was kept") || g.out.Len() != 0 {
		t.Errorf("last line %q, output %q", last, g.out.String())
	}
	if !bytes.Equal(content(t, file), before) {
		t.Error("the earlier result changed")
	}
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
