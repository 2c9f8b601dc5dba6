package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit statuses; see the manual in main.go.
const (
	exitFine    = 0
	exitUsage   = 2
	exitNoServe = 3
	exitSignal  = 128 // plus the signal's number
)

// gcPercent is the garbage collector's target unless GOGC is set. Resident bytes per idle connection, 18,000 of them: 632 at
// 10, 661 at 25, 680 at 50, 755 at Go's default of 100. Below 50 the memory hardly shrinks while collections, which only new
// connections and the rooms' logs cause, double.
const gcPercent = 50

// run is the program: it reads args, serves until a signal and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if len(args) == 1 && args[0] == workerCommand {
		return runWorker(stderr)
	}
	o, code, done := parse(args, stdout, stderr)
	if done {
		return code
	}
	log := newLog(stderr, o.level())
	if err := reschedule(); err != nil {
		log.Warn("threads keep their turns on the CPU and their timers", "error", err)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	serve := serveAlone
	if o.Workers > 1 {
		serve = serveWithWorkers
	}
	code, err := serve(o, stderr, log, signals)
	if err != nil {
		log.Error("could not serve", "error", err)
	}
	return code
}

// phase says whether connections are accepted; the admin's readiness.
type phase struct{ reason atomic.Pointer[error] }

var (
	errStarting = errors.New("starting")
	errDraining = errors.New("draining")
)

// set makes reason the answer to whether connections are accepted; nil means yes.
func (p *phase) set(reason error) { p.reason.Store(&reason) }

func (p *phase) ready() error {
	if reason := p.reason.Load(); reason != nil {
		return *reason
	}
	return errStarting
}

// drainUnlessSignalled runs drain, and returns early with the second signal's exit status if one comes.
func drainUnlessSignalled(first os.Signal, signals <-chan os.Signal, log *slog.Logger, drain func() error) int {
	log.Info("draining", "signal", first)
	drained := make(chan error, 1)
	go func() { drained <- drain() }()
	select {
	case err := <-drained:
		if err != nil {
			log.Warn("drained in part", "error", err)
		}
		log.Info("stopped")
		return exitFine
	case second := <-signals:
		log.Warn("stopped without draining", "signal", second)
		return exitSignal + int(second.(syscall.Signal))
	}
}

// claim makes sure that nobody listens on the address and returns it with the port, which may have been 0, filled in. The
// workers and loops that share the port would otherwise share it silently with another server's.
func claim(address string) (string, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", fmt.Errorf("listen on %s: the address is in use: end the program that has it, or choose another --listen", address)
	}
	if err != nil {
		return "", fmt.Errorf("listen on --listen address: %w", err)
	}
	defer listener.Close()
	host, _, err := net.SplitHostPort(address) // as it was given: Go's name for 0.0.0.0 is [::], which the gateway takes for IPv6 only
	if err != nil {
		return "", fmt.Errorf("read --listen address: %w", err)
	}
	return net.JoinHostPort(host, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)), nil
}

func startAdminError(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: end the program that has it, or choose another --admin", err)
	}
	return err
}

// descriptors are what one process may open.
type descriptors struct{ soft, hard uint64 }

// raiseDescriptors raises the soft limit to the hard one. Where that is refused, the server serves with what it has.
func raiseDescriptors(log *slog.Logger) (descriptors, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return descriptors{}, fmt.Errorf("read descriptor limit: %w", err)
	}
	if limit.Cur < limit.Max {
		raised := unix.Rlimit{Cur: limit.Max, Max: limit.Max}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
			log.Warn("descriptor limit stays", "soft", limit.Cur, "hard", limit.Max, "error", err)
		} else {
			limit = raised
		}
	}
	return descriptors{limit.Cur, limit.Max}, nil
}

// What a process opens for itself or keeps free, counted generously: 32 spare ones, admin, links; and for each loop its listeners,
// epoll, eventfd, yield token, ring and a descriptor in reserve.
const (
	ownDescriptors     = 64
	perLoopDescriptors = 10
)

// connections is how many of them are left for connections.
func (d descriptors) connections(o options) uint64 {
	own := ownDescriptors + perLoopDescriptors*uint64(o.loops())
	return uint64(o.Workers) * (d.soft - min(own, d.soft))
}
