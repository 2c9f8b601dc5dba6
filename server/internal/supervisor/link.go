package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// The two pipes between a supervisor and a worker:
//
//	standard input   supervisor to worker: one JSON line, the hello; then nothing until the end of the file, which comes
//	                 when the supervisor ends in whatever way, and ends the worker: no orphan outlives a crash
//	descriptor 3     worker to supervisor: one JSON line, the Report, once the worker is ready
const reportDescriptor = 3

// Report is what a worker says when it is ready.
type Report struct {
	Admin string `json:"admin"` // its admin address, host:port
}

// child is the supervisor's hold on one worker process.
type child struct {
	cmd    *exec.Cmd
	hello  *os.File // writing end
	report *os.File // reading end
	theirs []*os.File
}

func (c *child) pipes() error {
	helloRead, helloWrite, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("open pipe to worker: %w", err)
	}
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		helloRead.Close()
		helloWrite.Close()
		return fmt.Errorf("open pipe from worker: %w", err)
	}
	c.hello, c.report = helloWrite, reportRead
	c.theirs = []*os.File{helloRead, reportWrite}
	c.cmd.Stdin, c.cmd.ExtraFiles = helloRead, []*os.File{reportWrite}
	return nil
}

// start starts the process. The worker's ends of the pipes are its alone from then on, so that their end is seen here.
func (c *child) start() error {
	err := c.cmd.Start()
	c.closeTheirs()
	if err != nil {
		return fmt.Errorf("start process: %w", err)
	}
	return nil
}

// greet writes the hello. A worker that ended before it read it is noticed by its missing report.
func (c *child) greet(hello []byte) { c.hello.Write(append(hello, '\n')) }

func (c *child) closeTheirs() {
	for _, f := range c.theirs {
		f.Close()
	}
	c.theirs = nil
}

func (c *child) close() {
	c.closeTheirs()
	c.hello.Close()
	c.report.Close()
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// ErrNoSupervisor says that this process was not started by a supervisor.
var ErrNoSupervisor = errors.New("no supervisor at the other end")

// Link is a worker's hold on its supervisor.
type Link struct {
	report   *os.File
	orphaned chan struct{}
}

// Attach reads the supervisor's hello, as JSON, into hello. It is to be called once, at the start of a worker process.
func Attach(hello any) (*Link, error) {
	report := os.NewFile(reportDescriptor, "report")
	info, err := report.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return nil, ErrNoSupervisor
	}
	syscall.CloseOnExec(reportDescriptor)
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(hello); err != nil {
		return nil, fmt.Errorf("read hello: %w", err)
	}
	link := &Link{report, make(chan struct{})}
	go func() {
		defer close(link.orphaned)
		io.Copy(io.Discard, io.MultiReader(in.Buffered(), os.Stdin))
	}()
	return link, nil
}

// Ready tells the supervisor that this worker serves.
func (l *Link) Ready(r Report) error {
	defer l.report.Close()
	if err := json.NewEncoder(l.report).Encode(r); err != nil {
		return fmt.Errorf("report to supervisor: %w", err)
	}
	return nil
}

// Orphaned is closed when the supervisor has ended.
func (l *Link) Orphaned() <-chan struct{} { return l.orphaned }
