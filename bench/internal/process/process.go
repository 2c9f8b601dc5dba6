// Package process starts a child process, waits for it and ends it: by its own
// process id, with a bound on every wait, leaving nothing behind.
//
// It does not know what the child does; package trial does.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec says what to start.
type Spec struct {
	Path   string
	Args   []string // without the program's name
	Stdout io.Writer
	Stderr io.Writer
	Dir    string   // where it runs; "" for here
	Env    []string // besides this process's
	// CPUs that the child and its children may run on; nil leaves it to the
	// kernel.
	CPUs []int
	// Group: signals go to the child's whole process group, and what is left of
	// that is killed when the child has ended. For a shell, which passes no
	// signal on to what it runs.
	Group bool
}

// Process is a started child. It leads a process group of its own, so that a
// Ctrl-C on the terminal reaches it only if it is passed on, and so that its
// own children can be ended with it.
type Process struct {
	pid   int
	group bool
	done  chan struct{}
	err   error // of Wait; readable once done is closed
	code  int
}

// Start starts the child. The child also receives SIGTERM if this process dies
// without stopping it.
func Start(s Spec) (*Process, error) {
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = s.Stdout, s.Stderr, s.Dir
	if len(s.Env) > 0 {
		cmd.Env = append(os.Environ(), s.Env...)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	// A grandchild that outlives the child may hold its pipes open.
	cmd.WaitDelay = time.Second

	p := &Process{group: s.Group, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Pdeathsig fires when the starting thread ends, not the process:
		// hold the thread for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := startOn(cmd, s.CPUs); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		if p.group {
			p.endGroup()
		}
		p.err = cmd.Wait()
		p.code = exitCode(cmd.ProcessState)
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	return p, nil
}

// startOn starts a command on these CPUs: a child inherits the affinity of the
// thread that forks it, which the caller has locked.
func startOn(cmd *exec.Cmd, cpus []int) error {
	if cpus == nil {
		return cmd.Start()
	}
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("read CPU affinity: %w", err)
	}
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("set CPU affinity to %v: %w", cpus, err)
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}

// endGroup waits for the child's end and kills what is left of its group. The
// child is not reaped yet, so the group's id cannot be another's.
func (p *Process) endGroup() {
	for unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	// Its members may all have ended.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
}

// PID is the child's process id.
func (p *Process) PID() int { return p.pid }

// Done is closed when the child has ended and was reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode is the child's exit status, 128 + n if signal n ended it. It is
// meaningful once Done is closed.
func (p *Process) ExitCode() int { return p.code }

// Ended reports whether the child has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal passes a signal to the child, or its group; a child that has ended is
// left alone.
func (p *Process) Signal(s os.Signal) {
	if n, ok := s.(syscall.Signal); ok && !p.Ended() {
		to := p.pid
		if p.group {
			to = -p.pid
		}
		// It may end between the check and the call; then there is nobody to tell.
		_ = syscall.Kill(to, n)
	}
}

// Stop asks the child to end with SIGTERM, waits up to patience, then kills the
// child and its process group. It returns an error only if force was needed.
func (p *Process) Stop(patience time.Duration) error {
	if p.Ended() {
		return nil
	}
	p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	// The child is not reaped yet, so the group's id cannot be another's.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.done
	return fmt.Errorf("stop process %d: still running %v after SIGTERM, killed", p.pid, patience)
}

func exitCode(s *os.ProcessState) int {
	if s == nil {
		return -1
	}
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return s.ExitCode()
}
