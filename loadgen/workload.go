package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"fanbench/loadgen/scenario"
)

// workloadFlags are the scenario and what overrides its keys. They are text:
// package scenario reads a flag's value as it reads a file's, so that both take
// the same units and give the same errors.
type workloadFlags struct {
	Scenario string `arg:"" optional:"" placeholder:"SCENARIO" help:"Scenario file (YAML)."`

	Workload    string `placeholder:"KIND" group:"Workload" help:"fanout, echo or connect."`
	Connections string `placeholder:"N" group:"Workload" help:"Subscribers (fanout) or all connections (echo, connect)."`
	Rooms       string `placeholder:"N" group:"Workload" help:"Rooms that the subscribers are spread over."`
	Membership  string `placeholder:"KIND" group:"Workload" help:"round-robin or zipf:EXPONENT: how subscribers fall to rooms."`
	Publishers  string `placeholder:"N" group:"Workload" help:"Publishing connections, a multiple of the rooms."`
	Rate        string `placeholder:"RATE" group:"Workload" help:"Publications per second over all publishers, such as 200/s; 0 with echo is a closed loop."`
	Arrivals    string `placeholder:"KIND" group:"Workload" help:"constant or poisson: how due times fall."`
	Size        string `placeholder:"SIZE" group:"Workload" help:"Payload of a publication, such as 128B or 4KiB."`
	Sizes       string `placeholder:"SIZE:WEIGHT,..." group:"Workload" help:"Draw each publication's size, such as 128B:70,1KiB:25,16KiB:5."`
	Payload     string `placeholder:"KIND" group:"Workload" help:"padding or json: what stands around the stamp."`
	Deflate     bool   `group:"Workload" help:"Offer permessage-deflate with every handshake."`
	Churn       string `placeholder:"RATE" group:"Workload" help:"Subscribers that leave and come back while measuring, such as 50/s."`
	Reconnect   string `placeholder:"DURATION" group:"Workload" help:"Connections that the target ends come back, after a back-off of at most so long."`
	Slow        string `placeholder:"SHARE" group:"Workload" help:"Share of the subscribers that read slowly, such as 1%."`
	SlowPace    string `placeholder:"RATE" group:"Workload" help:"How slowly, such as 1KiB/s; 0 is not at all."`
	Silent      string `placeholder:"SHARE" group:"Workload" help:"Share of the subscribers that neither read nor answer."`
	WarmUp      string `placeholder:"DURATION" group:"Workload" help:"Publish so long before measuring."`
	Duration    string `placeholder:"DURATION" group:"Workload" help:"Publish so long while measuring."`
	Drain       string `placeholder:"DURATION" group:"Workload" help:"Wait at most so long for outstanding deliveries."`
	Workers     string `placeholder:"N" group:"Workload" help:"Generator processes."`
	InFlight    string `placeholder:"N" group:"Workload" help:"Handshakes under way at once."`
	Timeout     string `placeholder:"DURATION" group:"Workload" help:"Of one connection's handshake."`
	LatencyFrom string `placeholder:"BASIS" group:"Workload" help:"due or sent: from when the reported delivery latency counts."`
	Require     string `placeholder:"GROUP,..." group:"Workload" help:"Metrics that must be valid for the run to be valid."`
	Allow       string `placeholder:"FAULT,..." group:"Workload" help:"Ledger faults that do not fail the run, such as lost."`
	SLO         string `name:"slo" placeholder:"CONDITION,..." group:"Workload" help:"What must hold for the run to be fine, such as 'delivery.p99 < 50ms'."`
	Toy         bool   `group:"Workload" help:"Use the scenario's toy parameters."`
	Seed        string `placeholder:"N" group:"Workload" default:"1" help:"Of everything random in the plan."`
}

// options are the flags that were given.
func (w *workloadFlags) options() []scenario.Option {
	var options []scenario.Option
	for _, f := range []struct{ flag, key, value string }{
		{"--workload", "workload", w.Workload},
		{"--connections", "connections", w.Connections},
		{"--rooms", "rooms", w.Rooms},
		{"--membership", "membership", w.Membership},
		{"--publishers", "publishers", w.Publishers},
		{"--rate", "rate", w.Rate},
		{"--arrivals", "arrivals", w.Arrivals},
		{"--size", "size", w.Size},
		{"--sizes", "sizes", w.Sizes},
		{"--payload", "payload", w.Payload},
		{"--churn", "churn.rate", w.Churn},
		{"--reconnect", "reconnect.most", w.Reconnect},
		{"--slow", "slow.share", w.Slow},
		{"--slow-pace", "slow.pace", w.SlowPace},
		{"--silent", "silent.share", w.Silent},
		{"--warm-up", "phases.warm-up", w.WarmUp},
		{"--duration", "phases.measure", w.Duration},
		{"--drain", "phases.drain", w.Drain},
		{"--workers", "workers", w.Workers},
		{"--in-flight", "phases.ramp.in-flight", w.InFlight},
		{"--timeout", "phases.ramp.timeout", w.Timeout},
		{"--latency-from", "latency-from", w.LatencyFrom},
		{"--require", "require", w.Require},
		{"--allow", "allow", w.Allow},
		{"--slo", "slo", w.SLO},
	} {
		if f.value != "" {
			options = append(options, scenario.Set(f.key, f.value, f.flag))
		}
	}
	if w.Deflate {
		options = append(options, scenario.Set("deflate", "true", "--deflate"))
	}
	if w.Toy {
		options = append(options, scenario.Toy())
	}
	return options
}

// read puts the scenario together. path, if there is one, is where all
// connections go instead of the scenario's own paths.
func (w *workloadFlags) read(path string) (scenario.Scenario, uint64, error) {
	seed, err := strconv.ParseUint(w.Seed, 10, 64)
	if err != nil {
		return scenario.Scenario{}, 0, usage(fmt.Errorf("--seed %s: want a whole number from 0 to 2^64-1", w.Seed))
	}
	if w.Toy && w.Scenario == "" {
		return scenario.Scenario{}, 0, usage(fmt.Errorf("--toy: there is no scenario whose toy parameters to use; give a scenario file"))
	}
	options := w.options()
	s, err := w.load(options)
	if err == nil && path != "" {
		options = append(options, scenario.Set("target.subscribe", path, "--url"))
		if s.Workload == scenario.Fanout {
			options = append(options, scenario.Set("target.publish", path, "--url"))
		}
		s, err = w.load(options)
	}
	if err != nil {
		return scenario.Scenario{}, 0, usage(once(err))
	}
	return s, seed, nil
}

// once leaves out what is said twice: --url stands for two keys.
func once(err error) error {
	var problems scenario.Problems
	if !errors.As(err, &problems) {
		return err
	}
	return slices.CompactFunc(slices.Clone(problems), func(a, b scenario.Problem) bool { return a.Error() == b.Error() })
}

func (w *workloadFlags) load(options []scenario.Option) (scenario.Scenario, error) {
	if w.Scenario == "" {
		return scenario.New(options...)
	}
	return scenario.Load(w.Scenario, options...)
}
