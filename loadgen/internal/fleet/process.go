package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"fanbench/loadgen/internal/control"
)

// orderly is how long a worker process may take to end after its link was
// closed: it closes its connections first.
const orderly = 10 * time.Second

// Start runs n worker processes, each the same command, and speaks to them over
// their standard streams. What a worker prints on standard error is kept and
// becomes part of the error if it is lost.
func Start(patience time.Duration, n int, command string, arguments ...string) (*Fleet, error) {
	f := &Fleet{patience: patience}
	for i := range n {
		w, err := start(command, arguments)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start worker %d: %w", i, err), f.Stop())
		}
		f.workers = append(f.workers, w)
	}
	return f, f.greet()
}

func start(command string, arguments []string) (*worker, error) {
	process := exec.Command(command, arguments...)
	// A group of its own: the terminal's interrupt is for the coordinator, which
	// ends its workers in order.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said := &tail{}
	process.Stderr = said
	in, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	kill := func() { _ = process.Process.Kill() } // fails only if it has ended
	return &worker{
		link: control.NewLines(out, in),
		kill: kill,
		end: func(force bool) error {
			_ = in.Close() // it may be closed already
			patience := orderly
			if force {
				// It may be ending by itself, and then says how.
				patience = time.Second
			}
			timer := time.AfterFunc(patience, kill)
			defer timer.Stop()
			_, _ = io.Copy(io.Discard, out) // Wait closes the pipe under a reader
			return said.explain(process.Wait())
		},
	}, nil
}

// tail keeps the end of what a process prints.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - tailBytes; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(p), nil
}

// explain adds the first line that was kept, where a panic or error message
// begins, to how a process ended.
func (t *tail) explain(ended error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, _, _ := bytes.Cut(bytes.TrimSpace(t.kept), []byte("\n"))
	if ended == nil || len(first) == 0 {
		return ended
	}
	return fmt.Errorf("%w: %s", ended, strings.TrimSpace(string(first)))
}
