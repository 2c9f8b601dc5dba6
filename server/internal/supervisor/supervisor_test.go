package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary plays the worker, and for one test the supervisor, when this variable says so.
const roleVariable = "FANBENCH_SUPERVISOR_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		goleak.VerifyTestMain(m)
	case "supervisor":
		playSupervisor()
	default:
		playWorker(role)
	}
}

// greeting is what the supervisor tells a worker in these tests.
type greeting struct{ Name string }

func playWorker(role string) {
	if role == "failing" {
		os.Exit(7)
	}
	if role == "deaf" {
		signal.Ignore(syscall.SIGTERM)
	}
	var hello greeting
	link, err := Attach(&hello)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(8)
	}
	if role == "babbling" {
		io.WriteString(os.NewFile(reportDescriptor, "report"), "ready!\n")
	} else if role != "mute" {
		link.Ready(Report{Admin: hello.Name})
	}
	<-link.Orphaned()
}

func playSupervisor() {
	s, err := Start(config("serving", 2))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, w := range s.Workers() {
		fmt.Println(w.PID)
	}
	select {} // until killed
}

func config(role string, workers int) Config {
	return Config{
		Workers: workers,
		Command: func(int) *exec.Cmd {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVariable+"="+role)
			cmd.Stderr = os.Stderr
			return cmd
		},
		Hello:        func(i int) any { return greeting{fmt.Sprintf("worker-%d", i)} },
		StartTimeout: 10 * time.Second,
		MinBackoff:   time.Millisecond,
		MaxBackoff:   10 * time.Millisecond,
		Log:          slog.New(slog.DiscardHandler),
	}
}

func start(t *testing.T, c Config) *Supervisor {
	t.Helper()
	s, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// eventually waits for a state, not for a time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not reached in 20s: %s", what)
		}
	}
}

func TestWorkersAreReadyAfterStart(t *testing.T) {
	s := start(t, config("serving", 3))
	if !s.Ready() {
		t.Error("not ready after Start")
	}
	for i, w := range s.Workers() {
		if w.Index != i || !w.Ready || w.PID == 0 || w.Admin != fmt.Sprintf("worker-%d", i) || w.Restarts != 0 {
			t.Errorf("worker %d: %+v", i, w)
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
	for _, w := range s.Workers() {
		if w.Ready || w.PID != 0 || w.Admin != "" || w.Restarts != 0 {
			t.Errorf("after Stop: %+v", w)
		}
	}
}

func TestStartFails(t *testing.T) {
	tests := map[string]struct {
		role    string
		timeout time.Duration
		want    string
	}{
		"worker exits":             {"failing", 0, "start worker 0: exit status 7"},
		"worker never says ready":  {"mute", 200 * time.Millisecond, "start worker 0: not ready after 200ms"},
		"worker reports no JSON":   {"babbling", 0, "start worker 0: read report"},
		"worker cannot be started": {"absent", 0, "start worker 0: start process"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := config(test.role, 1)
			c.StartTimeout = test.timeout
			if test.role == "absent" {
				c.Command = func(int) *exec.Cmd { return exec.Command("/no/such/program") }
			}
			_, err := Start(c)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %q…", err, test.want)
			}
		})
	}
}

func TestKilledWorkerIsStartedAgain(t *testing.T) {
	s := start(t, config("serving", 2))
	before := s.Workers()
	for round := 1; round <= 3; round++ {
		if err := syscall.Kill(s.Workers()[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "worker 0 ready again", func() bool {
			w := s.Workers()[0]
			return w.Ready && w.Restarts == round
		})
	}
	if after := s.Workers()[1]; after != before[1] {
		t.Errorf("the other worker was touched: %+v, was %+v", after, before[1])
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	s := start(t, config("deaf", 2))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.Stop(ctx)
	if err == nil || err.Error() != "stop workers: 2 of 2 had to be killed" {
		t.Errorf("got %v", err)
	}
}

func TestStopEndsTheWaitForARestart(t *testing.T) {
	c := config("serving", 1)
	c.MinBackoff, c.MaxBackoff = time.Hour, time.Hour
	s := start(t, c)
	if err := syscall.Kill(s.Workers()[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "worker down", func() bool { return !s.Ready() })
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestWorkersEndWithTheirSupervisor(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=supervisor")
	held, theirs, err := os.Pipe() // every process of the family holds the writing end as its standard error
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cmd.Stderr = theirs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	lines := bufio.NewScanner(out)
	for n := range 2 {
		if !lines.Scan() {
			t.Fatalf("supervisor named %d workers, want 2", n)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	held.SetReadDeadline(time.Now().Add(20 * time.Second))
	if rest, err := io.ReadAll(held); err != nil {
		t.Fatalf("a worker outlived its supervisor: %v (%q)", err, rest)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Errorf("supervisor ended with %v, want killed", err)
	}
}

func TestAttachWantsASupervisor(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=serving")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 8 || string(out) != ErrNoSupervisor.Error()+"\n" {
		t.Errorf("got %v, %q", err, out)
	}
}
