package nulltarget

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"syscall"
	"time"
)

// greeting is a process's first line: where it listens.
type greeting struct {
	Address netip.AddrPort `json:"address"`
}

// Serve is a target that is a process of its own: the Config comes first on
// in, as JSON; the end of in ends the target, whose Report is then written to
// out.
func Serve(in io.Reader, out io.Writer) error {
	var c Config
	decoder := json.NewDecoder(in)
	if err := decoder.Decode(&c); err != nil {
		return fmt.Errorf("read null target's configuration: %w", err)
	}
	t, err := Start(c)
	if err != nil {
		return err
	}
	answer := json.NewEncoder(out)
	told := answer.Encode(greeting{t.Address()})
	if told == nil {
		_, told = io.Copy(io.Discard, in)
	}
	report, err := t.Stop()
	if err := errors.Join(told, err); err != nil {
		return err
	}
	return answer.Encode(report)
}

// Process is a target in a process of its own, so that its CPU time is apart.
type Process struct {
	Address netip.AddrPort
	PID     int

	process *exec.Cmd
	in      io.Closer
	answers *json.Decoder
}

// Launch starts a command that calls [Serve] on its standard streams.
func Launch(c Config, command string, arguments ...string) (*Process, error) {
	process := exec.Command(command, arguments...)
	// A group of its own: the terminal's interrupt is for the command that
	// started it.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := process.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("launch null target: %w", err)
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("launch null target: %w", err)
	}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("launch null target: %w", err)
	}
	p := &Process{PID: process.Process.Pid, process: process, in: in, answers: json.NewDecoder(out)}
	var hello greeting
	err = json.NewEncoder(in).Encode(c)
	if err == nil {
		err = p.answers.Decode(&hello)
	}
	if err != nil {
		_, ended := p.Stop()
		return nil, fmt.Errorf("launch null target: %w", errors.Join(err, ended))
	}
	p.Address = hello.Address
	return p, nil
}

// orderly is how long a process may take to close its connections and report.
const orderly = 10 * time.Second

// Stop ends the process and returns its report.
func (p *Process) Stop() (Report, error) {
	var report Report
	_ = p.in.Close() // it may have ended by itself
	timer := time.AfterFunc(orderly, func() { _ = p.process.Process.Kill() })
	defer timer.Stop()
	err := p.answers.Decode(&report)
	if ended := p.process.Wait(); ended != nil {
		err = errors.Join(err, ended)
	}
	if err != nil {
		return Report{}, fmt.Errorf("end null target: %w", err)
	}
	return report, nil
}
