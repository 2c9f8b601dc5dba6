// Package supervisor keeps a server's worker processes alive: it starts them, learns when they are ready, starts a dead one
// again and ends them all. It knows processes, pipes and signals; what a worker does, and what it is told at its start, is
// its caller's. The worker's end of the pipes is in link.go.
package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says what to keep alive. Zero durations take the defaults that stand beside them.
type Config struct {
	Workers int
	// Command returns the worker's command, not yet started. The supervisor takes its standard input and descriptor 3.
	Command func(worker int) *exec.Cmd
	// Hello returns what the worker is told, to be encoded as JSON.
	Hello func(worker int) any

	StartTimeout time.Duration // a worker that is not ready by then is killed: 10s
	MinBackoff   time.Duration // wait before a dead worker's first restart, doubled at each further one: 100ms
	MaxBackoff   time.Duration // and at most: 5s
	Settled      time.Duration // a worker that lived as long starts again at MinBackoff: 10s
	Log          *slog.Logger
}

// Worker is a snapshot of one worker process.
type Worker struct {
	Index    int
	PID      int    // 0 while it is not running
	Ready    bool   // it said so and has not ended since
	Admin    string // its admin address, host:port; empty until ready
	Restarts int    // times that it was started again
}

// Supervisor holds the worker processes. Its methods may be called from any goroutine.
type Supervisor struct {
	config   Config
	stopping chan struct{} // closed when no worker is to be started any more
	stopOnce sync.Once
	ended    sync.WaitGroup

	mu      sync.Mutex
	workers []Worker
	process []*os.Process // nil while not running
}

// Start starts all workers and returns when each is ready. If one is not, all are ended and the error says why.
func Start(config Config) (*Supervisor, error) {
	setDefault(&config.StartTimeout, 10*time.Second)
	setDefault(&config.MinBackoff, 100*time.Millisecond)
	setDefault(&config.MaxBackoff, 5*time.Second)
	setDefault(&config.Settled, 10*time.Second)
	s := &Supervisor{
		config: config, stopping: make(chan struct{}),
		workers: make([]Worker, config.Workers), process: make([]*os.Process, config.Workers),
	}
	var first errgroup.Group
	for i := range s.workers {
		s.workers[i].Index = i
		started := make(chan error, 1)
		s.ended.Go(func() { s.keepAlive(i, started) })
		first.Go(func() error { return <-started })
	}
	if err := first.Wait(); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Workers returns a snapshot of every worker.
func (s *Supervisor) Workers() []Worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Worker(nil), s.workers...)
}

// Ready says whether every worker is.
func (s *Supervisor) Ready() bool {
	for _, w := range s.Workers() {
		if !w.Ready {
			return false
		}
	}
	return true
}

// Stop sends SIGTERM to the workers and waits until they have ended. Those that have not when ctx ends are killed, and
// the error counts them.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.stop()
	s.signal(syscall.SIGTERM)
	gone := make(chan struct{})
	go func() { s.ended.Wait(); close(gone) }()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	killed := s.signal(os.Kill)
	<-gone
	if killed > 0 {
		return fmt.Errorf("stop workers: %d of %d had to be killed", killed, len(s.workers))
	}
	return nil
}

// Kill ends the workers at once and waits until they have.
func (s *Supervisor) Kill() {
	s.stop()
	s.signal(os.Kill)
	s.ended.Wait()
}

func (s *Supervisor) stop() { s.stopOnce.Do(func() { close(s.stopping) }) }

func (s *Supervisor) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

func (s *Supervisor) signal(sig os.Signal) (reached int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.process {
		if p != nil && p.Signal(sig) == nil {
			reached++
		}
	}
	return reached
}

// keepAlive runs worker i again and again until the supervisor stops. What came of the first start goes to started; a
// worker that never was ready is not started again, since its reason will not go away.
func (s *Supervisor) keepAlive(i int, started chan<- error) {
	backoff := s.config.MinBackoff
	for first := true; ; first = false {
		born := time.Now()
		ready := func() {
			if first {
				started <- nil
			}
		}
		err := s.runOnce(i, ready)
		wasReady := s.down(i)
		if first && !wasReady {
			started <- fmt.Errorf("start worker %d: %w", i, err)
			return
		}
		if s.isStopping() {
			return
		}
		if time.Since(born) >= s.config.Settled {
			backoff = s.config.MinBackoff
		}
		s.config.Log.Error("worker ended, starting it again", "worker", i, "cause", err, "after", backoff)
		select {
		case <-time.After(backoff):
		case <-s.stopping:
			return
		}
		backoff = min(2*backoff, s.config.MaxBackoff)
		s.mu.Lock()
		s.workers[i].Restarts++
		s.mu.Unlock()
	}
}

// runOnce starts worker i, calls ready when it is, and returns why it ended.
func (s *Supervisor) runOnce(i int, ready func()) error {
	child, err := s.spawn(i)
	if err != nil {
		return err
	}
	defer child.close()
	readErr := s.awaitReady(i, child, ready)
	if readErr != nil && !errors.Is(readErr, errEndedEarly) {
		child.cmd.Process.Kill()
	}
	exit := child.cmd.Wait()
	if readErr != nil && !errors.Is(readErr, errEndedEarly) {
		return readErr
	}
	if exit == nil {
		return errors.New("it exited with status 0, unasked")
	}
	return exit
}

// spawn starts worker i and tells it what it is.
func (s *Supervisor) spawn(i int) (*child, error) {
	hello, err := json.Marshal(s.config.Hello(i))
	if err != nil {
		return nil, fmt.Errorf("encode hello: %w", err)
	}
	c := &child{cmd: s.config.Command(i)}
	if err := c.pipes(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopping() { // asked under the lock: a signal sent after the stop finds either this process or none
		c.close()
		return nil, errors.New("supervisor is stopping")
	}
	if err := c.start(); err != nil {
		c.close()
		return nil, err
	}
	s.process[i] = c.cmd.Process
	s.workers[i].PID = c.cmd.Process.Pid
	go c.greet(hello)
	return c, nil
}

var errEndedEarly = errors.New("worker ended before it was ready")

func (s *Supervisor) awaitReady(i int, c *child, ready func()) error {
	c.report.SetReadDeadline(time.Now().Add(s.config.StartTimeout))
	var report Report
	switch err := json.NewDecoder(c.report).Decode(&report); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("not ready after %v", s.config.StartTimeout)
	case isEnd(err):
		return errEndedEarly
	case err != nil:
		return fmt.Errorf("read report: %w", err)
	}
	s.mu.Lock()
	s.workers[i].Ready, s.workers[i].Admin = true, report.Admin
	s.mu.Unlock()
	ready()
	return nil
}

// down takes note that worker i does not run, and says whether it had been ready.
func (s *Supervisor) down(i int) (wasReady bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wasReady = s.workers[i].Ready
	s.process[i] = nil
	s.workers[i].PID, s.workers[i].Ready, s.workers[i].Admin = 0, false, ""
	return wasReady
}
