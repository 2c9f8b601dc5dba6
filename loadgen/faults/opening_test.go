//go:build faults

package faults

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fanbench/server/servertest/namespace"
)

// A server that admits 60 of 100: both are counted, and the run is not valid.
func TestFault25SomeRefused(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	serve(t, "--max-connections", "60")
	r := load(t, url, "--workload", "connect", "--connections", "100", "--duration", "500ms").run(noAnswer)
	failed(t, r, "handshake-status", 40, "503")
	g := guard(r, "connected")
	if r.Verdict.Verdict != "invalid" || !g.Tripped || g.Value == nil || *g.Value != 0.6 {
		t.Errorf("verdict %+v, want invalid with 0.6 connected", r.Verdict)
	}
}

// unopened runs against a target that opens nothing: the run ends by itself and
// says how all 20 connections failed.
func unopened(t *testing.T, g *generator, problem string) {
	t.Helper()
	g.begin().ends(noAnswer)
	if last := g.log.last(); !strings.HasPrefix(last, "loadgen: 20 of 20 connections failed: "+problem) {
		t.Errorf("last line %q, want 20 of %q", last, problem)
	}
	if _, err := os.Stat(g.dir); !os.IsNotExist(err) || g.out.Len() > 0 {
		t.Errorf("something was kept (%v) or printed: %q", err, g.out.String())
	}
}

var twenty = []string{"--workload", "connect", "--connections", "20", "--duration", "200ms", "--timeout", "500ms"}

// listen has each connection handled until the handler returns.
func listen(t *testing.T, handle func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// mute reads and says nothing.
func mute(conn net.Conn) {
	for b := make([]byte, 4096); ; {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

func TestFault26HandshakeNeverAnswered(t *testing.T) {
	unopened(t, load(t, "ws://"+listen(t, mute), twenty...), "handshake-timeout: no answer to the handshake within 500ms")
}

// With 100 local ports, 250 connections are spread over loopback addresses. Those
// whose address has no port left fail by name; once it has, all open.
func TestFault27PortsExhausted(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const ports, connections = 100, 250
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40099"), 0); err != nil {
		t.Fatal(err)
	}
	serve(t)
	var held []*net.TCPConn
	for range ports {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, Control: portByConnect}
		conn, err := dialer.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held = append(held, conn.(*net.TCPConn))
	}
	args := []string{"--workload", "connect", "--connections", fmt.Sprint(connections), "--duration", "200ms"}
	r := load(t, url, args...).run(noAnswer)
	failed(t, r, "ports-exhausted", 25, "cannot assign requested address") // a quarter of the ports of each address is used
	if g := guard(r, "connected"); !g.Tripped || !strings.Contains(g.Remedy, "widen the port range") {
		t.Errorf("guard %+v", g)
	}

	for _, conn := range held {
		_ = conn.SetLinger(0) // or the port would rest in TIME_WAIT
		_ = conn.Close()
	}
	r = load(t, url, args...).run(fine)
	if n := r.Metrics["connections_per_second"].N; n != connections || len(r.Failures) != 0 {
		t.Errorf("%d connections, failures %+v; want all %d", n, r.Failures, connections)
	}
}

// portByConnect leaves the choice of a port to connect, which looks for one that
// is free towards the target. A port that bind has chosen is nobody else's, from
// whatever address.
func portByConnect(_, _ string, socket syscall.RawConn) (err error) {
	if failed := socket.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}); failed != nil {
		return failed
	}
	return err
}

func TestFault28DescriptorsExhausted(t *testing.T) {
	accepted := make(chan struct{}, 1000)
	address := listen(t, func(net.Conn) { accepted <- struct{}{} })
	g := load(t, "ws://"+address, "--workload", "connect", "--connections", "200")
	g.cmd.Args = append([]string{"sh", "-c", `ulimit -n 100 && exec "$@"`, "sh", g.cmd.Path}, g.cmd.Args[1:]...)
	g.cmd.Path = "/bin/sh"
	g.begin().ends(noAnswer)
	if said := g.log.last(); !strings.HasPrefix(said, "loadgen: preflight: file descriptors: need 264 in ") || !strings.Contains(said, ", have 100; use --workers 6") {
		t.Errorf("said %q", said)
	}
	if len(accepted) != 0 {
		t.Errorf("%d connections before it refused", len(accepted))
	}
}

// Names are looked up with a server of the test's.
func TestFault29NameNotResolved(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	names, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	go func() {
		const flags, isAnswer, noSuchName = 2, 0x80, 3 // RFC 1035 §4.1.1
		for b := make([]byte, 512); ; {
			n, from, err := names.ReadFrom(b)
			if err != nil {
				return
			}
			if strings.Contains(string(b[:n]), "silent") {
				continue
			}
			b[flags] |= isAnswer
			b[flags+1] = noSuchName
			_, _ = names.WriteTo(b[:n], from)
		}
	}()
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(conf, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("mount resolv.conf: %v", err)
	}
	for host, problem := range map[string]string{"nowhere.test": "dns-no-such-name: ", "silent.test": "dns-timeout: "} {
		t.Run(host, func(t *testing.T) {
			g := load(t, "ws://"+host+":9001", twenty...)
			g.cmd.Env = append(os.Environ(), "GODEBUG=netdns=go")
			unopened(t, g, problem+"lookup "+host)
		})
	}
}

// Whatever is wrong with TLS has a bucket of its own, and is not looked over
// unless somebody says so, which the result repeats.
func TestFault30TLS(t *testing.T) {
	authority := newAuthority(t)
	for _, c := range []struct {
		name, address, problem string
	}{
		{"expired", secure(t, authority.issue("127.0.0.1", -time.Hour)), "tls-expired: "},
		{"wrong name", secure(t, authority.issue("127.0.0.2", time.Hour)), "tls-name: "},
		{"unknown authority", secure(t, newAuthority(t).issue("127.0.0.1", time.Hour)), "tls-authority: "},
		{"stalled", listen(t, mute), "tls-timeout: no end of the TLS handshake within 500ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := twenty
			if c.name != "stalled" {
				args = append(args[:len(args):len(args)], "--timeout", "30s") // only to be decided by the certificate
			}
			unopened(t, load(t, "wss://"+c.address, append(args, "--ca", authority.file())...), c.problem)
			if c.name == "stalled" {
				return
			}
			r := load(t, "wss://"+c.address, append(args, "--insecure")...).run(fine)
			if r.TLS == nil || !r.TLS.Insecure || len(r.Failures) != 0 {
				t.Errorf("TLS %+v, failures %+v; want it open and said to be insecure", r.TLS, r.Failures)
			}
		})
	}
}

// hold opens and holds a WebSocket, for those who come through TLS.
var hold = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
})
