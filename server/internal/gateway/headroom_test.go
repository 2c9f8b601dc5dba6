//go:build linux

package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"
)

const childVariable = "FANBENCH_GATEWAY_CHILD" // the child's limit on descriptors

// child is a server with few descriptors, in a process of its own: the test's sockets do not count. It serves until standard
// input ends.
func child() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1
	}
	soft, err := strconv.ParseUint(os.Getenv(childVariable), 10, 64)
	if err != nil {
		return 1
	}
	limit.Cur = soft
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1
	}
	g, err := Start(Config{Listen: "127.0.0.1:0", Loops: 2})
	if err != nil {
		return 1
	}
	fmt.Println(g.Addr())
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ended:
		return 0
	case <-g.Done():
		return 3
	}
}

// startChild returns the process and its address. The test fails if it ends before the test.
func startChild(t *testing.T, limit int) (pid int, url string) {
	t.Helper()
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childVariable, limit))
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := server.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("child said %q: %v", line, err)
	}
	return server.Process.Pid, "ws://" + strings.TrimSpace(line) + "/echo"
}

// dialURL fails where the server refuses, and fails the test where it does not answer at all.
func dialURL(t *testing.T, url string) (*websocket.Conn, error) {
	t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: patience}
	c, _, err := dialer.Dial(url, nil)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("left hanging: %v", err)
	}
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	return c, err
}

func expectAlive(t *testing.T, all []*websocket.Conn) {
	t.Helper()
	for _, c := range all {
		send(t, c, "alive")
		expect(t, c, "alive")
	}
}

func expectNewcomerServed(t *testing.T, url string) {
	t.Helper()
	eventually(t, "newcomer served", func() bool {
		c, err := dialURL(t, url)
		if err != nil {
			return false
		}
		expectAlive(t, []*websocket.Conn{c})
		return c.Close() == nil
	})
}

// Running out of descriptors refuses newcomers and harms nobody else; when some are free again, newcomers are served.
func TestDescriptorsRunOut(t *testing.T) {
	const limit = 128
	_, url := startChild(t, limit)
	var admitted []*websocket.Conn
	refused := 0
	for range 2 * limit {
		if c, err := dialURL(t, url); err == nil {
			admitted = append(admitted, c)
		} else {
			refused++
		}
	}
	if len(admitted) < limit/2 || len(admitted) > limit-spareDescriptors || refused == 0 {
		t.Fatalf("%d admitted and %d refused with %d descriptors", len(admitted), refused, limit)
	}
	expectAlive(t, admitted)
	for _, c := range admitted[:10] {
		_ = c.Close()
	}
	expectNewcomerServed(t, url)
}

// The limit of a running server is lowered below what it has in use, so that accept(2) itself fails: no connection is harmed, no
// newcomer hangs, and newcomers are served when there is room again, however it came about.
func TestDescriptorLimitIsLowered(t *testing.T) {
	const before, below, connections = 256, 128, 150
	pid, url := startChild(t, before)
	setLimit := func(soft uint64) {
		var limit unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
			t.Fatal(err)
		}
		limit.Cur = soft
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
			t.Fatal(err)
		}
	}
	var all []*websocket.Conn
	for range connections {
		c, err := dialURL(t, url)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	expectRefused := func() {
		t.Helper()
		for range 100 {
			if _, err := dialURL(t, url); err == nil {
				t.Fatal("a newcomer was served where there is no descriptor left")
			}
		}
		expectAlive(t, all)
	}
	for range 3 {
		setLimit(below)
		expectRefused()
		setLimit(before)
		expectNewcomerServed(t, url)
	}
	setLimit(below)
	expectRefused()
	for _, c := range all[:connections/2] {
		_ = c.Close()
	}
	all = all[connections/2:]
	expectNewcomerServed(t, url)
	expectAlive(t, all)
}

// An accept(2) that fails for good, with an error that no limit explains, costs the engine nothing but that listener.
func TestBrokenListener(t *testing.T) {
	g := start(t, Config{Loops: 1})
	witness := dial(t, g, "/echo")
	listener, err := g.engine.DupListener("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(listener)
	if err := unix.Shutdown(listener, unix.SHUT_RD); err != nil {
		t.Fatal(err)
	}
	eventually(t, "accept fails again and again", func() bool { return g.Stats().AcceptErrors["EINVAL"] > 10 })
	send(t, witness, "alive")
	expect(t, witness, "alive")
	for range 20 {
		c := dial(t, g, "/echo")
		send(t, c, "new")
		expect(t, c, "new")
	}
}

// What is given up is taken back, and belongs to nobody else meanwhile.
func TestReserve(t *testing.T) {
	before := descriptors(t)
	var h headroom
	if err := h.hold(3); err != nil {
		t.Fatal(err)
	}
	held := append([]int(nil), h.reserve...)
	if got := descriptors(t); got != before+3 {
		t.Errorf("%d descriptors, want %d more than %d", got, 3, before)
	}
	h.release()
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors after the release, want %d", got, before)
	}
	for _, fd := range held {
		if h.leaves(fd) {
			t.Errorf("descriptor %d was given up for a connection to keep", fd)
		}
	}
	if err := h.restore(); err != nil {
		t.Fatal(err)
	}
	if got := descriptors(t); got != before+3 || h.given.Load() {
		t.Errorf("%d descriptors, want %d more than %d", got, 3, before)
	}
	h.release()
}
