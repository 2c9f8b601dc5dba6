package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fanbench/loadgen/result"
	"fanbench/server/servertest"
)

// brief is a run of a few hundred milliseconds.
func brief(url string, more ...string) []string {
	return append([]string{"run", "--url", url, "--connections", "20", "--rate", "50/s", "--warm-up", "100ms", "--duration", "400ms",
		"--drain", "5s", "--timeout", "5s", "--latency-from", "sent", "--require", "ledger"}, more...)
}

// read is a result that a run left behind, checked for what always holds.
func read(t *testing.T, dir string) *result.Result {
	t.Helper()
	r, err := result.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := r.Ledger
	if l.Planned != l.Sent+l.Unsent || l.Expected != l.Delivered+l.Lost+l.Excluded || l.Lost != l.LostUp+l.LostDown {
		t.Errorf("the account does not add up: %+v", l)
	}
	if summary, err := os.ReadFile(filepath.Join(dir, "summary.txt")); err != nil || len(summary) == 0 {
		t.Errorf("summary: %d bytes, %v", len(summary), err)
	}
	return r
}

// ours starts the reference server.
func ours(t *testing.T) string { return servertest.Start(t).URL }

// theirs starts a server on another library.
func theirs(t *testing.T) string {
	server := httptest.NewServer(&peer{})
	t.Cleanup(server.Close)
	return "ws://" + server.Listener.Addr().String()
}

func TestRunAgainstServers(t *testing.T) {
	byName := func(t *testing.T) string { return strings.Replace(ours(t), "127.0.0.1", "localhost", 1) }
	withPath := func(t *testing.T) string { return ours(t) + "/rooms/{room}?self=0" }
	for _, c := range []struct {
		name      string
		server    func(*testing.T) string
		arguments []string
		planned   uint64 // 0: not fixed
		delivered uint64
	}{
		{"fan-out", ours, nil, 25, 500},
		{"fan-out on another library's server", theirs, nil, 25, 500},
		{"rooms, several publishers and workers", ours, []string{"--rooms", "4", "--publishers", "8", "--workers", "3"}, 25, 125},
		{"a path for all", withPath, []string{"--rooms", "2"}, 25, 250},
		{"no warm-up", ours, []string{"--warm-up", "0s"}, 20, 400},
		{"paced echo", ours, []string{"--workload", "echo"}, 25, 25},
		{"closed-loop echo", ours, []string{"--workload", "echo", "--rate", "0"}, 0, 0},
		{"a host name", byName, nil, 25, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			status, out, problem := loadgen(append(brief(c.server(t), c.arguments...), "--out", dir)...)
			if status != exitFine {
				t.Fatalf("exit status %d, standard error\n%s\noutput\n%s", status, problem, out)
			}
			r := read(t, dir)
			l := r.Ledger
			if l.Lost+l.Duplicated+l.Reordered+l.Corrupt+l.Misrouted+l.Unsent != 0 || !l.GapsAgree || l.Delivered == 0 {
				t.Errorf("ledger %+v", l)
			}
			if c.planned != 0 && (l.Planned != c.planned || l.Delivered != c.delivered) {
				t.Errorf("%d planned and %d delivered, want %d and %d", l.Planned, l.Delivered, c.planned, c.delivered)
			}
			for _, name := range []string{"sent_delivery.p50", "deliveries_per_second", "generator.cpu_seconds", "generator.rss_per_connection_bytes"} {
				if _, _, observed := r.Metric(name); !observed {
					t.Errorf("no metric %s", name)
				}
			}
			if r.Verdict.Verdict != "valid" || r.Verdict.Partial {
				t.Errorf("verdict %+v", r.Verdict)
			}
		})
	}
}

// What is offered is counted as it was answered, and an offer that nobody took
// up is no run with compression.
func TestDeflate(t *testing.T) {
	for _, c := range []struct {
		name   string
		server func(*testing.T) string
		flags  []string
		share  float64
		warned bool
	}{
		{"another library's server agrees", theirs, nil, 1, false},
		{"it agrees for an echo", theirs, []string{"--workload", "echo"}, 1, false},
		{"a server without compression", ours, nil, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			arguments := append(brief(c.server(t), "--deflate", "--payload", "json", "--size", "1KiB", "--out", dir), c.flags...)
			if status, out, problem := loadgen(arguments...); status != exitFine {
				t.Fatalf("exit status %d, standard error\n%s\noutput\n%s", status, problem, out)
			}
			r := read(t, dir)
			if l := r.Ledger; l.Delivered == 0 || l.Lost+l.Corrupt+l.Unknown != 0 || len(r.Failures) != 0 {
				t.Errorf("ledger %+v, failures %+v", l, r.Failures)
			}
			if m, _, found := r.Metric("connections.deflated_share"); !found || m.Value != c.share {
				t.Errorf("deflated share %+v, want %v", m, c.share)
			}
			warned := slices.ContainsFunc(r.Warnings, func(w result.Warning) bool {
				return strings.Contains(w.Text, "21 of 21 connections did not negotiate permessage-deflate") && w.Remedy != ""
			})
			if warned != c.warned {
				t.Errorf("warnings %+v", r.Warnings)
			}
		})
	}
}

