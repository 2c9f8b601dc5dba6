// Package trial makes one run with fresh processes: it starts the target and
// loadgen, lets them finish, completes the result with what was measured and
// stores it.
//
// It measures nothing itself; the numbers are loadgen's.
package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"fanbench/bench/internal/intervals"
	"fanbench/bench/internal/process"
	"fanbench/bench/internal/report"
	"fanbench/bench/internal/store"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Exit codes that loadgen shares with bench; the design's table.
const (
	ExitUntrusted   = 3
	ExitInterrupted = 130
)

// Config is what one trial needs.
type Config struct {
	Target  Target
	Loadgen string // program
	// TargetCPUs and LoadgenCPUs that the processes may run on; nil for all.
	TargetCPUs, LoadgenCPUs []int

	Scenario scenario.Scenario
	Source   []byte // the scenario's YAML
	Toy      bool
	Seed     *uint64 // nil leaves the choice to loadgen

	// Design is the run's place among others; nil for a run of its own.
	Design *result.Design

	// Reproduce writes the command that repeats a run, for its report.
	Reproduce func(*result.Result) string

	// Ready bounds the wait for the target to be ready; 0 is 15 s.
	Ready time.Duration

	Results string    // root of the store
	Stderr  io.Writer // loadgen's live line goes here, and warnings
	// Interrupts ends the trial early, keeping what there is.
	Interrupts <-chan os.Signal
}

// Outcome is what a trial left behind.
type Outcome struct {
	Result *result.Result // nil if loadgen wrote none
	Dir    string         // the run's directory; "" without a result
	Exit   int            // loadgen's exit status
}

// Run makes the trial. An error says what went wrong with the server or the
// files; the outcome stands beside it as far as there is one.
func Run(ctx context.Context, c Config) (Outcome, error) {
	about, err := c.Target.describe(ctx)
	if err != nil {
		return Outcome{Exit: ExitUntrusted}, err
	}
	dir, err := store.Create(c.Results, c.Scenario.Name, about.Commit, time.Now())
	if err != nil {
		return Outcome{Exit: ExitUntrusted}, err
	}
	out, err := run(ctx, c, dir, about)
	// What was measured stays, even where something after it failed.
	if _, missing := os.Stat(filepath.Join(dir, result.FileName)); errors.Is(missing, fs.ErrNotExist) {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return out, err
}

func run(ctx context.Context, c Config, dir string, about result.Subject) (Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	file := filepath.Join(dir, c.Scenario.Name+".yaml")
	if err := result.Replace(file, c.Source); err != nil {
		return Outcome{Exit: ExitUntrusted}, fmt.Errorf("write scenario: %w", err)
	}
	if c.Target.URL != "" {
		exit, err := c.load(c.Target.URL, 0, file, dir)
		return c.settle(dir, about, exit, err)
	}
	srv, err := c.start(ctx, cancel, filepath.Join(dir, "server.log"))
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return Outcome{Exit: ExitInterrupted}, nil
		}
		return Outcome{Exit: ExitUntrusted}, err
	}
	about.Command = srv.command
	exit, err := c.load(srv.url, srv.PID(), file, dir)
	// A server that has to be stopped is alive; one that has ended died.
	if srv.Ended() {
		err = errors.Join(err, srv.died("during the run"))
		exit = max(exit, ExitUntrusted)
	}
	return c.settle(dir, about, exit, errors.Join(err, srv.Stop(stopPatience)))
}

// settle keeps what loadgen left behind.
func (c Config) settle(dir string, about result.Subject, exit int, err error) (Outcome, error) {
	out, keepErr := c.keep(dir, about)
	out.Exit = exit
	return out, errors.Join(err, keepErr)
}

// start starts the server; an interrupt meanwhile cancels the context. It leaves
// nobody behind who could take an interrupt that is meant for loadgen.
func (c Config) start(ctx context.Context, cancel func(), log string) (*server, error) {
	if c.Ready == 0 {
		c.Ready = readyPatience
	}
	started, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-c.Interrupts:
			cancel()
		case <-started:
		}
	}()
	srv, err := startServer(ctx, c.Target, c.Scenario.Server, log, c.Ready, c.TargetCPUs)
	close(started)
	<-watched
	if err == nil && ctx.Err() != nil { // interrupted at the last moment
		return nil, errors.Join(ctx.Err(), srv.Stop(stopPatience))
	}
	return srv, err
}

// load runs loadgen to its end and returns its exit status. pid is the target's,
// 0 if it is not known.
func (c Config) load(url string, pid int, file, dir string) (int, error) {
	args := []string{"run", file, "--url", url, "--out", dir}
	if pid != 0 {
		args = append(args, "--watch-pid", strconv.Itoa(pid))
	}
	if c.Toy {
		args = append(args, "--toy")
	}
	if c.Seed != nil {
		args = append(args, "--seed", strconv.FormatUint(*c.Seed, 10))
	}
	// Its summary is stored beside the result; stdout is for the table.
	p, err := process.Start(process.Spec{Path: c.Loadgen, Args: args, Stdout: io.Discard, Stderr: c.Stderr, CPUs: c.LoadgenCPUs})
	if err != nil {
		return ExitUntrusted, err
	}
	limit := patience(c.Scenario)
	overdue := time.NewTimer(limit)
	defer overdue.Stop()
	for {
		select {
		case <-p.Done():
			return p.ExitCode(), nil
		case s := <-c.Interrupts:
			p.Signal(s) // as it came: a second one ends loadgen at once, but not a second SIGHUP
		case <-overdue.C:
			err := fmt.Errorf("loadgen took longer than %v, ended", limit)
			return ExitUntrusted, errors.Join(err, p.Stop(stopPatience))
		}
	}
}

// patience is a bound on a whole run that no healthy one comes near: loadgen
// bounds its phases itself.
func patience(s scenario.Scenario) time.Duration {
	p := s.Phases
	return 3*time.Minute + 2*(p.Ramp.Timeout+p.Idle+p.WarmUp+p.Measure+2*p.Drain)
}

// keep completes the result that loadgen wrote and adds its report.
func (c Config) keep(dir string, about result.Subject) (Outcome, error) {
	file := filepath.Join(dir, result.FileName)
	r, err := result.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Outcome{}, nil // loadgen has said why
	}
	if err != nil {
		return Outcome{}, err
	}
	r.Subject, r.Design = about, c.Design
	out := Outcome{Result: r, Dir: dir}
	if err := result.Write(file, r); err != nil {
		return out, err
	}
	return out, c.writePage(dir, r)
}

// writePage writes the report; a log of intervals that cannot be read is said
// and leaves its chart out.
func (c Config) writePage(dir string, r *result.Result) error {
	seconds, err := intervals.Read(dir, report.Histogram(r))
	if err != nil {
		fmt.Fprintf(c.Stderr, "bench: %v; the report has no chart of it\n", err)
	}
	var page bytes.Buffer
	if err := report.HTML(&page, report.Run{Result: r, Intervals: seconds, Reproduce: c.Reproduce(r)}); err != nil {
		return err
	}
	if err := result.Replace(filepath.Join(dir, store.Page), page.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
