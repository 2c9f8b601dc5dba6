package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fanbench/server/conformance"
)

// patience is how long a run of the program may take.
const patience = 3 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The server's cases, played against loadgen's own connections by a server of the suite's protocol.
func TestLoadgenPassesTheSuite(t *testing.T) {
	loadgen := build(t, raceFlags...)
	for name, run := range map[string]struct {
		maxMessage string
		cases      []conformance.Case
	}{
		"sections 1 to 10":   {"16MiB", conformance.Cases()},
		"permessage-deflate": {"16MiB", conformance.Compressed()},
		"bad frames":         {"64KiB", conformance.BadFrames(64 << 10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSuite(t, run.cases)
			s.judge(t, loadgen, "--max-message", run.maxMessage)
			fmt.Printf("loadgen conformance: %s, %d cases\n", name, len(run.cases))
		})
	}
}

// What a server declares, or has inflated, costs loadgen no memory.
func TestLoadgenKeepsItsMemory(t *testing.T) {
	s := newSuite(t, conformance.BadFrames(64<<10))
	s.judge(t, build(t), "--max-message", "64KiB")
	// The program by itself is below 32 MiB; the bomb inflates to 64 MiB.
	const most = 48 << 20
	t.Logf("%d KiB resident at most", s.peak>>10)
	if s.peak == 0 || s.peak > most {
		t.Errorf("loadgen had %d bytes resident, want %d at most", s.peak, most)
	}
}

func build(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "loadgen")
	out, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, "fanbench/loadgen")...).CombinedOutput()
	if err != nil {
		t.Fatalf("build loadgen: %v\n%s", err, out)
	}
	return path
}

// raceFlags build the program with the race detector if the test is.
var raceFlags []string

// A suite is the server's side of the suite's protocol.
type suite struct {
	listener net.Listener
	cases    []conformance.Case
	served   sync.WaitGroup

	mu       sync.Mutex
	verdicts map[int]error // by number, from 1
	repeated []int
	reports  int
	strange  []error // what no case explains
	loadgen  *os.Process
	peak     int // its highest resident size in bytes, up to its last request
}

func newSuite(t *testing.T, cases []conformance.Case) *suite {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{listener: listener, cases: cases, verdicts: map[int]error{}}
	s.served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.served.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.served.Wait()
	})
	return s
}

// judge runs loadgen against the suite.
func (s *suite) judge(t *testing.T, loadgen string, flags ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, loadgen, append([]string{"conformance", "--url", "ws://" + s.listener.Addr().String() + "/suite", "--agent", "tested"}, flags...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	s.mu.Lock()
	err := cmd.Start()
	s.loadgen = cmd.Process
	s.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("loadgen: %v\n%s", err, out.Bytes())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.verdicts) == 0 {
		t.Fatal("no case was asked for")
	}
	for i, c := range s.cases {
		switch verdict, played := s.verdicts[i+1]; {
		case !played:
			t.Errorf("case %s, %s: never asked for", c.ID, c.What)
		case verdict != nil:
			t.Errorf("case %s, %s: %v", c.ID, c.What, verdict)
		}
	}
	if len(s.strange) > 0 || len(s.repeated) > 0 || s.reports != 1 {
		t.Errorf("requests %v, cases again %v, reports asked for %d times", s.strange, s.repeated, s.reports)
	}
}

func (s *suite) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	from := bufio.NewReader(conn)
	request, err := http.ReadRequest(from)
	if err != nil {
		s.note(fmt.Errorf("read request: %w", err))
		return
	}
	say := func(c conformance.Case) error {
		link, err := conformance.Accept(conn, from, request, c.Terms)
		if err != nil {
			return err
		}
		return link.Play(c)
	}
	normal := conformance.Frame{Op: 8, Payload: []byte{1000 >> 8, 1000 & 0xff}}
	switch query := request.URL.Query(); request.URL.Path {
	case "/suite/getCaseCount":
		number := conformance.Frame{Op: 1, Payload: fmt.Append(nil, len(s.cases))}
		s.note(say(conformance.Case{ID: "count", Sends: []conformance.Step{number, normal}, Code: 1000}))
	case "/suite/updateReports":
		s.mu.Lock()
		s.reports++
		s.peak = peakBytes(s.loadgen.Pid)
		s.mu.Unlock()
		s.note(say(conformance.Case{ID: "reports", Sends: []conformance.Step{normal}, Code: 1000}))
	case "/suite/runCase":
		n, err := strconv.Atoi(query.Get("case"))
		if err != nil || n < 1 || n > len(s.cases) || query.Get("agent") != "tested" {
			s.note(fmt.Errorf("query %v: no such case or agent", query))
			return
		}
		verdict := say(s.cases[n-1])
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, again := s.verdicts[n]; again {
			s.repeated = append(s.repeated, n)
		}
		s.verdicts[n] = verdict
	default:
		s.note(errors.New("path " + request.URL.Path))
	}
}

// peakBytes is the highest resident size of a process that runs, or 0. What wait4 reports would include this process's own,
// from before the program was loaded.
func peakBytes(pid int) (peak int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, line, found := strings.Cut(string(status), "VmHWM:"); found {
		_, _ = fmt.Sscan(line, &peak)
	}
	return peak << 10
}

func (s *suite) note(err error) {
	if err != nil {
		s.mu.Lock()
		s.strange = append(s.strange, err)
		s.mu.Unlock()
	}
}
