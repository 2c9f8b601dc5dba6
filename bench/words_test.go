package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fanbench/bench/internal/trial"
	"fanbench/loadgen/result"
)

func TestWhyThereIsNoResult(t *testing.T) {
	const live = "ramp    0.0s | 0/1,031 open\n"
	for _, c := range []struct {
		name    string
		said    string
		out     trial.Outcome
		problem error
		want    string
	}{
		{"refused", live + "loadgen: 11 of 11 connections failed\n", trial.Outcome{Exit: 3}, nil, "exit status 3, loadgen: 11 of 11 connections failed"},
		{"before the first live line", "loadgen: --url x: no scheme\n", trial.Outcome{Exit: 2}, nil, "exit status 2, loadgen: --url x: no scheme"},
		{"what the run went on after", "loadgen: a remark\nmeasure 1.0s/10s | 5/5 open | 1 failed\nloadgen: gone\n", trial.Outcome{Exit: 3}, nil, "exit status 3, loadgen: gone"},
		{"on a terminal", "\r\x1b[2Kramp | a remark\rloadgen: a\tb\x00c", trial.Outcome{Exit: 3}, nil, "exit status 3, [2Kramp | a remark loadgen: a b c"},
		{"without an end of line", live + "killed", trial.Outcome{Exit: 137}, nil, "exit status 137, killed"},
		{"several lines", "panic: at last\n\ngoroutine 1\n", trial.Outcome{Exit: 2}, nil, "exit status 2, panic: at last goroutine 1"},
		{"nothing", live, trial.Outcome{Exit: 0}, nil, "exit status 0, and loadgen said nothing"},
		{"endless", strings.Repeat("x", 1<<20), trial.Outcome{Exit: 3}, nil, "exit status 3, " + strings.Repeat("x", mostReason-15) + "…"},
		{"pages", "panic: first\n" + strings.Repeat("a line\n", 1<<16), trial.Outcome{Exit: 2}, nil, ("exit status 2, panic: first " + strings.Repeat("a line ", 99))[:mostReason] + "…"},
		{"not UTF-8", "a\xffb\n", trial.Outcome{Exit: 3}, nil, "exit status 3, a\uFFFDb"},
		{"the server", live + "loadgen: cut off\n", trial.Outcome{Exit: 3}, errors.New("server ended; its log:\n  out of memory"), "server ended; its log: out of memory"},
		{"a result", "loadgen: result in x\n", trial.Outcome{Result: &result.Result{}}, nil, ""},
	} {
		var w words
		for b := range strings.SplitAfterSeq(c.said, "o") { // a pipe cuts anywhere
			if n, err := w.Write([]byte(b)); n != len(b) || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := w.why(c.out, c.problem); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What the real generator says of a server that is not there is in every output.
func TestAbSaysWhyThereIsNoResult(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := runBench(t, dir, "ab", "--url", "ws://127.0.0.1:1,ws://127.0.0.1:2", "--toy", "--max-void", "0", "--results", "results",
		"--html", "ab.html", "--markdown", "ab.md", "--junit", "ab.xml", "fanout-1k")
	if code != exitUntrusted {
		t.Errorf("exit %d, want 3", code)
	}
	outputs := map[string]string{"stdout": stdout, "stderr": stderr}
	stored, _ := filepath.Glob(filepath.Join(dir, "results", "*", "experiment.json"))
	for _, path := range append(stored, filepath.Join(dir, "ab.html"), filepath.Join(dir, "ab.md"), filepath.Join(dir, "ab.xml")) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		outputs[filepath.Base(path)] = string(b)
	}
	if len(outputs) != 6 {
		t.Fatalf("stored %v, want one experiment", stored)
	}
	for name, text := range outputs {
		_, why, found := strings.Cut(text, "no result: exit status 3, loadgen: ")
		why, _, _ = strings.Cut(why, "\n")
		if !found || !strings.Contains(why, "connection refused") {
			t.Errorf("%s does not say why there is no result: %q", name, why)
		}
	}
}
