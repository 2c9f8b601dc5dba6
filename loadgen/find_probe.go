package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"fanbench/loadgen/internal/find"
	"fanbench/loadgen/internal/verdict"
	"fanbench/loadgen/result"
)

// unfit is a run that this host cannot hold.
type unfit struct{ error }

func (u unfit) Unwrap() error { return u.error }

// probeCommand is the run of a probe: what the user gave, with this load and
// short phases.
func (f *finder) probeCommand(load float64) runCommand {
	c := f.command
	*f.axis.flag(&c) = f.axis.format(load)
	c.Duration = c.FindMeasure.String()
	c.WarmUp = f.warmUp
	return c
}

// probe makes one run and judges it. The error is for what leaves no result.
func (f *finder) probe(load float64) (find.Probe, error) {
	p := find.Probe{Load: load}
	c := f.probeCommand(load)
	config, err := c.prepare(net.DefaultResolver)
	if beyond := (unfit{}); errors.As(err, &beyond) {
		p.Outcome, p.Reason = find.Unfit, beyond.Error()
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.Folder = fmt.Sprintf("probe-%02d", len(f.found.Probes)+1)
	dir := filepath.Join(f.dir, p.Folder)
	out, err := c.open(&config, dir, f.streams)
	if err != nil {
		return p, err
	}
	r, err := c.conduct(config, streams{in: f.in, out: f.out, err: f.live()})
	if err != nil {
		out.discard()
		return p, err
	}
	calibrated(r)
	_, kept := keep(dir, r)
	_, written := out.finish(dir, r)
	if kept == nil {
		kept = written
	}
	if kept != nil {
		return p, noAnswer(kept)
	}
	p.RunID, p.Verdict, p.Limit = r.RunID, r.Verdict.Verdict, r.Verdict.Limit
	p.Outcome, p.Reason = judge(r)
	family := strings.TrimSuffix(f.found.Latency, ".p99")
	p.P50, p.P99 = quantile(r, family+".p50"), quantile(r, family+".p99")
	p.TargetCPUs, p.GeneratorCPUs = cpus(r, "target"), cpus(r, "generator")
	return p, nil
}

// live is where a run's progress goes: a terminal, on which it leaves no lines.
func (f *finder) live() io.Writer {
	if file, ok := f.err.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return f.err
	}
	return io.Discard
}

// targets are the guards on what the target did: if nothing else speaks against
// a run it is the target that did not carry the load.
var targets = []string{verdict.Connected, verdict.TargetAlive, verdict.Sent, verdict.Drained}

// judge says what a run says about its load, and why if it is not held. There
// is no outcome if nothing can be said at all, nor after an interrupt.
func judge(r *result.Result) (find.Outcome, string) {
	switch status := verdict.ExitCode(r); {
	case status == verdict.ExitInterrupted:
		return "", "interrupted"
	case status == verdict.ExitFine:
		return find.Held, ""
	case status == verdict.ExitBreach:
		return find.Broke, breach(r)
	}
	var others, own []result.Guard
	for _, g := range r.Verdict.Guards {
		switch {
		case !g.Tripped || len(g.Voids) == 0:
		case slices.Contains(targets, g.Name):
			own = append(own, g)
		default:
			others = append(others, g)
		}
	}
	generator := r.Verdict.Limit == verdict.LimitGenerator || r.Verdict.Limit == verdict.LimitLink
	switch v := r.Verdict.Verdict; {
	case v == result.GeneratorLimited, v == result.LinkLimited:
		return find.Unjudged, guardNames(others)
	case len(own) > 0 && (len(others) > 0 || generator):
		return find.Unjudged, guardNames(slices.Concat(others, own))
	case len(own) > 0:
		return find.Broke, guardNames(own)
	}
	for _, o := range r.SLO {
		if o.State == result.ObjectiveUnknown {
			return "", fmt.Sprintf("%s: %s", o.Condition, o.Reason)
		}
	}
	return "", strings.Join(r.Verdict.Reasons, "; ")
}

func guardNames(guards []result.Guard) string {
	var all []string
	for _, g := range guards {
		all = append(all, g.Name)
	}
	return strings.Join(all, ", ")
}

// breach is the first condition that did not hold, or the ledger's faults.
func breach(r *result.Result) string {
	for _, o := range r.SLO {
		if o.State == result.ObjectiveBreached && o.Value != nil {
			return fmt.Sprintf("%s: %s", o.Condition, result.Metric{Value: *o.Value, Unit: o.Unit})
		}
	}
	return "deliveries lost, duplicated, reordered, corrupt or misrouted"
}

// quantile is a metric of a run; nil if it has none.
func quantile(r *result.Result, name string) *find.Quantile {
	m, trusted, observed := r.Metric(name)
	if !observed {
		return nil
	}
	return &find.Quantile{Seconds: m.Value, Untrusted: !trusted, Marked: m.Marked}
}

// cpus is how many CPUs a process used from the end of the phase before measure
// to the end of the run; nil if nobody looked.
func cpus(r *result.Result, of string) *float64 {
	m, _, observed := r.Metric(of + ".cpu_seconds")
	at := slices.IndexFunc(r.Times.Phases, func(p result.Phase) bool { return p.Name == "measure" })
	if !observed || at < 1 {
		return nil
	}
	last := r.Times.Phases[len(r.Times.Phases)-1]
	share := m.Value / (last.End - r.Times.Phases[at-1].End)
	return &share
}

const (
	// pause is the least time between two probes.
	pause = 500 * time.Millisecond
	// patience is how long a target may take to be rid of a probe's connections.
	patience = 10 * time.Second
)

// rest waits until the target has closed the connections of the last probe, as
// far as this host can see.
func (f *finder) rest(ctx context.Context) {
	limit := time.Now().Add(patience)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		n, err := connectionsAt(f.target.port)
		if err != nil || n <= f.others {
			return
		}
		if time.Now().After(limit) {
			fmt.Fprintf(f.err, "loadgen: %d connections to port %d are still there after %v; going on\n", n-f.others, f.target.port, patience)
			return
		}
	}
}

// connectionsAt counts the TCP connections of this host with that port at one
// of their ends: of a target on this machine both ends, of another the one
// here. One that waits in TIME_WAIT is over for its program.
func connectionsAt(port uint16) (n int, err error) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) { // a host without IPv6
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("count connections: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line) // sl, local_address, rem_address, st, …
			if len(fields) > 3 && (portOf(fields[1]) == port || portOf(fields[2]) == port) &&
				fields[3] != stateTimeWait && fields[3] != stateListen {
				n++
			}
		}
	}
	return n, nil
}

// States of a socket in /proc/net/tcp (include/net/tcp_states.h).
const (
	stateTimeWait = "06"
	stateListen   = "0A"
)

// portOf is the port of an address in /proc/net/tcp, 0 if it is none.
func portOf(address string) uint16 {
	_, port, _ := strings.Cut(address, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}
