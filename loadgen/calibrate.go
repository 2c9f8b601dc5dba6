package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fanbench/loadgen/internal/calibration"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/environment"
	"fanbench/loadgen/internal/nulltarget"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// calibrateCommand measures the generator against the null target.
type calibrateCommand struct {
	Out   string `placeholder:"FILE" help:"Keep the calibration here; default fanbench/calibration/ENVIRONMENT.json in the user's state folder."`
	Quick bool   `help:"Use few connections and publications: it shows that all works, and no calibration is kept without --out."`
	JSON  bool   `help:"Print the calibration as JSON."`
}

// Run carries the command out.
func (c *calibrateCommand) Run(s streams) error {
	host, err := os.Hostname()
	if err != nil {
		return noAnswer(fmt.Errorf("find the host's name: %w", err))
	}
	k := &calibration.Calibration{
		Time: time.Now().UTC().Truncate(time.Second), Host: host, Tool: tool(), Environment: environment.Read(os.DirFS("/")),
	}
	for _, one := range ceilings(c.Quick) {
		fmt.Fprintf(s.err, "loadgen: %s\n", one.setting)
		if err := one.measure(k, s); err != nil {
			return err
		}
	}
	for _, one := range cases(c.Quick) {
		fmt.Fprintf(s.err, "loadgen: injected delay %s, %v\n", one.name, one.asked.Phases.Measure)
		if err := one.measure(k, s); err != nil {
			return err
		}
	}
	if err := k.Judge(); err != nil {
		return noAnswer(err)
	}
	return c.finish(k, s)
}

// finish keeps and prints the calibration.
func (c *calibrateCommand) finish(k *calibration.Calibration, s streams) error {
	path, err := c.Out, error(nil)
	if path == "" && !c.Quick {
		path, err = calibration.Path(k.Environment)
	}
	if path != "" {
		err = calibration.Write(path, k)
	}
	if printed := c.print(k, s.out); printed != nil {
		return noAnswer(fmt.Errorf("print calibration: %w", printed))
	}
	if err != nil {
		return noAnswer(fmt.Errorf("--out %s: %w", path, err))
	}
	if path != "" {
		fmt.Fprintf(s.err, "loadgen: calibration in %s\n", path)
	}
	if !k.Trustworthy {
		return failure{exitNoAnswer, errors.New("")} // the report has said why
	}
	return nil
}

