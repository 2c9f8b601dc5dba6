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
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"fanbench/loadgen/internal/control"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/output"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/progress"
	"fanbench/loadgen/internal/slo"
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
	Outstanding(closing []engine.Closing) (uint64, error)
	Settle(closing []engine.Closing) ([]engine.Account, error)
	Records(n int, take func(from int, records []engine.PublicationRecord)) error
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
	// Epoch is the CLOCK_MONOTONIC reading, in nanoseconds, from which stamps
	// count due times; 0 is the run's start. Not after it.
	Epoch int64

	URL     string // as given
	Address netip.AddrPort
	Host    string      // of the request
	TLS     *engine.TLS // of a wss URL, nil for ws
	// Headers of every request: the scenario's and those that are not to stand
	// in the result, for which HeaderNames does. Tokens are by the plan's
	// connections.
	Headers     []scenario.Header
	HeaderNames []string
	Tokens      []string
	Sources     []netip.Addr // local addresses; empty: the kernel chooses

	Tool        result.Tool
	Environment result.Environment
	Warnings    []result.Warning // known before the start

	// Target and Generator are read at the phases' edges and each second; nil
	// if nobody said where to look.
	Target, Generator vitals.Source
	// CPUs that the generator, and a target on the same machine, have; TargetCPUs
	// is how many of them a target that is watched may use, 0 if that is not
	// known.
	CPUs, TargetCPUs int
	// Local: the target is on this machine.
	Local bool
	// Observe is told of each row of the series as it is taken; nil is nobody.
	// It holds up the run for as long as it takes.
	Observe func(output.Second)
	// Machine is read at the measured phase's edges and each second; nil leaves
	// its guards out.
	Machine Machine
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
	// owedInterval is how often workers count what is outstanding, where the
	// membership changes: they look at every subscriber.
	owedInterval = 200 * time.Millisecond
)

// conductor is a run under way.
type conductor struct {
	Config
	plan  *plan.Plan
	fleet Fleet
	clock *watchman
	show  func(progress.Line)

	result  *result.Result
	started int64 // Mono

	ramp     rampTotals
	last     totals   // of the latest poll
	slice    interval // since the latest row
	observed int64    // when Observe was told last
	rows     rows
	ended    string // why the run ends early; empty while it goes on
	lost     error  // workers that are gone
	stopped  bool   // interrupted by the user
	gone     bool   // the target closed half of its connections or more

	objectives objectives
	abandoned  bool // a condition of the scenario ended the run

	measureAt    int64   // start of the measured phase; 0 before it
	held         *int    // open after having been held; nil before it
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
	c := &conductor{Config: config, plan: p, fleet: fleet, clock: &watchman{Clock: clock}, show: show, started: clock.Mono(), slice: make(interval)}
	c.observed = c.started
	c.objectives.watch = slo.NewWatch(config.Scenario.SLO)
	c.result = &result.Result{
		SchemaVersion: result.SchemaVersion, Kind: "run", RunID: config.RunID,
		Tool: config.Tool, Scenario: config.Scenario, Seed: config.Seed, URL: config.URL,
		Environment: config.Environment, Warnings: config.Warnings,
		Times: result.Times{Started: clock.Wall().UTC()}, Headers: config.HeaderNames,
	}
	if config.TLS != nil {
		c.secured(*config.TLS)
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
	epoch := c.Epoch
	if epoch == 0 {
		epoch = c.started
	}
	ramp := c.Scenario.Phases.Ramp
	return c.fleet.Assign(func(worker int) control.Assign {
		return control.Assign{
			Version: control.Version, Worker: worker,
			Scenario: c.Scenario, Seed: c.Seed, RunID: c.Stamp,
			Address: c.Address, Host: c.Host, Sources: c.Sources, Epoch: epoch,
			TLS: c.TLS, Credentials: c.credentials(worker),
			InFlight: max(1, (ramp.InFlight+worker)/n),
			RampRate: float64(ramp.Rate) / float64(n),
		}
	})
}

// secured notes how the target's certificate was looked at.
func (c *conductor) secured(t engine.TLS) {
	c.result.TLS = &result.TLS{ServerName: t.ServerName, Insecure: t.Insecure}
	if len(t.Authorities) > 0 {
		c.result.TLS.Authorities = fmt.Sprintf("%x", sha256.Sum256(t.Authorities))
	}
	if t.Insecure {
		c.warn("the target's certificate was not checked (--insecure)", "trust its authority with --ca FILE instead")
	}
}

// credentials are a worker's part of them.
func (c *conductor) credentials(worker int) engine.Credentials {
	part := engine.Credentials{Headers: c.Headers}
	if len(c.Tokens) > 0 {
		for _, of := range c.plan.Share(worker).Connections {
			part.Tokens = append(part.Tokens, c.Tokens[of.ID])
		}
	}
	return part
}

// workload is everything between the idle phase and the settlement.
func (c *conductor) workload(ctx context.Context) {
	if c.Scenario.Workload == scenario.Connect {
		c.hold(ctx)
		return
	}
	if warmUp := c.Scenario.Phases.WarmUp; warmUp > 0 && !c.over(ctx) {
		c.publish(ctx, plan.WarmUp, warmUp)
		if n := c.drain(ctx); n > 0 && c.ended == "" {
			c.warn(fmt.Sprintf("%d deliveries of the warm-up were still outstanding when measuring began", n),
				"lower the rate, or give the drain more time")
		}
	}
	if c.over(ctx) {
		return
	}
	c.take(ctx, &c.measureEdges, 0)
	c.publish(ctx, plan.Measure, c.Scenario.Phases.Measure)
	left := c.drain(ctx)
	c.take(ctx, &c.measureEdges, 1)
	c.left = &left
	c.linger()
	c.checkReturn()
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

// interval holds what was recorded since the latest row of the series, by the
// engine's names.
type interval map[string]*latency.Histogram

// add merges a worker's histograms into the interval's, which take the digits of
// the first.
func (i interval) add(more map[string]*latency.Histogram) error {
	for name, h := range more {
		if i[name] == nil {
			i[name] = latency.New(h.Digits())
		}
		if err := i[name].Merge(h); err != nil {
			return err
		}
	}
	return nil
}

func (i interval) reset() {
	for _, h := range i {
		h.Reset()
	}
}
