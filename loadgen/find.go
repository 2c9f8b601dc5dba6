package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"fanbench/loadgen/internal/environment"
	"fanbench/loadgen/internal/find"
	"fanbench/loadgen/internal/verdict"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// findFlags turn a run into a search for the largest load that holds.
type findFlags struct {
	Find        string        `placeholder:"AXIS" group:"Find" help:"Search for the largest connections, rate or size that holds the slo."`
	FindFrom    string        `placeholder:"LOAD" group:"Find" help:"Smallest load to probe, as that flag is written; default the scenario's."`
	FindTo      string        `placeholder:"LOAD" group:"Find" help:"Largest load to probe; default none."`
	FindRepeat  int           `placeholder:"N" group:"Find" help:"Probes of a load that the answer rests on, of which the majority decides; default 3."`
	FindMeasure time.Duration `placeholder:"DURATION" group:"Find" help:"Measure so long in each probe; default 3s."`
	FindProbes  int           `placeholder:"N" group:"Find" help:"Probes in all at most; default 24."`
	FindTime    time.Duration `placeholder:"DURATION" group:"Find" help:"Begin no probe that would end later; default 10m."`
}

// check fills in the defaults, and refuses what makes no search.
func (f *findFlags) check() error {
	if f.Find == "" {
		if *f != (findFlags{}) {
			return errors.New("--find-from, --find-to, --find-repeat, --find-measure, --find-probes and --find-time are for a search; give --find connections, rate or size")
		}
		return nil
	}
	for _, n := range []struct {
		flag     string
		value    *int
		standard int
		most     int
	}{{"--find-repeat", &f.FindRepeat, 3, 99}, {"--find-probes", &f.FindProbes, 24, 999}} {
		if *n.value == 0 {
			*n.value = n.standard
		}
		if *n.value < 1 || *n.value > n.most {
			return fmt.Errorf("%s %d: want 1 to %d", n.flag, *n.value, n.most)
		}
	}
	for _, d := range []struct {
		flag     string
		value    *time.Duration
		standard time.Duration
	}{{"--find-measure", &f.FindMeasure, 3 * time.Second}, {"--find-time", &f.FindTime, 10 * time.Minute}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
		if *d.value < 0 {
			return fmt.Errorf("%s %v: want a duration above 0", d.flag, *d.value)
		}
	}
	return nil
}

// finder is a search under way.
type finder struct {
	command runCommand // of which each probe is a copy with another load
	target  target
	axis    axis
	search  *find.Search
	found   find.Capacity
	dir     string

	started time.Time
	longest time.Duration // of a probe with its rest
	others  int           // connections to the target's port that are not ours
	warmUp  string        // of a probe; empty if the workload has none
	streams
}

// find searches for the capacity, and reports and keeps it.
func (c *runCommand) find(s streams) error {
	f, err := newFinder(c, s)
	if err != nil {
		return err
	}
	// The first interrupt ends the probe that is under way, and the search; the
	// second ends the program, which the run sees to.
	ctx, stop := signal.NotifyContext(context.Background(), interrupts()...)
	defer stop()
	if err := f.climb(ctx); err != nil {
		return err
	}
	f.conclude()
	if err := f.report(); err != nil {
		return err
	}
	if status := f.status(ctx); status != exitFine {
		return failure{status, errors.New("")} // the report has said why
	}
	return nil
}

// newFinder checks everything that can be checked before the first probe.
func newFinder(c *runCommand, s streams) (*finder, error) {
	f := &finder{command: *c, streams: s, started: time.Now()}
	var err error
	if f.axis, err = axisOf(c.Find); err != nil {
		return nil, usage(err)
	}
	if f.target, err = parseTarget(c.URL); err != nil {
		return nil, usage(err)
	}
	asked, seed, err := c.read(f.target.path)
	if err != nil {
		return nil, err
	}
	if asked.Workload != scenario.Connect {
		f.warmUp = min(asked.Phases.WarmUp, c.FindMeasure/3).String()
	}
	from, to, err := f.ends(asked)
	if err != nil {
		return nil, usage(err)
	}
	for _, end := range []float64{from, to} {
		probe := f.probeCommand(end)
		if asked, _, err = probe.read(f.target.path); err != nil {
			return nil, err
		}
		if end == from {
			f.found.Scenario = asked
		}
	}
	if len(asked.SLO) == 0 {
		return nil, usage(fmt.Errorf("--find %s: nothing says what has to hold; give --slo, for example --slo 'delivery.p99 < 50ms,lost == 0'", c.Find))
	}
	id := fmt.Sprintf("%s-find-%s", f.started.UTC().Format("20060102T150405Z"), f.axis.name)
	f.dir = c.Out
	if f.dir == "" {
		f.dir = filepath.Join("results", asked.Name, id)
	}
	f.search = find.New(find.Options{From: from, To: to, Repeat: c.FindRepeat, Probes: c.FindProbes, Whole: f.axis.whole})
	f.found.ID, f.found.Started, f.found.Seed, f.found.URL = id, f.started.UTC().Truncate(time.Millisecond), seed, c.URL
	f.found.Tool, f.found.Environment = tool(), environment.Read(os.DirFS("/"))
	f.found.Axis, f.found.Unit, f.found.Latency = f.axis.name, f.axis.unit, curveOf(asked)
	f.found.From, f.found.To, f.found.Repeat = from, to, c.FindRepeat
	return f, nil
}

