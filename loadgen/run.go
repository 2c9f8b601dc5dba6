package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/environment"
	"fanbench/loadgen/internal/fleet"
	"fanbench/loadgen/internal/preflight"
	"fanbench/loadgen/internal/progress"
	conduct "fanbench/loadgen/internal/run"
	"fanbench/loadgen/internal/slo"
	"fanbench/loadgen/internal/verdict"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// runCommand runs a scenario against a server.
type runCommand struct {
	workloadFlags
	credentialFlags
	outputFlags
	findFlags

	URL       string `placeholder:"URL" group:"Run" help:"The target: ws://host:port or wss://host:port with an optional path."`
	Out       string `placeholder:"DIR" group:"Run" help:"Write result.json and summary.txt here; default results/NAME/UTC-ID."`
	WatchPID  int    `name:"watch-pid" placeholder:"PID" group:"Run" help:"Read CPU and memory of this process and its descendants."`
	VitalsURL string `name:"vitals-url" placeholder:"URL" group:"Run" help:"Read the target's CPU and memory here, as JSON over HTTP."`
	JSON      bool   `group:"Run" help:"Print the result as JSON instead of the summary."`
}

// Run carries the command out.
func (c *runCommand) Run(s streams) error {
	if err := c.findFlags.check(); err != nil {
		return usage(err)
	}
	if c.Find != "" {
		if err := c.outputFlags.unasked(); err != nil {
			return usage(err)
		}
		return c.find(s)
	}
	config, err := c.prepare(net.DefaultResolver)
	if err != nil {
		return err
	}
	out, err := c.open(&config, c.folder(config.Scenario.Name, config.RunID), s)
	if err != nil {
		return err
	}
	r, err := c.conduct(config, s)
	if err != nil {
		out.discard()
		return err
	}
	calibrated(r)
	if err := c.report(r, out, s); err != nil {
		return err
	}
	if status := verdict.ExitCode(r); status != exitFine {
		return failure{status, errors.New("")} // the summary has said why
	}
	return nil
}

// prepare checks everything that can be checked before anything is started.
func (c *runCommand) prepare(names resolver) (conduct.Config, error) {
	var none conduct.Config
	t, err := parseTarget(c.URL)
	if err != nil {
		return none, usage(err)
	}
	asked, seed, err := c.read(t.path)
	if err != nil {
		return none, err
	}
	if err := slo.Check(asked, c.WatchPID != 0 || c.VitalsURL != ""); err != nil {
		return none, usage(err)
	}
	watched, err := c.watch()
	if err != nil {
		return none, err
	}
	config := conduct.Config{Scenario: asked}
	if err := c.apply(&config, t); err != nil {
		return none, usage(err)
	}
	address, err := t.resolve(context.Background(), names)
	if err != nil {
		return none, noAnswer(unresolved(asked, err))
	}
	started := time.Now().UTC()
	stamp := rand.Uint32N(1 << 30) // as many bits as a stamp has for it
	config.Seed, config.Stamp, config.RunID = seed, stamp, fmt.Sprintf("%s-%08x", started.Format("20060102T150405Z"), stamp)
	config.URL, config.Address, config.Host = t.url, address, t.host
	config.Tool, config.Environment = tool(), environment.Read(os.DirFS("/"))
	config.Target, config.CPUs = watched, runtime.NumCPU()
	machine := vitals.NewHost(os.DirFS("/"), c.WatchPID)
	config.Machine, config.TargetCPUs = machine, machine.TargetCPUs
	config.Local = address.Addr().IsLoopback() || c.WatchPID != 0
	if n := machine.CPUs(); n > 0 {
		config.CPUs = n
	}
	if err := check(&config); err != nil {
		return none, err
	}
	own, err := vitals.NewTree(os.Getpid())
	if err != nil {
		return none, noAnswer(err)
	}
	config.Generator = own
	return config, nil
}

// unresolved is a target whose name could not be looked up: of all connections
// the same failure.
func unresolved(s scenario.Scenario, err error) *conduct.RampError {
	n := s.Connections
	if s.Workload == scenario.Fanout {
		n += s.Publishers
	}
	failure := engine.ResolveFailure(err)
	failure.Count = uint64(n)
	return &conduct.RampError{Connections: n, Attempted: n, Failures: []result.Failure{failure}}
}

// check refuses what this host cannot hold, and fixes what it may.
func check(config *conduct.Config) error {
	if err := preflight.RaiseDescriptors(); err != nil {
		return noAnswer(err)
	}
	report := preflight.Check(preflight.ReadHost(), needOf(config.Scenario, config.Address.Addr()))
	if err := report.Err(); err != nil {
		return noAnswer(unfit{err})
	}
	for _, p := range report.Warnings() {
		config.Warnings = append(config.Warnings, result.Warning{
			Text: fmt.Sprintf("%s: need %s, have %s", p.What, p.Need, p.Have), Remedy: p.Remedy})
	}
	config.Sources = report.Sources
	return nil
}

