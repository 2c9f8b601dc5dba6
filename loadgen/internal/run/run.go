// Package run conducts a run: it takes the workers and the target through the
// phases, reads vitals at their edges, merges the workers' accounts and puts
// together the result.
//
// It joins the parts and does none of their work: what is due is package
// plan's, sending and receiving package engine's (reached through a [Fleet]),
// whether the numbers can be trusted package verdict's. It reads no clock but
// the [Clock] that it is given, so a scripted fleet yields the same result to
// the byte.
package run

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fanbench/loadgen/internal/control"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/progress"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Fleet is the run's workers, asked all at once. An answer leaves out lost
// workers and comes with an error that says what became of them.
type Fleet interface {
	Assign(part func(worker int) control.Assign) error
	Ramp() error
	Begin(ph plan.Phase, at int64) error
	Halt() error
	Poll() ([]control.Status, error)
	Count() ([]engine.Closing, error)
	Settle(closing []engine.Closing) ([]engine.Account, error)
}

// Clock is the time as the conductor sees it.
type Clock interface {
	Mono() int64     // CLOCK_MONOTONIC, nanoseconds
	Wall() time.Time // for people
	// Sleep waits until the instant at of Mono, or less if ctx ends.
	Sleep(ctx context.Context, at int64)
}

// Config is one run.
type Config struct {
	Scenario scenario.Scenario
	Seed     uint64
	RunID    string // of the result
	Stamp    uint32 // run id in every stamp

	URL     string // as given
	Address netip.AddrPort
	Host    string       // of the request
	Sources []netip.Addr // local addresses; empty: the kernel chooses

	Tool        result.Tool
	Environment result.Environment
	Warnings    []result.Warning // known before the start

	// Target and Generator are read at the phases' edges and each second; nil
	// if nobody said where to look.
	Target, Generator vitals.Source
	// CPUs that the generator, and a target on the same machine, have.
	CPUs int
}

const (
	// pollInterval is how often workers are asked while something is awaited.
	pollInterval = 50 * time.Millisecond
	// rowInterval is the length of a row of the series.
	rowInterval = time.Second
	// lead is how long before its first due time a phase is announced.
	lead = 100 * time.Millisecond
	// linger is how long late duplicates may show after the last drain.
	linger = 250 * time.Millisecond
	// haltLimit bounds the wait for workers that were told to stop.
	haltLimit = 5 * time.Second
	// quiet ends a drain that can no longer complete, because subscribers are
	// gone, once nothing has arrived for this long.
	quiet = time.Second
)

// conductor is a run under way.
type conductor struct {
	Config
	plan  *plan.Plan
	fleet Fleet
	clock Clock
	show  func(progress.Line)

	result  *result.Result
	started int64 // Mono

	ramp    rampTotals
	last    totals   // of the latest poll
	slice   interval // since the latest row
	rows    rows
	ended   string // why the run ends early; empty while it goes on
	lost    error  // workers that are gone
	stopped bool   // interrupted by the user
	gone    bool   // the target closed half of its connections or more

	measureAt    int64   // start of the measured phase; 0 before it
	left         *uint64 // outstanding when the last drain ended; nil before it
	rampEdges    edges   // of the ramp alone
	idleEdges    edges   // from before the assignment to the end of the idle phase
	measureEdges edges   // of the measured phase with its drain
	accounts     []engine.Account
}