// ends are the smallest and the largest load.
func (f *finder) ends(asked scenario.Scenario) (from, to float64, err error) {
	from, to = f.axis.of(asked), f.axis.most
	if f.axis.name == "rate" && (asked.Workload == scenario.Fanout || asked.Arrivals == scenario.Poisson) {
		to = min(to, math.Floor(scenario.MaxPublications/f.command.FindMeasure.Seconds()))
	}
	for _, end := range []struct {
		flag, text string
		load       *float64
	}{{"--find-from", f.command.FindFrom, &from}, {"--find-to", f.command.FindTo, &to}} {
		if end.text == "" {
			continue
		}
		if *end.load, err = f.axis.parse(end.text); err != nil {
			return 0, 0, fmt.Errorf("%s %s: %w", end.flag, end.text, err)
		}
	}
	if from <= 0 {
		return 0, 0, fmt.Errorf("--find %s: the smallest load is 0; give --find-from", f.axis.name)
	}
	if from > to {
		return 0, 0, fmt.Errorf("--find-from %s is more than --find-to %s; want it less", f.axis.format(from), f.axis.format(to))
	}
	return from, to, nil
}

// climb makes one probe after the other. What ends the search early is in
// found.Reason; the error is for what leaves nothing to report.
func (f *finder) climb(ctx context.Context) error {
	f.others, _ = connectionsAt(f.target.port) // without a count there is only the pause
	for {
		load, more := f.search.Next()
		if !more {
			return nil
		}
		if over := f.over(); over != "" {
			f.found.Reason = over
			return nil
		}
		fmt.Fprintf(f.err, "loadgen: probe %d of at most %d: %s%s\n", f.search.Made()+1, f.command.FindProbes, f.axis.format(load), f.left())
		began := time.Now()
		probe, err := f.probe(load)
		if err != nil {
			if len(f.found.Probes) == 0 {
				return err
			}
			f.found.Reason = fmt.Sprintf("the probe at %s left no result: %v", f.axis.format(load), err)
			return nil
		}
		f.found.Probes = append(f.found.Probes, probe)
		probeLine(f.lines(), f.axis, len(f.found.Probes), probe)
		if ctx.Err() != nil {
			f.found.Reason = "interrupted"
			return nil
		}
		if probe.Outcome == "" {
			f.found.Reason = fmt.Sprintf("the probe at %s cannot be judged: %s", f.axis.format(load), probe.Reason)
			return nil
		}
		f.search.Add(load, probe.Outcome)
		if _, more := f.search.Next(); more {
			f.rest(ctx)
		}
		if ctx.Err() != nil {
			f.found.Reason = "interrupted"
			return nil
		}
		f.longest = max(f.longest, time.Since(began))
	}
}

// over says why no other probe may begin.
func (f *finder) over() string {
	if time.Since(f.started)+f.longest > f.command.FindTime {
		return fmt.Sprintf("another probe would not end within --find-time %v", f.command.FindTime)
	}
	return ""
}

// left estimates how long the search goes on, once it is known how long a probe
// takes.
func (f *finder) left() string {
	n := f.search.Made()
	if n == 0 {
		return ""
	}
	spent := time.Since(f.started)
	left := min(spent/time.Duration(n)*time.Duration(f.search.Left()), f.command.FindTime-spent)
	return fmt.Sprintf("; about %v left", left.Round(time.Second))
}

// conclude puts the answer together.
func (f *finder) conclude() {
	f.found.Answer = f.search.Answer()
	f.found.Knee = find.NewKnee(f.found.Samples())
	if f.found.Reason == "" && f.found.State == find.Unfinished {
		f.found.Reason = fmt.Sprintf("--find-probes %d were made", f.command.FindProbes)
	}
}

// status is the program's exit status.
func (f *finder) status(ctx context.Context) int {
	switch {
	case ctx.Err() != nil && f.found.State == find.Unfinished:
		return exitInterrupted
	case f.found.State == find.Found, f.found.State == find.Above:
		return exitFine
	case f.found.State == find.Below:
		return verdict.ExitBreach
	default:
		return exitNoAnswer
	}
}

// keep writes the capacity and its report beside the probes' folders.
func (f *finder) keep(encoded []byte, summary string) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return fmt.Errorf("write capacity: %w", err)
	}
	for name, content := range map[string][]byte{find.FileName: encoded, "summary.txt": []byte(summary)} {
		if err := result.Replace(filepath.Join(f.dir, name), content); err != nil {
			return fmt.Errorf("write capacity: %w", err)
		}
	}
	return nil
}

// report prints the capacity and keeps it.
func (f *finder) report() error {
	encoded, err := find.Encode(&f.found)
	if err != nil {
		return noAnswer(err)
	}
	var text strings.Builder
	summarize(&text, f.axis, &f.found)
	var table strings.Builder
	for i, p := range f.found.Probes {
		probeLine(&table, f.axis, i+1, p)
	}
	kept := f.keep(encoded, table.String()+text.String())
	printed := text.String()
	if f.command.JSON {
		printed = string(encoded)
	}
	if _, err := fmt.Fprint(f.out, printed); err != nil {
		return noAnswer(fmt.Errorf("print capacity: %w", err))
	}
	if kept != nil {
		return noAnswer(fmt.Errorf("--out %s: %w", f.dir, kept))
	}
	fmt.Fprintf(f.err, "loadgen: capacity in %s\n", filepath.Join(f.dir, find.FileName))
	return nil
}