// watch opens the source of the target's vitals; nil if there is none.
func (c *runCommand) watch() (vitals.Source, error) {
	switch {
	case c.WatchPID != 0 && c.VitalsURL != "":
		return nil, usage(errors.New("--watch-pid and --vitals-url exclude each other; give one"))
	case c.WatchPID != 0:
		tree, err := vitals.NewTree(c.WatchPID)
		if err != nil {
			return nil, usage(fmt.Errorf("--watch-pid %d: %w", c.WatchPID, err))
		}
		return tree, nil
	case c.VitalsURL != "":
		if !strings.HasPrefix(c.VitalsURL, "http://") && !strings.HasPrefix(c.VitalsURL, "https://") {
			return nil, usage(fmt.Errorf("--vitals-url %s: want http://host:port/path", c.VitalsURL))
		}
		endpoint := &vitals.Endpoint{URL: c.VitalsURL}
		if _, err := endpoint.Read(context.Background()); err != nil {
			return nil, noAnswer(fmt.Errorf("--vitals-url: %w", err))
		}
		return endpoint, nil
	}
	return nil, nil
}

// interrupts are the signals that end a run early. Whoever had SIGHUP ignored,
// by nohup, wants it to outlive the terminal.
func interrupts() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// conduct starts the workers and takes them through the run. The first
// interrupt ends the run early, the second everything at once.
func (c *runCommand) conduct(config conduct.Config, s streams) (*result.Result, error) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, interrupts()...)
	defer signal.Stop(signals)

	self, err := os.Executable()
	if err != nil {
		return nil, noAnswer(fmt.Errorf("find this program: %w", err))
	}
	workers, err := fleet.Start(fleet.DefaultPatience, config.Scenario.Workers, self, "agent")
	if err != nil {
		return nil, noAnswer(err)
	}
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	printer := newPrinter(s.err)

	type outcome struct {
		result *result.Result
		err    error
	}
	done := make(chan outcome, 1)
	lines := make(chan progress.Line) // the printer has one owner, this goroutine
	go func() {
		r, err := conduct.Do(ctx, config, workers, conduct.System{}, func(l progress.Line) { lines <- l })
		done <- outcome{r, err}
	}()
	for {
		select {
		case l := <-lines:
			printer.Show(l)
		case o := <-done:
			printer.Done()
			return ended(o.result, o.err, workers.Stop())
		case s := <-signals:
			if ctx.Err() != nil {
				if s == syscall.SIGHUP {
					continue // a terminal that closes sends two: its shell's and its own
				}
				printer.Done()
				workers.Kill()
				return nil, failure{exitInterrupted, errors.New("interrupted twice: nothing was kept")}
			}
			interrupt()
			printer.Note("loadgen: interrupted; ending the run, interrupt again to end at once")
		}
	}
}

// ended maps how a run ended to what the program says.
func ended(r *result.Result, err, stopped error) (*result.Result, error) {
	switch {
	case errors.Is(err, context.Canceled):
		return nil, failure{exitInterrupted, errors.New("interrupted before a connection was open: nothing was measured")}
	case err != nil:
		return nil, noAnswer(err)
	}
	if stopped != nil {
		r.Warnings = append(r.Warnings, result.Warning{Text: "a worker did not end well: " + stopped.Error(), Remedy: "report this as a fault of loadgen"})
	}
	return r, nil
}

// newPrinter shows progress on standard error, in place if that is a terminal.
func newPrinter(w io.Writer) *progress.Printer {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return progress.New(w, false, 0)
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		width = 80
	}
	return progress.New(w, true, width)
}

// folder is where a run's files are kept.
func (c *runCommand) folder(scenario, runID string) string {
	if c.Out != "" {
		return c.Out
	}
	return filepath.Join("results", scenario, runID)
}

// report keeps the result and prints it.
func (c *runCommand) report(r *result.Result, out *outputs, s streams) error {
	dir := c.folder(r.Scenario.Name, r.RunID)
	text, kept := keep(dir, r)
	streamed, written := out.finish(dir, r)
	kept = errors.Join(kept, written)
	if c.JSON {
		encoded, err := result.Encode(r)
		if err != nil {
			return noAnswer(err)
		}
		text = string(encoded)
	}
	// Printed even if it could not be kept: it cost a run.
	w := s.out
	if c.streams() {
		w = s.err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return noAnswer(fmt.Errorf("print result: %w", err))
	}
	if kept != nil {
		return noAnswer(fmt.Errorf("--out %s: %s", dir, strings.ReplaceAll(kept.Error(), "\n", "; ")))
	}
	if streamed != nil {
		return noAnswer(fmt.Errorf("--live %s: %w", c.Live, streamed))
	}
	fmt.Fprintf(s.err, "loadgen: result in %s\n", filepath.Join(dir, result.FileName))
	return nil
}

// keep writes a result and its summary, which it returns, into a folder.
func keep(dir string, r *result.Result) (summary string, err error) {
	var b strings.Builder
	if err := result.Summary(&b, r); err != nil {
		return "", err
	}
	if err := result.Write(filepath.Join(dir, result.FileName), r); err != nil {
		return b.String(), err
	}
	if err := result.Replace(filepath.Join(dir, "summary.txt"), []byte(b.String())); err != nil {
		return b.String(), fmt.Errorf("write summary: %w", err)
	}
	return b.String(), nil
}