func TestRunHoldsConnections(t *testing.T) {
	server := servertest.Start(t)
	dir := t.TempDir()
	status, out, problem := loadgen("run", "--url", server.URL, "--workload", "connect", "--connections", "50", "--workers", "2",
		"--duration", "100ms", "--out", dir, "--json")
	if status != exitFine {
		t.Fatalf("exit status %d, standard error\n%s", status, problem)
	}
	var printed result.Result
	if err := json.Unmarshal([]byte(out), &printed); err != nil {
		t.Errorf("--json printed no JSON: %v", err)
	}
	r := read(t, dir)
	if m := r.Metrics["connections_per_second"]; m.N != 50 || printed.RunID != r.RunID {
		t.Errorf("%d connections, run %s printed as %s", m.N, r.RunID, printed.RunID)
	}
}

func TestVitalsOfTheTarget(t *testing.T) {
	server := servertest.Start(t)
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"cpu_seconds":2,"resident_bytes":4096,"processes":1,"descriptors":9,"context_switches":7}`)
	}))
	defer answers.Close()
	defer http.DefaultClient.CloseIdleConnections()
	dir := t.TempDir()
	if status, _, problem := loadgen(brief(server.URL, "--vitals-url", answers.URL, "--out", dir)...); status != exitFine {
		t.Fatalf("exit status %d, standard error\n%s", status, problem)
	}
	r := read(t, dir)
	for _, name := range []string{"target.cpu_seconds", "target.cpu_per_delivery_seconds", "target.rss_per_connection_bytes"} {
		if m, _, observed := r.Metric(name); !observed || m.Value != 0 { // the readings do not change
			t.Errorf("%s: %+v (observed: %v)", name, m, observed)
		}
	}
}

// scripted accepts TCP connections and treats each as told.
func scripted(t *testing.T, treat func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go treat(conn)
		}
	}()
	return l.Addr().String()
}

// answer reads a request's head and answers with text.
func answer(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.WriteString(conn, text)
		}
	}
}

func TestTargetsThatDoNotOpenAreOneLineAndStatus3(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	for _, c := range []struct{ name, address, problem string }{
		{"refused port", refused.Addr().String(), "21 of 21 connections failed: refused: "},
		{"HTTP 404", scripted(t, answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")),
			"21 of 21 connections failed: handshake-status: HTTP/1.1 404 Not Found"},
		{"never answers the handshake", scripted(t, func(net.Conn) {}), "21 of 21 connections failed: handshake-timeout: "},
		{"wrong accept key", scripted(t, answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")),
			"21 of 21 connections failed: bad-accept-key: "},
		{"closes during the handshake", scripted(t, func(conn net.Conn) { answer("")(conn); conn.Close() }),
			"21 of 21 connections failed: closed-during-handshake: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			status, out, problem := loadgen(brief("ws://"+c.address, "--timeout", "500ms", "--out", dir)...)
			lines := strings.Split(strings.TrimSpace(problem), "\n")
			last := lines[len(lines)-1]
			if status != exitNoAnswer || !strings.HasPrefix(last, "loadgen: "+c.problem) || out != "" {
				t.Errorf("exit status %d, output %q, last line %q, want 3 and %q", status, out, last, c.problem)
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("something was kept: %v", err)
			}
		})
	}
}

func TestRunIsRefusedBeforeAnythingIsOpened(t *testing.T) {
	touched := make(chan struct{}, 1)
	address := scripted(t, func(net.Conn) { touched <- struct{}{} })
	status, _, problem := loadgen("run", "--url", "ws://"+address, "--connections", "9000000", "--rate", "1/s")
	if status != exitNoAnswer || !strings.Contains(problem, "loadgen: preflight: file descriptors: need ") || !strings.Contains(problem, "use --workers ") {
		t.Errorf("exit status %d, standard error %q", status, problem)
	}
	select {
	case <-touched:
		t.Error("a connection was opened")
	default:
	}
}
