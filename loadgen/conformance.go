package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/signal"
	"strings"
	"time"

	"fanbench/loadgen/internal/conformance"
	"fanbench/loadgen/internal/preflight"
	"fanbench/loadgen/scenario"
)

// conformanceCommand lets a test suite's server judge loadgen's connections.
type conformanceCommand struct {
	URL        string        `placeholder:"URL" group:"Conformance" help:"The suite's server: ws://host:port with an optional path."`
	Agent      string        `placeholder:"NAME" group:"Conformance" default:"fanbench-loadgen" help:"The name under which the server reports; default ${default}."`
	Cases      string        `placeholder:"N-M,..." group:"Conformance" help:"Numbers of the cases to run; default all."`
	Timeout    time.Duration `placeholder:"DURATION" group:"Conformance" default:"10m" help:"Of one case; default ${default}."`
	MaxMessage scenario.Size `placeholder:"SIZE" group:"Conformance" default:"16MiB" help:"Largest message that is accepted; default ${default}."`
}

// Run carries the command out.
func (c *conformanceCommand) Run(s streams) error {
	config, err := c.prepare()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), interrupts()...)
	defer stop()
	selected, ran, err := conformance.Run(ctx, config, func(one conformance.Case) { fmt.Fprintln(s.out, one) })
	switch {
	case errors.Is(err, context.Canceled):
		return failure{exitInterrupted, fmt.Errorf("interrupted after %d of %d cases", ran, selected)}
	case errors.Is(err, conformance.ErrSelection):
		return usage(fmt.Errorf("--cases %s: %w", c.Cases, err))
	case err != nil:
		return noAnswer(fmt.Errorf("--url %s: %w", c.URL, err))
	}
	fmt.Fprintf(s.out, "%d of %d cases were played to their end; the suite's server has the reports of %s\n", ran, selected, c.Agent)
	if ran < selected {
		return noAnswer(fmt.Errorf("%d of %d cases were not played to their end", selected-ran, selected))
	}
	return nil
}

// prepare checks the flags and looks the server up.
func (c *conformanceCommand) prepare() (conformance.Config, error) {
	var none conformance.Config
	t, err := parseTarget(c.URL)
	if err != nil {
		return none, usage(err)
	}
	if t.secure {
		return none, usage(fmt.Errorf("--url %s: a suite's server is spoken to without TLS; want ws://host:port", c.URL))
	}
	if strings.Contains(t.path, "?") {
		return none, usage(fmt.Errorf("--url %s: the suite's paths bring their own query; leave out ? and what follows", c.URL))
	}
	cases, err := conformance.ParseSelection(c.Cases)
	if err != nil {
		return none, usage(fmt.Errorf("--cases %s: %w", c.Cases, err))
	}
	if c.Timeout <= 0 {
		return none, usage(fmt.Errorf("--timeout %v: want a duration above 0, such as 1m", c.Timeout))
	}
	if c.MaxMessage < 1 {
		return none, usage(fmt.Errorf("--max-message %v: want 1B or more", c.MaxMessage))
	}
	if err := preflight.RaiseDescriptors(); err != nil {
		return none, noAnswer(err)
	}
	address, err := t.resolve(context.Background(), net.DefaultResolver)
	if err != nil {
		return none, noAnswer(err)
	}
	return conformance.Config{
		Address: address, Host: t.host, Prefix: strings.TrimSuffix(t.path, "/"),
		Agent: c.Agent, Cases: cases, Timeout: c.Timeout, MaxMessage: int64(c.MaxMessage),
	}, nil
}
