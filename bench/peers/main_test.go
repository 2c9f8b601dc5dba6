package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// The test binary plays the program as well.
func TestMain(m *testing.M) {
	if os.Getenv("PEERS") != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience bounds each wait; a passing test does not need it.
const patience = 10 * time.Second

// launch runs one server in a process of its own, and ends it with the test.
func launch(t *testing.T, args ...string) (url string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")...)
	cmd.Env = append(os.Environ(), "PEERS=1")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(log).ReadString('\n')
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		rest, _ := io.ReadAll(log)
		if err := cmd.Wait(); err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, rest)
		}
	})
	_, address, found := strings.Cut(strings.TrimSpace(line), "listening on ")
	if err != nil || !found {
		t.Fatalf("%q (%v), want where it listens", line, err)
	}
	return "ws://" + address
}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func send(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, who string, conn *websocket.Conn, want string) {
	t.Helper()
	kind, got, err := conn.ReadMessage()
	if err != nil || kind != websocket.TextMessage || string(got) != want {
		t.Fatalf("%s got %.40q of %d bytes, kind %d (%v); want %.40q of %d", who, got, len(got), kind, err, want, len(want))
	}
}

var variants = [][]string{{"floor"}, {"floor", "--loops", "3"}, {"gorilla"}, {"gws"}}

func TestServers(t *testing.T) {
	for _, args := range variants {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			url := launch(t, args...)
			t.Run("echo", func(t *testing.T) { echo(t, url) })
			t.Run("rooms", func(t *testing.T) { rooms(t, url) })
			t.Run("backlog", func(t *testing.T) { backlog(t, url) })
			t.Run("close", func(t *testing.T) { closing(t, url) })
			t.Run("elsewhere", func(t *testing.T) { elsewhere(t, url) })
		})
	}
}

// echo sends each of RFC 6455's three forms of length, several messages at once,
// and a ping between them.
func echo(t *testing.T, url string) {
	conn := dial(t, url+"/echo")
	pongs := 0
	conn.SetPongHandler(func(data string) error {
		if data == "are you there" {
			pongs++
		}
		return nil
	})
	messages := []string{"", "a", strings.Repeat("b", 125), strings.Repeat("c", 126), strings.Repeat("d", 65535), strings.Repeat("e", 200_000)}
	for _, m := range messages {
		send(t, conn, m)
	}
	if err := conn.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	send(t, conn, "last")
	for _, m := range append(messages, "last") {
		expect(t, "echo", conn, m)
	}
	if pongs != 1 {
		t.Errorf("%d pongs, want 1", pongs)
	}
}

// settle waits until a connection is a member: it hears itself.
func settle(t *testing.T, conn *websocket.Conn, others ...*websocket.Conn) {
	t.Helper()
	send(t, conn, "here")
	for _, c := range append(others, conn) {
		expect(t, "member", c, "here")
	}
}

// rooms: members hear each other, other rooms do not; ?self=0 leaves the sender
// out; who has left is missed by nobody.
func rooms(t *testing.T, url string) {
	a := dial(t, url+"/rooms/one")
	settle(t, a)
	b := dial(t, url+"/rooms/one")
	settle(t, b, a)
	other := dial(t, url+"/rooms/two")
	settle(t, other)
	quiet := dial(t, url+"/rooms/one?self=0")
	for i := range 100 {
		m := fmt.Sprint("message ", i)
		send(t, quiet, m)
		expect(t, "a", a, m)
		expect(t, "b", b, m)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	settle(t, other) // and nothing of room one before it
	for i := range 100 {
		m := fmt.Sprint("without b ", i)
		send(t, quiet, m)
		expect(t, "a", a, m)
	}
	send(t, a, "to both")
	expect(t, "a", a, "to both")
	expect(t, "quiet", quiet, "to both") // and none of its own before it
}

// backlog: who does not read for a while gets everything all the same, in order.
func backlog(t *testing.T, url string) {
	const messages = 250
	padding := strings.Repeat(".", 64<<10) // together more than socket buffers hold
	slow := dial(t, url+"/rooms/backlog")
	settle(t, slow)
	publisher := dial(t, url+"/rooms/backlog?self=0")
	for i := range messages {
		send(t, publisher, fmt.Sprint(i, padding))
	}
	for i := range messages {
		expect(t, "slow", slow, fmt.Sprint(i, padding))
	}
}

// closing: a Close frame is answered, and the server ends the connection.
func closing(t *testing.T, url string) {
	for _, path := range []string{"/echo", "/rooms/one"} {
		conn := dial(t, url+path)
		goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		if err := conn.WriteMessage(websocket.CloseMessage, goodbye); err != nil {
			t.Fatal(err)
		}
		_, _, err := conn.ReadMessage()
		if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("%s: %v, want close 1000", path, err)
		}
		if _, err := io.Copy(io.Discard, conn.NetConn()); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v, want the connection's end", path, err)
		}
	}
}

func elsewhere(t *testing.T, url string) {
	for path, want := range map[string]int{"/nowhere": http.StatusNotFound, "/echo": http.StatusBadRequest} {
		answer, err := http.Get("http" + strings.TrimPrefix(url, "ws") + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s without an upgrade: %s, want %d", path, answer.Status, want)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string // on stderr; on stdout where the code is 0
	}{
		{"", 2, "no kind: want floor, gorilla, gws"},
		{"--listen 127.0.0.1:0", 2, "no kind"},
		{"nbio", 2, "nbio: no such kind"},
		{"floor --lopos 3", 2, "lopos"},
		{"floor more", 2, "more: unexpected argument"},
		{"floor --loops 0", 2, "--loops 0: use 1 to 256"},
		{"gws --loops 2", 2, "only floor has event loops"},
		{"gws --listen 0.0.0.0:7", 2, "use 127.0.0.1:7"},
		{"gws --listen nowhere", 2, "use HOST:PORT"},
		{"--help", 0, "Usage: peers floor|gorilla|gws"},
		{"gws --help", 0, "-listen HOST:PORT"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(c.args), &stdout, &stderr, nil)
		said := &stderr
		if c.code == 0 {
			said = &stdout
		}
		if code != c.code || !strings.Contains(said.String(), c.says) {
			t.Errorf("peers %s: exit %d, %q; want exit %d and %q", c.args, code, said, c.code, c.says)
		}
	}
}
