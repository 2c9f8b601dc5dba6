package trial_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fanbench/bench/internal/fixture"
	"fanbench/bench/internal/trial"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// The test binary plays server and loadgen as well: FAKE says which part.
func TestMain(m *testing.M) {
	switch part := os.Getenv("FAKE"); part {
	case "":
		goleak.VerifyTestMain(m)
	case "server":
		fakeServer()
	default:
		fakeLoadgen(part)
	}
}

func argument(name string) string {
	i := slices.Index(os.Args, name)
	return os.Args[i+1]
}

// fakeServer is ready at once and ends on SIGTERM.
func fakeServer() {
	l, err := net.Listen("tcp", argument("--admin"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	fmt.Fprintln(os.Stderr, "serving")
	if err := http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})); err != nil {
		os.Exit(3)
	}
}

// fakeLoadgen plays one ending of a run.
func fakeLoadgen(part string) {
	pid, _ := strconv.Atoi(argument("--watch-pid"))
	fmt.Fprintf(os.Stderr, "%s %s pid %d\n", part, argument("--url"), pid)
	code := 0
	switch part {
	case "refused":
		os.Exit(3)
	case "lossy":
		code = 1
	case "killer":
		_ = syscall.Kill(pid, syscall.SIGKILL)
		for syscall.Kill(pid, 0) == nil {
			time.Sleep(time.Millisecond)
		}
		code = 3
	case "patient":
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		fmt.Fprintln(os.Stderr, "waiting")
		<-interrupted
		code = 130
	}
	if err := result.Write(filepath.Join(argument("--out"), result.FileName), fixture.Fanout()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	os.Exit(code)
}

// play writes a program that runs this test binary in a part.
func play(t *testing.T, part string) string {
	t.Helper()
	return program(t, fmt.Sprintf("exec env FAKE=%s %s \"$@\"", part, os.Args[0]))
}

func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// watched collects what loadgen says and notifies of a line.
type watched struct {
	said bytes.Buffer // not embedded: its ReadFrom would go round Write
	line string
	seen chan os.Signal // an interrupt follows the line
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.said.Write(b)
	if w.line != "" && strings.Contains(w.said.String(), w.line) {
		w.line = ""
		w.seen <- os.Interrupt
	}
	return n, err
}

func config(t *testing.T, server, loadgen string) (trial.Config, *watched) {
	t.Helper()
	s, err := scenario.New()
	if err != nil {
		t.Fatal(err)
	}
	s.Name = "fanout-10k"
	w := &watched{seen: make(chan os.Signal, 1)}
	return trial.Config{
		Target: trial.Target{Program: server}, Loadgen: loadgen, Scenario: s, Source: []byte("question: Why?\n"),
		Reproduce: func(*result.Result) string { return "bench run" },
		Results:   t.TempDir(), Stderr: w, Interrupts: w.seen,
	}, w
}

// entries lists what is in the scenario's part of the store.
func entries(t *testing.T, c trial.Config) []string {
	t.Helper()
	all, err := os.ReadDir(filepath.Join(c.Results, c.Scenario.Name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// serverPID is the process that loadgen was told to watch.
func serverPID(t *testing.T, w *watched) int {
	t.Helper()
	_, after, _ := strings.Cut(w.said.String(), " pid ")
	pid, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestEndings(t *testing.T) {
	for _, c := range []struct {
		part  string
		exit  int
		keeps bool
		says  string // in the error, "" for none
	}{
		{part: "fine", exit: 0, keeps: true},
		{part: "lossy", exit: 1, keeps: true},
		{part: "refused", exit: 3},
		{part: "killer", exit: 3, keeps: true, says: "server ended during the run (signal 9); the end of its log:\n  serving"},
	} {
		t.Run(c.part, func(t *testing.T) {
			cfg, w := config(t, play(t, "server"), play(t, c.part))
			out, err := trial.Run(context.Background(), cfg)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Fatalf("error %v, want %q", err, c.says)
			}
			if out.Exit != c.exit || (out.Result != nil) != c.keeps {
				t.Errorf("exit %d, result %v; want exit %d, result %v", out.Exit, out.Result != nil, c.exit, c.keeps)
			}
			if !errors.Is(syscall.Kill(serverPID(t, w), 0), syscall.ESRCH) {
				t.Error("the server is still there")
			}
			if !c.keeps {
				if left := entries(t, cfg); len(left) > 0 {
					t.Errorf("a run without a result left %v", left)
				}
				return
			}
			checkStored(t, out)
		})
	}
}

func checkStored(t *testing.T, out trial.Outcome) {
	t.Helper()
	r, err := result.Read(filepath.Join(out.Dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Subject.Command) == 0 || r.Subject.Command[1] != "--listen" {
		t.Errorf("the subject's command is %q", r.Subject.Command)
	}
	for _, file := range []string{"report.html", "server.log", "fanout-10k.yaml"} {
		if info, err := os.Stat(filepath.Join(out.Dir, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty (%v)", file, err)
		}
	}
}

func TestServerDiesAtStart(t *testing.T) {
	cfg, _ := config(t, program(t, "echo listen: address in use >&2; exit 3"), play(t, "fine"))
	out, err := trial.Run(context.Background(), cfg)
	want := "server ended before it was ready (exit status 3); the end of its log:\n  listen: address in use"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if out.Exit != 3 || len(entries(t, cfg)) != 0 {
		t.Errorf("exit %d with %v left; want 3 and nothing", out.Exit, entries(t, cfg))
	}
}

func TestServerNeverReady(t *testing.T) {
	cfg, _ := config(t, program(t, "echo still thinking >&2; exec sleep 60"), play(t, "fine"))
	cfg.Ready = 50 * time.Millisecond
	_, err := trial.Run(context.Background(), cfg)
	if err == nil || !strings.Contains(err.Error(), "not ready at http://127.0.0.1:") || !strings.Contains(err.Error(), "within 50ms") {
		t.Errorf("got %v, want the address and the time", err)
	}
}

// An interrupt is passed to loadgen, and what it measured is kept.
func TestInterruptWhileLoading(t *testing.T) {
	cfg, w := config(t, play(t, "server"), play(t, "patient"))
	w.line = "waiting"
	out, err := trial.Run(context.Background(), cfg)
	if err != nil || out.Exit != 130 || out.Result == nil {
		t.Fatalf("exit %d, result %v, error %v; want 130 with a result", out.Exit, out.Result != nil, err)
	}
	checkStored(t, out)
}

func TestInterruptBeforeReady(t *testing.T) {
	cfg, w := config(t, program(t, "exec sleep 60"), play(t, "fine"))
	w.seen <- os.Interrupt
	out, err := trial.Run(context.Background(), cfg)
	if err != nil || out.Exit != 130 || out.Result != nil {
		t.Errorf("exit %d, result %v, error %v; want 130 and nothing else", out.Exit, out.Result != nil, err)
	}
	if left := entries(t, cfg); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestUnknownServer(t *testing.T) {
	cfg, _ := config(t, "/no/such/server", play(t, "fine"))
	if _, err := trial.Run(context.Background(), cfg); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want not-exist", err)
	}
}
