package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// suite is a server of the suite's protocol with a handful of cases, on another
// library than ours.
type suite struct {
	cases []func(*websocket.Conn) error

	mu      sync.Mutex
	reports []string // "case N", with an error if it failed, and "update"
}

func (s *suite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var number int
	if _, err := fmt.Sscan(r.FormValue("case"), &number); r.URL.Path == "/suite/runCase" && (err != nil || number > len(s.cases)) {
		http.Error(w, "no such case", http.StatusNotFound)
		return
	}
	if r.URL.Path == "/suite/runCase" && s.cases[number-1] == nil {
		http.Error(w, "no upgrade today", http.StatusServiceUnavailable)
		return
	}
	upgrader := websocket.Upgrader{EnableCompression: true}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	report := ""
	switch {
	case r.URL.Path == "/suite/getCaseCount":
		_ = conn.WriteMessage(websocket.TextMessage, fmt.Append(nil, len(s.cases)))
	case r.URL.Path == "/suite/updateReports":
		report = "update " + r.FormValue("agent")
	default:
		report = fmt.Sprintf("case %d", number)
		if err := s.cases[number-1](conn); err != nil {
			report += ": " + err.Error()
		}
	}
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(10*time.Second))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseProtocolError) {
		report += fmt.Sprintf(": after Close %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, report)
}

// echoes sends messages of n bytes and wants them back.
func echoes(kind, count, n int, compress bool) func(*websocket.Conn) error {
	return func(conn *websocket.Conn) error {
		conn.EnableWriteCompression(compress)
		message := strings.Repeat("Ünïcödé ", n/8)
		for range count {
			if err := conn.WriteMessage(kind, []byte(message)); err != nil {
				return err
			}
			if got, back, err := conn.ReadMessage(); err != nil || got != kind || string(back) != message {
				return fmt.Errorf("got kind %d, %d bytes, %v", got, len(back), err)
			}
		}
		return nil
	}
}

// violates sends bytes that no client may take.
func violates(conn *websocket.Conn) error {
	_, err := conn.NetConn().Write([]byte{0x83, 0})
	return err
}

// mute says nothing until the other end leaves.
func mute(conn *websocket.Conn) error {
	_, _, err := conn.ReadMessage()
	return err
}

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name    string
		cases   []func(*websocket.Conn) error
		flags   string
		status  int
		out     []string
		reports []string
	}{
		{"all are played",
			[]func(*websocket.Conn) error{echoes(websocket.TextMessage, 3, 64, false), echoes(websocket.BinaryMessage, 2, 128<<10, true), violates}, "", exitFine,
			[]string{"case 1 of 3: echoed 3, closed-1000: close code 1000, deflate", "case 2 of 3: echoed 2", "case 3 of 3: echoed 0, protocol-opcode: opcode (close code 1002)",
				"3 of 3 cases were played to their end; the suite's server has the reports of us & them"},
			[]string{"", "case 1", "case 2", "case 3", "update us & them"}},
		{"a selection",
			[]func(*websocket.Conn) error{nil, echoes(websocket.TextMessage, 1, 8, false)}, "--cases 2", exitFine,
			[]string{"case 2 of 2: echoed 1", "1 of 1 cases"}, []string{"", "case 2", "update us & them"}},
		{"a selection beyond the last", make([]func(*websocket.Conn) error, 2), "--cases 3", exitUsage, nil, []string{""}},
		{"a handshake refused",
			[]func(*websocket.Conn) error{nil, echoes(websocket.TextMessage, 1, 8, false)}, "", exitNoAnswer,
			[]string{"case 1 of 2: not opened: handshake-status: HTTP/1.1 503", "case 2 of 2: echoed 1", "1 of 2 cases"}, []string{"", "case 2", "update us & them"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{cases: c.cases}
			server := httptest.NewServer(s)
			defer server.Close()
			arguments := append([]string{"conformance", "--url", "ws://" + server.Listener.Addr().String() + "/suite/", "--agent", "us & them"}, strings.Fields(c.flags)...)
			status, out, problem := loadgen(arguments...)
			if status != c.status || (problem == "") != (status == exitFine) {
				t.Errorf("exit status %d, want %d; standard error %q", status, c.status, problem)
			}
			for _, want := range c.out {
				if !strings.Contains(out, want) {
					t.Errorf("output\n%s\nlacks %q", out, want)
				}
			}
			s.mu.Lock() // reports come before the end of a connection, for which loadgen has waited
			defer s.mu.Unlock()
			if !slices.Equal(s.reports, c.reports) {
				t.Errorf("the suite reports %q, want %q", s.reports, c.reports)
			}
		})
	}
}

func TestConformanceWithoutAnEnd(t *testing.T) {
	s := &suite{cases: []func(*websocket.Conn) error{mute}}
	server := httptest.NewServer(s)
	defer server.Close()
	status, out, problem := loadgen("conformance", "--url", "ws://"+server.Listener.Addr().String()+"/suite", "--timeout", "300ms")
	if status != exitNoAnswer || !strings.Contains(out, "case 1 of 1: no end in time") || !strings.Contains(problem, "1 of 1 cases were not played to their end") {
		t.Errorf("exit status %d, output %q, standard error %q", status, out, problem)
	}
}

func TestConformanceWithoutAServer(t *testing.T) {
	for name, at := range map[string]string{
		"nobody listens": "ws://127.0.0.1:1",
		"no suite":       theirs(t),
	} {
		status, _, problem := loadgen("conformance", "--url", at, "--timeout", "500ms")
		if status != exitNoAnswer || strings.Count(problem, "\n") != 1 || !strings.Contains(problem, "no answer from the suite's server") {
			t.Errorf("%s: exit status %d, standard error %q", name, status, problem)
		}
	}
}
