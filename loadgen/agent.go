package main

import (
	"io"

	"fanbench/loadgen/internal/control"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/preflight"
	"fanbench/loadgen/internal/worker"
)

// agentCommand is a worker process of a run. It is started by the coordinator
// and ends when its standard input does, whatever became of the coordinator.
type agentCommand struct{}

// Run serves the coordinator.
func (agentCommand) Run(s streams) error {
	if err := preflight.RaiseDescriptors(); err != nil {
		return err
	}
	return worker.Serve(control.NewLines(io.NopCloser(s.in), nopCloser{s.out}), func(c engine.Config) (worker.Engine, error) {
		return engine.New(c)
	})
}

// nopCloser leaves standard output open: the end of the process closes it.
type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