func (c *calibrateCommand) print(k *calibration.Calibration, w io.Writer) error {
	if !c.JSON {
		return calibration.Report(w, k)
	}
	b, err := calibration.Encode(k)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// ceiling is a run that shows what generator and null target reach together.
type ceiling struct {
	setting string
	target  nulltarget.Config
	asked   scenario.Scenario
	figures []figure
}

// figure is a metric of the run by the name that the calibration has for it.
type figure struct{ name, metric string }

func ceilings(quick bool) []ceiling {
	either := func(usual, quickly string) string {
		if quick {
			return quickly
		}
		return usual
	}
	flood, single, echoes := either("5000", "50"), either("1000", "20"), either("1000", "20")
	return []ceiling{
		{
			"flood of " + flood + " subscribers, the target batches", nulltarget.Config{Batch: true},
			workload("connections", flood, "rate", "1000/s", "phases.warm-up", "0s", "phases.measure", either("3s", "200ms"), "phases.drain", "30s",
				"latency-from", "sent", "require", "ledger"),
			[]figure{{"connections opened", "connections_per_second"}, {"deliveries", "deliveries_per_second"}, {"generator CPU per delivery", "generator.cpu_per_delivery_seconds"}},
		},
		{
			single + " subscribers, each delivery a write and a read", nulltarget.Config{},
			workload("connections", single, "rate", "20/s", "phases.warm-up", either("1s", "100ms"), "phases.measure", either("5s", "300ms"),
				"latency-from", "sent", "require", "ledger"),
			[]figure{{"generator CPU per delivery", "generator.cpu_per_delivery_seconds"},
				{"send lag p50", "send_lag.p50"}, {"send lag p99", "send_lag.p99"}, {"read lag p50", "read_lag.p50"}, {"read lag p99", "read_lag.p99"}},
		},
		{
			echoes + " connections in a closed loop", nulltarget.Config{},
			workload("workload", "echo", "connections", echoes, "phases.warm-up", either("500ms", "100ms"), "phases.measure", either("3s", "300ms"),
				"require", "ledger"),
			[]figure{{"round trips", "deliveries_per_second"}, {"generator CPU per round trip", "generator.cpu_per_delivery_seconds"}},
		},
	}
}

func (c ceiling) measure(k *calibration.Calibration, s streams) error {
	ran, err := runAgainst(c.target, c.asked, 1, s)
	if err != nil {
		return err
	}
	for _, f := range c.figures {
		if m, _, observed := ran.result.Metric(f.metric); observed {
			k.Ceilings = append(k.Ceilings, calibration.Ceiling{Name: f.name, Metric: m, Setting: c.setting})
		}
	}
	return nil
}

// injected is one way of being slow.
type injected struct {
	name   string
	target nulltarget.Config
	asked  scenario.Scenario
}

// cases are the injected delays: 11,000 publications of 100 publishers in turn,
// each to a room of 10. So many rooms keep the publications of one connection
// 50 ms apart: where the host pauses for longer than that, two of them wait in
// one receive buffer, the kernel keeps the stamp of the last alone, and the
// other's is a bound. At 5 ms apart such bounds were the p99.9 of busy hosts.
func cases(quick bool) []injected {
	measure, subscribers, rooms := "5.5s", "1000", "100"
	stall, at := time.Second, 4000
	if quick {
		measure, subscribers, rooms = "300ms", "20", "10"
		stall, at = 50*time.Millisecond, 200
	}
	asked := workload("connections", subscribers, "rooms", rooms, "publishers", rooms, "rate", "2000/s", "phases.warm-up", "0s", "phases.measure", measure, "require", "ledger")
	const fast, slow = 2 * time.Millisecond, 20 * time.Millisecond
	// Two publishers of ten are slow. The share keeps clear of the quantiles
	// that are compared: where a distribution jumps none is defined.
	mixed := []time.Duration{fast, fast, fast, fast, fast, fast, fast, fast, slow, slow}
	return []injected{
		{"none", nulltarget.Config{Record: true}, asked},
		{"constant, 5 ms", nulltarget.Config{Record: true, Delays: []time.Duration{5 * time.Millisecond}}, asked},
		{"bimodal, 2 and 20 ms", nulltarget.Config{Record: true, Delays: mixed}, asked},
		{fmt.Sprintf("one stall of %v", stall), nulltarget.Config{Record: true, Stall: stall, StallAt: at}, asked},
	}
}

func (i injected) measure(k *calibration.Calibration, s streams) error {
	ran, err := runAgainst(i.target, i.asked, 1, s)
	if err != nil {
		return err
	}
	encoded, found := ran.result.Histogram(engine.Delivery)
	if !found {
		return noAnswer(fmt.Errorf("injected delay %s: nothing was delivered", i.name))
	}
	measured, err := encoded.Decode()
	if err != nil {
		return noAnswer(err)
	}
	truth := calibration.Sorted(ran.report.Written, ran.epoch)
	l := ran.result.Ledger
	one := calibration.Case{Name: i.name, Publications: l.MeasuredSent, Deliveries: l.MeasuredDelivered}
	if m, _, observed := ran.result.Metric("stamps.exact_share"); observed {
		one.ExactShare = m.Value
	}
	for _, q := range result.Quantiles[:4] { // up to p99.9
		one.Quantiles = append(one.Quantiles, calibration.Compare(q.Name, calibration.Nearest(truth, q.Q), measured.Quantile(q.Q)))
	}
	if wrong := l.Lost + l.Duplicated + l.Reordered + l.Corrupt + l.Misrouted + l.Unsent; wrong > 0 || !l.GapsAgree {
		one.Faults = append(one.Faults, fmt.Sprintf("the ledger is not clean: %+v", l))
	}
	if int(measured.Count()) != len(truth) {
		one.Faults = append(one.Faults, fmt.Sprintf("the target wrote %d deliveries, the generator measured %d", len(truth), measured.Count()))
	}
	k.Cases = append(k.Cases, one)
	return nil
}

// calibrated notes this host's calibration in a result, if there is one.
func calibrated(r *result.Result) {
	host, err := os.Hostname()
	if err != nil {
		return // not to be told from other hosts: no calibration is known to be this one's
	}
	k, err := calibration.Find(r.Environment, host)
	if err != nil {
		r.Warnings = append(r.Warnings, result.Warning{Text: err.Error(), Remedy: "run loadgen calibrate anew"})
	}
	if k != nil {
		r.Calibration = &result.Calibration{ID: k.ID, Time: k.Time, Trustworthy: k.Trustworthy}
	}
}
