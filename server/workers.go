package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"fanbench/server/internal/admin"
	"fanbench/server/internal/backplane"
	"fanbench/server/internal/supervisor"
)

// drainGrace is what a worker gets beyond --drain before it is killed.
const drainGrace = 2 * time.Second

// serveWithWorkers serves by several processes on one port, under this one, until a signal.
func serveWithWorkers(o options, stderr io.Writer, log *slog.Logger, signals <-chan os.Signal) (int, error) {
	limit, err := raiseDescriptors(log)
	if err != nil {
		return exitNoServe, err
	}
	if o.Listen, err = claim(o.Listen); err != nil {
		return exitNoServe, err
	}
	broker, err := backplane.StartBroker(int(o.MaxMessage), log)
	if err != nil {
		return exitNoServe, err
	}
	defer broker.Close()
	workers, err := startWorkers(o, broker.Address(), stderr, log)
	if err != nil {
		return exitNoServe, err
	}
	var state phase
	front, err := admin.Start(admin.Config{
		Listen: o.Admin, Log: log, Workers: workers.Workers,
		Metrics: admin.NewRegistry(version, admin.WorkerMetrics(workers.Workers), admin.LogMetrics(lostLines.Load)),
		Ready: func() error {
			if err := state.ready(); err != nil {
				return err
			}
			if !workers.Ready() {
				return errors.New("a worker is not ready")
			}
			return nil
		},
	})
	if err != nil {
		workers.Kill()
		return exitNoServe, startAdminError(err)
	}
	defer front.Close()
	state.set(nil)
	logServing(log, o, front.Addr(), limit)
	code := drainUnlessSignalled(<-signals, signals, log, func() error {
		state.set(errDraining)
		ctx, cancel := context.WithTimeout(context.Background(), o.Drain+drainGrace)
		defer cancel()
		return workers.Stop(ctx)
	})
	workers.Kill() // none is left but after a second signal
	return code, nil
}

func startWorkers(o options, broker backplane.Address, stderr io.Writer, log *slog.Logger) (*supervisor.Supervisor, error) {
	own := o
	own.Admin = "127.0.0.1:0"
	return supervisor.Start(supervisor.Config{
		Workers: o.Workers,
		Command: func(int) *exec.Cmd {
			// This very program, though its file may have been replaced since: workers of two builds must not meet.
			return &exec.Cmd{Path: "/proc/self/exe", Args: []string{os.Args[0], workerCommand}, Stderr: stderr}
		},
		Hello: func(i int) any { return hello{i, own, broker} },
		Log:   log,
	})
}
