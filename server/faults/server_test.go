//go:build faults

package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each test has the network to itself, so that the addresses are the server's defaults.
const (
	address = "127.0.0.1:9001"
	admin   = "http://127.0.0.1:9002"
)

// patience is how long a test waits for a state that no fault has a limit for.
const patience = 30 * time.Second

// server is the running program.
type server struct {
	t     testing.TB
	cmd   *exec.Cmd
	log   string // file
	ended chan struct{}
}

// start starts the plain program and waits until it serves.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startProgram(t, program(plain), filepath.Join(t.TempDir(), "log"), nil, args...)
}

// startProgram has its log in a file, and adds to its environment.
func startProgram(t testing.TB, path, log string, environment []string, args ...string) *server {
	t.Helper()
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := &server{t: t, cmd: exec.Command(path, args...), log: log, ended: make(chan struct{})}
	s.cmd.Stderr = file
	s.cmd.Env = append(os.Environ(), environment...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.end()
		if t.Failed() {
			b, _ := os.ReadFile(log)
			t.Logf("the server's log ends with:\n%s", b[max(0, len(b)-4096):])
		}
	})
	within(t, patience, "the server serves", func() bool {
		status, _, err := ask("/readyz")
		return err == nil && status == http.StatusOK
	})
	return s
}

// end kills the server, unless it has ended.
func (s *server) end() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// within waits for a state, and fails the test if it is not reached in time.
func within(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// asker keeps no connection open, which would be one of the server's descriptors.
var asker = http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// ask gets a page of the admin's.
func ask(path string) (status int, body string, err error) {
	answer, err := asker.Get(admin + path)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

func (s *server) page(path string) string {
	s.t.Helper()
	status, body, err := ask(path)
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("get %s: %d, %v", path, status, err)
	}
	return body
}

// metric is one of /metrics, without its prefix unless it is Go's; 0 if there is none.
func (s *server) metric(name string) int {
	s.t.Helper()
	if !strings.HasPrefix(name, "go_") {
		name = "fanbench_server_" + name
	}
	for line := range strings.Lines(s.page("/metrics")) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return int(f)
		}
	}
	return 0
}

func (s *server) rejected(reason string) int {
	s.t.Helper()
	return s.metric(`rejected_total{reason="` + reason + `"}`)
}

// vitals are of all the server's processes, the supervisor first.
type vitals struct {
	PIDs        []int `json:"pids"`
	Resident    int   `json:"resident_bytes"`
	Descriptors int   `json:"descriptors"`
}

func (s *server) vitals() (v vitals) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.page("/vitals")), &v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// descriptors are the server's, without those of questions to its admin that have just been answered: the fewest of several looks.
func (s *server) descriptors() int {
	s.t.Helper()
	fewest := math.MaxInt
	for range 10 {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
		if err != nil {
			s.t.Fatal(err)
		}
		fewest = min(fewest, len(entries))
		time.Sleep(5 * time.Millisecond)
	}
	return fewest
}

// liveHeap is in bytes, after a collection.
func (s *server) liveHeap() int {
	s.t.Helper()
	for range 3 { // what pools hold goes with the second
		s.page("/debug/pprof/heap?gc=1")
	}
	return s.metric("go_memstats_heap_alloc_bytes")
}

// lives fails the test unless the server's process is the one that was started.
func (s *server) lives() {
	s.t.Helper()
	select {
	case <-s.ended:
		s.t.Fatalf("the server ended: %v", s.cmd.ProcessState)
	default:
	}
	if body := s.page("/healthz"); body != "ok\n" {
		s.t.Fatalf("healthz: %q", body)
	}
}

// terminate has the server drain.
func (s *server) terminate() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
}

// drained waits for the server's end, which must be exit status 0.
func (s *server) drained(limit time.Duration) {
	s.t.Helper()
	within(s.t, limit, "the server has ended", func() bool {
		select {
		case <-s.ended:
			return true
		default:
			return false
		}
	})
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("%v, want exit status 0", s.cmd.ProcessState)
	}
}

// watchMemory looks at the server's resident memory until peak is called, which returns the most, in bytes.
func (s *server) watchMemory() (peak func() int) {
	var most int
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most = max(most, resident(s.cmd.Process.Pid))
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() int {
		close(done)
		<-stopped
		return most
	}
}

// resident is a process's, in bytes; 0 if it has ended.
func resident(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}
