//go:build faults

package faults

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fanbench/loadgen/result"
)

// A test with a server has the network to itself, so that the addresses are the
// server's defaults.
const (
	address = "127.0.0.1:9001"
	url     = "ws://" + address
	admin   = "http://127.0.0.1:9002"
)

// Exit statuses of loadgen.
const (
	fine        = 0
	noAnswer    = 3
	interrupted = 130
)

// patience is how long a test waits for a state that no fault has a limit for.
const patience = 60 * time.Second

// within waits for a state, and fails the test if it is not reached in time.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// serve starts the server and waits until it serves.
func serve(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	server := exec.Command(program("server"), args...)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(server) })
	within(t, patience, "the server serves", func() bool {
		_, err := ask("/readyz")
		return err == nil
	})
	return server
}

// kill ends a process at once, unless it has ended.
func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// ask gets a page of the server's admin.
func ask(path string) (body string, err error) {
	asker := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := asker.Get(admin + path)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", errors.New(answer.Status)
	}
	b, err := io.ReadAll(answer.Body)
	return string(b), err
}

// A generator is a running loadgen.
type generator struct {
	t   *testing.T
	cmd *exec.Cmd
	dir string // of its result
	out bytes.Buffer
	log transcript
}

// transcript is what a process says on standard error, to be read while it runs.
type transcript struct {
	mu   sync.Mutex
	text []byte
}

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	return len(b), nil
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// last is the last line.
func (l *transcript) last() string {
	text := strings.TrimSpace(l.String())
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// load is loadgen run against a target, not started yet.
func load(t *testing.T, url string, args ...string) *generator {
	t.Helper()
	g := &generator{t: t, dir: filepath.Join(t.TempDir(), "out")}
	g.cmd = exec.Command(program("loadgen"), append([]string{"run", "--url", url, "--out", g.dir}, args...)...)
	g.cmd.Stdout, g.cmd.Stderr = &g.out, &g.log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return g
}

// keep has the result written to a directory that somebody else chooses.
func (g *generator) keep(dir string) *generator {
	at := slices.Index(g.cmd.Args, g.dir)
	g.dir, g.cmd.Args[at] = dir, dir
	return g
}

// begin starts it.
func (g *generator) begin() *generator {
	g.t.Helper()
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = g.cmd.Process.Kill() })
	return g
}

// says waits for words in its progress.
func (g *generator) says(words string) {
	g.t.Helper()
	within(g.t, patience, "loadgen says "+words, func() bool { return strings.Contains(g.log.String(), words) })
}

var someDelivered = regexp.MustCompile(`(?m)^measure .*[1-9][0-9,]* deliveries/s`)

// delivers waits for a second of the measured phase with deliveries.
func (g *generator) delivers() {
	g.t.Helper()
	within(g.t, patience, "deliveries arrive", func() bool { return someDelivered.MatchString(g.log.String()) })
}

// signal sends one to loadgen.
func (g *generator) signal(s os.Signal) {
	g.t.Helper()
	if err := g.cmd.Process.Signal(s); err != nil {
		g.t.Fatal(err)
	}
}

// ends waits for the end, which must be with this exit status.
func (g *generator) ends(status int) {
	g.t.Helper()
	watchdog := time.AfterFunc(2*patience, func() { _ = g.cmd.Process.Kill() })
	defer watchdog.Stop()
	_ = g.cmd.Wait()
	if code := g.cmd.ProcessState.ExitCode(); code != status {
		g.t.Fatalf("%v, want exit status %d; standard error\n%s\nstandard output\n%s", g.cmd.ProcessState, status, g.log.String(), g.out.String())
	}
}

// run starts it, waits for its end and reads its result.
func (g *generator) run(status int) *result.Result {
	g.t.Helper()
	g.begin().ends(status)
	return g.result()
}

// result is what was kept, checked for what always holds.
func (g *generator) result() *result.Result {
	g.t.Helper()
	r, err := result.Read(g.dir)
	if err != nil {
		g.t.Fatalf("%v; standard error\n%s", err, g.log.String())
	}
	l := r.Ledger
	if l.Planned != l.Sent+l.Unsent || l.Expected != l.Delivered+l.Lost+l.Excluded || l.Lost != l.LostUp+l.LostDown || !l.GapsAgree {
		g.t.Errorf("the account does not add up: %+v", l)
	}
	if out, err := exec.Command(program("bench"), "validate", g.dir).CombinedOutput(); err != nil {
		g.t.Errorf("bench validate: %v\n%s", err, out)
	}
	return r
}

// metric is a number of a result, trusted or not.
func metric(t *testing.T, r *result.Result, name string) float64 {
	t.Helper()
	m, _, observed := r.Metric(name)
	if !observed {
		t.Fatalf("no metric %s", name)
	}
	return m.Value
}

func guard(r *result.Result, name string) (g result.Guard) {
	for _, g := range r.Verdict.Guards {
		if g.Name == name {
			return g
		}
	}
	return g
}

// untripped fails the test for guards that a fault must not trip.
func untripped(t *testing.T, r *result.Result, names ...string) {
	t.Helper()
	for _, name := range names {
		if g := guard(r, name); g.Name == "" || g.Tripped {
			t.Errorf("%s: %+v, want it there and untripped", name, g)
		}
	}
}

// failed checks that there is one kind of failure, with its count and example.
func failed(t *testing.T, r *result.Result, bucket string, count uint64, example string) {
	t.Helper()
	if len(r.Failures) != 1 || r.Failures[0].Bucket != bucket || r.Failures[0].Count != count || !strings.Contains(r.Failures[0].First, example) {
		t.Errorf("failures %+v, want %d of %s with %q", r.Failures, count, bucket, example)
	}
}

// nothingWrong checks that every delivery arrived once and as it was sent.
func nothingWrong(t *testing.T, r *result.Result) {
	t.Helper()
	if l := r.Ledger; l.Delivered == 0 || l.Delivered != l.Expected || l.Unsent+l.Duplicated+l.Reordered+l.Corrupt+l.Misrouted+l.Unknown != 0 {
		t.Errorf("ledger %+v, want nothing wrong", l)
	}
}
