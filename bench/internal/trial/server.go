package trial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"fanbench/bench/internal/process"
	"fanbench/loadgen/scenario"
)

const (
	// readyPatience bounds the wait for /readyz, supervisor and workers included.
	readyPatience = 15 * time.Second
	// stopPatience bounds the wait after SIGTERM; a little above the drain that
	// the server is started with.
	stopPatience = 10 * time.Second
	drain        = 3 * time.Second
	// poll is how often readiness is asked for.
	poll = 20 * time.Millisecond
	// tailLines of a dead server's log are shown.
	tailLines = 8
)

// server is a started target.
type server struct {
	*process.Process
	url     string
	probe   string // what answers once it is ready: a URL, or host:port
	command []string
	log     string // path
}

// startServer starts the program on free loopback ports and waits until it
// accepts connections.
func startServer(ctx context.Context, t Target, s scenario.Server, log string, patience time.Duration, cpus []int) (*server, error) {
	addresses, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	f, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("create server log: %w", err)
	}
	defer f.Close() // the child holds its own descriptor
	srv := &server{url: "ws://" + addresses[0], probe: "http://" + addresses[1] + "/readyz", log: log}
	spec := process.Spec{Path: t.Program, Args: t.arguments(addresses[0], addresses[1], s), Stdout: f, Stderr: f, CPUs: cpus}
	if t.Shell != nil {
		spec, srv.url, srv.probe = t.Shell.place(spec, addresses[0])
	}
	srv.command = append([]string{spec.Path}, spec.Args...)
	if srv.Process, err = process.Start(spec); err != nil {
		return nil, err
	}
	if err := srv.ready(ctx, patience); err != nil {
		return nil, errors.Join(err, srv.Stop(stopPatience))
	}
	return srv, nil
}

// place puts the shell's server on an address.
func (s *Shell) place(spec process.Spec, address string) (of process.Spec, url, probe string) {
	_, port, _ := strings.Cut(address, ":")
	spec.Path, spec.Args = ShellPath, []string{"-c", strings.ReplaceAll(s.Command, "{port}", port)}
	spec.Dir, spec.Env, spec.Group = s.Dir, []string{"PORT=" + port}, true
	probe = address
	if s.Ready != "" {
		probe = "http://" + address + s.Ready
	}
	return spec, "ws://" + address + s.Path, probe
}

// ready waits until the server says so, has died, or took too long.
func (s *server) ready(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	probe := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if s.asks(ctx, probe) {
			return nil
		}
		select {
		case <-s.Done():
			return s.died("before it was ready")
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("start server: not ready at %s within %v%s", s.probe, patience, s.tail())
			}
			return fmt.Errorf("start server: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

func (s *server) asks(ctx context.Context, probe *http.Client) bool {
	if !strings.Contains(s.probe, "://") {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.probe)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.probe, nil)
	if err != nil {
		return false
	}
	answer, err := probe.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// died describes a server that ended by itself.
func (s *server) died(when string) error {
	how := fmt.Sprintf("exit status %d", s.ExitCode())
	if s.ExitCode() > 128 {
		how = fmt.Sprintf("signal %d", s.ExitCode()-128)
	}
	return fmt.Errorf("server ended %s (%s)%s", when, how, s.tail())
}

// tail is the end of the server's log, for an error message.
func (s *server) tail() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return ""
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "; it logged nothing"
	}
	lines := strings.Split(text, "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return "; the end of its log:\n  " + strings.Join(lines, "\n  ")
}

// freeAddresses finds loopback ports that nobody listens on. They are held
// together until all are found, so that they differ.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
