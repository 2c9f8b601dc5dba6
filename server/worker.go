package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"fanbench/server/internal/admin"
	"fanbench/server/internal/backplane"
	"fanbench/server/internal/gateway"
	"fanbench/server/internal/supervisor"
)

// workerCommand is the argument with which the supervisor starts this program again; not for the command line.
const workerCommand = "worker"

// hello is what a supervisor tells its worker.
type hello struct {
	Worker    int               `json:"worker"`
	Options   options           `json:"options"` // with Listen and Admin resolved for this worker
	Backplane backplane.Address `json:"backplane"`
}

// worker is a gateway and its admin: the whole of a server that runs alone, and each process of one that does not.
type worker struct {
	phase   phase
	gateway *gateway.Gateway
	admin   *admin.Server
	link    *backplane.Link // nil when alone
}

// startWorker serves as o says; to is the other workers' broker, or nil when there are none.
func startWorker(o options, name string, to *backplane.Address, log *slog.Logger) (_ *worker, err error) {
	w := &worker{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	serving := make(chan struct{})
	config, err := o.gateway()
	if err != nil {
		return nil, err
	}
	config.Log = log
	collectors := []prometheus.Collector{
		admin.GatewayMetrics(func() gateway.Stats { return w.gateway.Stats() }), admin.LogMetrics(lostLines.Load),
	}
	if to != nil {
		w.link, err = backplane.Connect(*to, name, func(room string, op ws.OpCode, payload []byte) {
			<-serving // the link comes first, so that no connection's publication misses it
			w.gateway.Publish(room, op, payload)
		}, log)
		if err != nil {
			return nil, err
		}
		config.Forward = func(room string, op ws.OpCode, payload []byte) {
			w.link.Publish(room, op, payload) // a failure is counted and logged there; nobody here could do more
		}
		collectors = append(collectors, admin.BackplaneMetrics(w.link.Stats))
	}
	if w.gateway, err = gateway.Start(config); err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	close(serving)
	w.admin, err = admin.Start(admin.Config{
		Listen: o.Admin, Ready: w.phase.ready, Metrics: admin.NewRegistry(version, collectors...), Log: log,
	})
	if err != nil {
		return nil, startAdminError(err)
	}
	w.phase.set(nil)
	return w, nil
}

// drain closes the connections with 1001, spread over four fifths of the timeout, waits for their answers and stops.
func (w *worker) drain(timeout time.Duration) error {
	w.phase.set(errDraining)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := w.gateway.Drain(ctx, timeout/5*4)
	w.unlink()
	return err
}

// close ends at once what has been started.
func (w *worker) close() {
	if w.gateway != nil {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		w.gateway.Drain(now, 0)
	}
	w.unlink()
}

// unlink ends what surrounds the gateway: the way to the other workers, and the operator's.
func (w *worker) unlink() {
	if w.link != nil {
		w.link.Close()
	}
	if w.admin != nil {
		w.admin.Close()
	}
}

// serveAlone serves in this process until a signal.
func serveAlone(o options, _ io.Writer, log *slog.Logger, signals <-chan os.Signal) (int, error) {
	limit, err := raiseDescriptors(log)
	if err != nil {
		return exitNoServe, err
	}
	if o.Listen, err = claim(o.Listen); err != nil {
		return exitNoServe, err
	}
	oneProcessorPerLoop(o.loops())
	w, err := startWorker(o, "alone", nil, log)
	if err != nil {
		return exitNoServe, err
	}
	logServing(log, o, w.admin.Addr(), limit)
	select {
	case signal := <-signals:
		return drainUnlessSignalled(signal, signals, log, func() error { return w.drain(o.Drain) }), nil
	case err := <-w.gateway.Done():
		w.close()
		return exitNoServe, fmt.Errorf("gateway ended unasked: %w", err)
	}
}

func logServing(log *slog.Logger, o options, admin string, limit descriptors) {
	if limit.connections(o) == 0 {
		log.Warn("hardly any descriptors are left for connections: raise the limit, as by ulimit -n", "descriptors", limit.soft)
	}
	log.Info("serving", "listen", o.Listen, "admin", admin, "workers", o.Workers, "loops", o.loops(),
		"descriptors", limit.soft, "hard_limit", limit.hard, "connections", limit.connections(o), "version", version)
}

// runWorker is a worker process: it serves until its supervisor says otherwise, or is gone.
func runWorker(stderr io.Writer) int {
	signal.Ignore(syscall.SIGINT) // a terminal sends it to the supervisor too, which drains by SIGTERM
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	var h hello
	link, err := supervisor.Attach(&h)
	if errors.Is(err, supervisor.ErrNoSupervisor) {
		fmt.Fprintf(stderr, "server: %s: the supervisor starts its workers itself: use --workers\n", workerCommand)
		return exitUsage
	}
	log := newLog(stderr, h.Options.level()).With("worker", h.Worker)
	if err == nil {
		err = superviseWorker(h, link, terminate, log)
	}
	if err != nil {
		log.Error("worker ended", "error", err)
		return exitNoServe
	}
	return exitFine
}

func superviseWorker(h hello, link *supervisor.Link, terminate <-chan os.Signal, log *slog.Logger) error {
	if _, err := raiseDescriptors(log); err != nil {
		return err
	}
	w, err := startWorker(h.Options.share(h.Worker), fmt.Sprintf("worker %d", h.Worker), &h.Backplane, log)
	if err != nil {
		return err
	}
	if err := link.Ready(supervisor.Report{Admin: w.admin.Addr()}); err != nil {
		return err
	}
	log.Debug("worker serving", "admin", w.admin.Addr())
	select {
	case <-terminate:
	case <-link.Orphaned():
		return errors.New("the supervisor is gone")
	case err := <-w.gateway.Done():
		return fmt.Errorf("gateway ended unasked: %w", err)
	}
	drained := make(chan error, 1)
	go func() { drained <- w.drain(h.Options.Drain) }()
	select {
	case err := <-drained:
		if err != nil {
			log.Warn("drained in part", "error", err)
		}
		return nil
	case <-link.Orphaned():
		return errors.New("the supervisor is gone")
	}
}
