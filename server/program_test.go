package main

import (
	"bufio"
	"encoding/json"
	"errors"
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
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// The real program, built once, as the tests of serve_test.go run it, and gorilla/websocket as the peer that speaks to it.

var (
	programPath string
	buildFlags  []string
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "fanbench-server")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programPath = filepath.Join(dir, "server")
		if out, err := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", programPath, ".")...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build server: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

const patience = 20 * time.Second

// program is a running server.
type program struct {
	t             *testing.T
	cmd           *exec.Cmd
	serving       chan struct{} // closed when it said that it serves
	listen, admin string        // after serving
	ended         chan struct{} // closed when no process of it holds its standard error any more
	code          int           // exit status, -1 if killed; after ended

	mu  sync.Mutex
	log strings.Builder
}

var servingLine = regexp.MustCompile(`msg=serving listen=(\S+) admin=(\S+)`)

// launch starts the program on free ports, unless args say otherwise, without waiting for anything.
func launch(t *testing.T, args ...string) *program {
	t.Helper()
	return launchCommand(t, exec.Command(programPath, append([]string{"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...))
}

func launchCommand(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, serving: make(chan struct{}), ended: make(chan struct{})}
	stderr, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = theirs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	go p.follow(stderr)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.awaitEnd()
	})
	return p
}

// follow keeps the log until every process of the program has ended.
func (p *program) follow(stderr *os.File) {
	defer close(p.ended)
	defer stderr.Close()
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		p.mu.Lock()
		p.log.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		if m := servingLine.FindStringSubmatch(lines.Text()); m != nil {
			p.listen, p.admin = m[1], m[2]
			close(p.serving)
		}
	}
	p.cmd.Wait()
	p.code = p.cmd.ProcessState.ExitCode()
}

// serve starts the program on free ports and waits until it serves.
func serve(t *testing.T, args ...string) *program {
	t.Helper()
	p := launch(t, args...)
	p.awaitServing()
	return p
}

func (p *program) awaitServing() {
	p.t.Helper()
	select {
	case <-p.serving:
	case <-p.ended:
		p.t.Fatalf("server ended with %d before it served:\n%s", p.code, p.logged())
	case <-time.After(patience):
		p.t.Fatalf("server does not serve after %v:\n%s", patience, p.logged())
	}
}

func (p *program) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *program) awaitEnd() (code int) {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.code
	case <-time.After(patience):
		p.t.Fatalf("a process of the server still lives after %v:\n%s", patience, p.logged())
		return 0
	}
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// eventually waits for a state, not for a time.
func (p *program) eventually(what string, holds func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not reached in %v: %s\n%s", patience, what, p.logged())
		}
	}
}

func (p *program) get(path string) (status int, body string) {
	p.t.Helper()
	answer, err := http.Get("http://" + p.admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// metric is the value of one line of /metrics, or -1 if there is none.
func (p *program) metric(name string) float64 {
	p.t.Helper()
	_, body := p.get("/metrics")
	for line := range strings.Lines(body) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	return -1
}

// pids are the server's processes, the supervisor first.
func (p *program) pids() []int {
	p.t.Helper()
	_, body := p.get("/vitals")
	var vitals struct {
		PIDs []int `json:"pids"`
	}
	if err := json.Unmarshal([]byte(body), &vitals); err != nil {
		p.t.Fatal(err)
	}
	return vitals.PIDs
}

func (p *program) dial(path string) *websocket.Conn {
	p.t.Helper()
	conn, answer, err := websocket.DefaultDialer.Dial("ws://"+p.listen+path, nil)
	if err != nil {
		p.t.Fatalf("dial %s: %v (%+v)\n%s", path, err, answer, p.logged())
	}
	p.t.Cleanup(func() { conn.Close() })
	return conn
}

// join connects n members of a room until every worker has one, and n in all at the least.
func (p *program) join(room string, n, workers int) []*websocket.Conn {
	p.t.Helper()
	var members []*websocket.Conn
	everywhere := func() bool {
		for i := range workers {
			if p.metric(fmt.Sprintf(`fanbench_server_connections_upgraded{worker="%d"}`, i)) < 1 {
				return false
			}
		}
		return true
	}
	for len(members) < n || !everywhere() {
		if len(members) == 200 {
			p.t.Fatal("200 connections and one worker has none")
		}
		members = append(members, p.dial("/rooms/"+room))
	}
	return members
}

func send(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn *websocket.Conn, want string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != want {
		t.Fatalf("received %q (%v), want %q", got, err, want)
	}
}

// receiveClose reads a close frame, which gorilla answers, and closes the socket.
func receiveClose(t *testing.T, conn *websocket.Conn, want int) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	var closed *websocket.CloseError
	if _, got, err := conn.ReadMessage(); !errors.As(err, &closed) || closed.Code != want {
		t.Fatalf("received %q (%v), want close %d", got, err, want)
	}
	conn.Close()
}
