package conformance

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The real program, built once; raceFlags are for the build of all but the one whose memory is measured.
var (
	programs  struct{ usual, lean string }
	raceFlags []string
)

// ran counts what the tests have run, for the line at the end.
var ran struct {
	sync.Mutex
	rows                                         map[int]bool
	inputs, splits, cases, compressed, elsewhere int
}

func count(number *int) {
	ran.Lock()
	*number++
	ran.Unlock()
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "fanbench-conformance")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if programs.lean, err = build(dir, "lean"); err == nil {
			programs.usual = programs.lean
			if len(raceFlags) > 0 {
				programs.usual, err = build(dir, "usual", raceFlags...)
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		ran.rows = map[int]bool{}
		code := m.Run()
		if err := goleak.Find(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		fmt.Printf("conformance: %d rows of bad input, %d inputs, %d runs over the splits; %d + %d compression cases, %d of them once more by other clients\n",
			len(ran.rows), ran.inputs, ran.splits, ran.cases, ran.compressed, ran.elsewhere)
		return code
	}())
}

func build(dir, name string, flags ...string) (string, error) {
	path := filepath.Join(dir, name)
	out, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, "fanbench/server")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build server: %w\n%s", err, out)
	}
	return path, nil
}

// A program is a running server.
type program struct {
	t             testing.TB
	cmd           *exec.Cmd
	listen, admin string
	ended         chan struct{}
}

var servingLine = regexp.MustCompile(`msg=serving listen=(\S+) admin=(\S+)`)

// serve starts the server at path on free ports. It is killed when the test ends.
func serve(t testing.TB, path string, flags ...string) *program {
	t.Helper()
	s := &program{t: t, ended: make(chan struct{})}
	s.cmd = exec.Command(path, append([]string{"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, flags...)...)
	log, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving, said := make(chan struct{}), new(strings.Builder)
	go func() {
		defer close(s.ended)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := servingLine.FindStringSubmatch(lines.Text()); m != nil {
				s.listen, s.admin = m[1], m[2]
				close(serving)
			} else {
				fmt.Fprintln(said, lines.Text())
			}
		}
		_ = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("server %v said:\n%s", flags, said)
		}
	})
	select {
	case <-serving:
	case <-s.ended:
		t.Fatalf("server %v ended at once, saying:\n%s", flags, said)
	}
	return s
}

const metricsPrefix = "fanbench_server_"

var counterLine = regexp.MustCompile(`^` + metricsPrefix + `(rejected|connections_refused|connections_given_up|panics)_total(?:\{reason="([^"]+)"\})? (\d+)$`)

// metrics reads how many connections are open and why others were ended: reason for what is rejected, else with the counter's
// name, as in connections_given_up/error.
func (s *program) metrics(t testing.TB) (connections int, ended map[string]int) {
	t.Helper()
	response, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	connections, ended = -1, map[string]int{}
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		if value, ok := strings.CutPrefix(line, metricsPrefix+"connections "); ok {
			connections, _ = strconv.Atoi(value)
		}
		if m := counterLine.FindStringSubmatch(line); m != nil {
			name := m[1] + "/" + m[2]
			if m[1] == "rejected" {
				name = m[2]
			}
			if n, _ := strconv.Atoi(m[3]); n > 0 {
				ended[name] = n
			}
		}
	}
	if connections < 0 {
		t.Fatalf("metrics do not say how many connections there are:\n%s", body)
	}
	return connections, ended
}

// settled waits until so many connections are open, and returns why others have ended since before.
func (s *program) settled(t testing.TB, open int, before map[string]int) map[string]int {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		connections, ended := s.metrics(t)
		if connections == open {
			for reason, n := range before {
				if ended[reason] -= n; ended[reason] == 0 {
					delete(ended, reason)
				}
			}
			return ended
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, want %d", connections, open)
		}
	}
}