// Do conducts the run. It returns a result as soon as one connection was open,
// marked as partial if the run ended early; the error is nil then. Without an
// open connection it returns a [*RampError] or what the workers died of.
func Do(ctx context.Context, config Config, fleet Fleet, clock Clock, show func(progress.Line)) (*result.Result, error) {
	p, err := plan.New(config.Scenario, config.Seed)
	if err != nil {
		return nil, err
	}
	c := &conductor{Config: config, plan: p, fleet: fleet, clock: clock, show: show, started: clock.Mono()}
	c.result = &result.Result{
		SchemaVersion: result.SchemaVersion, Kind: "run", RunID: config.RunID,
		Tool: config.Tool, Scenario: config.Scenario, Seed: config.Seed, URL: config.URL,
		Environment: config.Environment, Warnings: config.Warnings,
		Times: result.Times{Started: clock.Wall().UTC()},
	}
	// Before the workers lay out their connections, so that this memory counts
	// as the connections'.
	c.take(ctx, &c.idleEdges, 0)
	if err := c.assign(); err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	c.rest(ctx)
	c.workload(ctx)
	c.settle()
	c.conclude()
	return c.result, nil
}

// assign gives each worker its share of what is bounded over all of them.
func (c *conductor) assign() error {
	n := c.Scenario.Workers
	ramp := c.Scenario.Phases.Ramp
	return c.fleet.Assign(func(worker int) control.Assign {
		return control.Assign{
			Version: control.Version, Worker: worker,
			Scenario: c.Scenario, Seed: c.Seed, RunID: c.Stamp,
			Address: c.Address, Host: c.Host, Sources: c.Sources, Epoch: c.started,
			InFlight: max(1, (ramp.InFlight+worker)/n),
			RampRate: float64(ramp.Rate) / float64(n),
		}
	})
}

// workload is everything between the idle phase and the settlement.
func (c *conductor) workload(ctx context.Context) {
	if c.Scenario.Workload == scenario.Connect {
		c.hold(ctx)
		return
	}
	if warmUp := c.Scenario.Phases.WarmUp; warmUp > 0 && !c.over(ctx) {
		c.publish(ctx, plan.WarmUp, warmUp)
		c.drain(ctx)
		if n := c.outstanding(); n > 0 && c.ended == "" {
			c.warn(fmt.Sprintf("%d deliveries of the warm-up were still outstanding when measuring began", n),
				"lower the rate, or give the drain more time")
		}
	}
	if c.over(ctx) {
		return
	}
	c.take(ctx, &c.measureEdges, 0)
	c.publish(ctx, plan.Measure, c.Scenario.Phases.Measure)
	c.drain(ctx)
	c.take(ctx, &c.measureEdges, 1)
	left := c.outstanding()
	c.left = &left
	c.linger()
}

// over reports whether the run ends early, and notices the user's interrupt.
func (c *conductor) over(ctx context.Context) bool {
	if ctx.Err() != nil && c.ended == "" {
		c.stopped = true
		c.end("interrupted")
	}
	return c.ended != ""
}

// end makes the run partial. The first reason counts.
func (c *conductor) end(reason string) {
	if c.ended == "" {
		c.ended = reason
	}
}

func (c *conductor) warn(text, remedy string) {
	c.result.Warnings = append(c.result.Warnings, result.Warning{Text: text, Remedy: remedy})
}

// phase notes when a phase began and returns what notes its end.
func (c *conductor) phase(name string) (end func()) {
	start := c.since(c.clock.Mono())
	return func() {
		c.result.Times.Phases = append(c.result.Times.Phases,
			result.Phase{Name: name, Start: start, End: c.since(c.clock.Mono())})
	}
}

// since is an instant in seconds since the run's start.
func (c *conductor) since(mono int64) float64 { return time.Duration(mono - c.started).Seconds() }

// interval holds what arrived since the latest row of the series.
type interval struct {
	delivery, readLag, sendLag *latency.Histogram
}

// add merges a worker's histogram into one of the interval's, which takes the
// digits of the first.
func (c *conductor) add(into **latency.Histogram, h *latency.Histogram) {
	if h == nil || h.Count() == 0 {
		return
	}
	if *into == nil {
		*into = latency.New(h.Digits())
	}
	c.merged((*into).Merge(h))
}

func (i *interval) reset() {
	for _, h := range []*latency.Histogram{i.delivery, i.readLag, i.sendLag} {
		if h != nil {
			h.Reset()
		}
	}
}
