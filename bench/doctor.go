package main

import (
	"context"
	"time"

	"fanbench/bench/internal/doctor"
	"fanbench/loadgen/scenario"
)

type doctorCommand struct {
	Scenarios []string `arg:"" optional:"" name:"scenario" help:"Names of the catalogue or files; none asks about the default ones."`
}

// sample is how long doctor watches the CPUs.
const sample = 500 * time.Millisecond

// Run examines the host. Nothing that could run is exit status 3.
func (c *doctorCommand) Run(a *app) error {
	all, err := read(c.Scenarios, false)
	if err != nil {
		return usage(err)
	}
	var asked []scenario.Scenario
	for _, d := range all {
		asked = append(asked, d.scenario)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-a.interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	host, err := doctor.ReadHost(ctx, sample)
	if err != nil {
		if ctx.Err() != nil {
			return failure{code: exitInterrupted}
		}
		return err
	}
	found := doctor.Examine(host, asked)
	if err := doctor.Print(a.stdout, found); err != nil {
		return err
	}
	if len(found.Runnable()) == 0 {
		return failure{code: exitUntrusted}
	}
	return nil
}
