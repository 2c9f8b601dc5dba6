package engine

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/stamp"
	"fanbench/loadgen/result"
	"fanbench/server/frame"
)

func TestFailedHandshakes(t *testing.T) {
	answer := func(text string) script {
		return script{answer: func(key string) []byte {
			accept := acceptKey([]byte(key))
			return []byte(strings.ReplaceAll(text, "KEY", string(accept[:])))
		}}
	}
	for _, c := range []struct {
		name    string
		script  script
		bucket  string
		example string
	}{
		{"not found", answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "handshake-status", "HTTP/1.1 404 Not Found"},
		{"a status like 101", answer("HTTP/1.1 1010 Switching\r\n\r\n"), "handshake-status", "HTTP/1.1 1010"},
		{"wrong accept key", answer("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: c2FtcGxl\r\n\r\n"),
			"bad-accept-key", "c2FtcGxl"},
		{"no accept key", answer("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), "bad-accept-key", "no Sec-WebSocket-Accept"},
		{"no Upgrade", answer("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n"), "handshake-answer", "Upgrade"},
		{"no Connection", answer("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: KEY\r\n\r\n"), "handshake-answer", "Connection"},
		{"extension not offered", answer("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
			"handshake-answer", "not offered"},
		{"HTTP/1.0", answer("HTTP/1.0 200 OK\r\n\r\n"), "handshake-answer", "HTTP/1.0"},
		{"not HTTP", answer("SSH-2.0-OpenSSH\r\n\r\n"), "handshake-answer", "SSH-2.0"},
		{"endless head", answer("HTTP/1.1 101 Switching\r\nX: " + strings.Repeat("x", maxAnswer)), "handshake-answer", "longer than"},
		{"never answered", answer(""), "handshake-timeout", "no answer to the handshake within 100ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := scenarioOf(t, "workload", "connect", "connections", "5")
			s.Phases.Ramp.Timeout = 100 * time.Millisecond
			if c.bucket != "handshake-timeout" {
				s.Phases.Ramp.Timeout = patience
			}
			e := startEngine(t, configOf(t, s, 0, startPeer(t, c.script).address()))
			ramp := e.Ramp(context.Background())
			if ramp.Requested != 5 || ramp.Opened != 0 || ramp.NotAttempted != 0 {
				t.Errorf("opened %d of %d, %d not attempted", ramp.Opened, ramp.Requested, ramp.NotAttempted)
			}
			wantFailure(t, ramp.Failures, c.bucket, 5, c.example)
		})
	}
}

// TestAcceptedAnswers: what RFC 6455 allows an answer to look like.
func TestAcceptedAnswers(t *testing.T) {
	for name, text := range map[string]string{
		"any case":      "HTTP/1.1 101 \r\nUPGRADE: WebSocket\r\nconnection: upgrade\r\nsec-websocket-accept: KEY\r\n\r\n",
		"token in list": "HTTP/1.1 101 Switching Protocols\r\nUpgrade:websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept:\tKEY \r\nServer: x\r\n\r\n",
		"two fields":    "HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nConnection: keep-alive\r\nSec-WebSocket-Accept: KEY\r\n\r\n",
	} {
		// The key and its answer are the example of RFC 6455 §1.3.
		key := "dGhlIHNhbXBsZSBub25jZQ=="
		head := strings.ReplaceAll(text, "KEY", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
		for split := range len(head) {
			h := &handshake{key: [keyLength]byte([]byte(key))}
			_, done, bucket, example := h.take([]byte(head[:split]))
			if done || bucket != "" {
				t.Fatalf("%s: done after %d of %d bytes: %s %s", name, split, len(head), bucket, example)
			}
			rest, done, bucket, example := h.take([]byte(head[split:] + "frames"))
			if !done || bucket != "" || string(rest) != "frames" {
				t.Errorf("%s, split at %d: done %t, rest %q, %s %s", name, split, done, rest, bucket, example)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ connections, failed, notAttempted int }{{20, 20, 0}, {2000, hopeless, 2000 - hopeless}} {
		s := scenarioOf(t, "workload", "connect", "connections", fmt.Sprint(c.connections))
		e := startEngine(t, configOf(t, s, 0, refusedAddress(t)))
		ramp := e.Ramp(context.Background())
		if ramp.Opened != 0 || len(ramp.Failures) != 1 || int(ramp.Failures[0].Count)+ramp.NotAttempted != c.connections {
			t.Fatalf("%+v", ramp)
		}
		if int(ramp.Failures[0].Count) < c.failed || ramp.NotAttempted > c.notAttempted {
			t.Errorf("%d failures, %d not attempted, want %d and %d", ramp.Failures[0].Count, ramp.NotAttempted, c.failed, c.notAttempted)
		}
		wantFailure(t, ramp.Failures, "refused", ramp.Failures[0].Count, "connection refused")
		if tick := e.Tick(); tick.Open != 0 || tick.Failed != int(ramp.Failures[0].Count) {
			t.Errorf("tick: %d open, %d failed", tick.Open, tick.Failed)
		}
	}
}

// TestRampInterrupted ends a ramp against a target that never answers.
func TestRampInterrupted(t *testing.T) {
	s := scenarioOf(t, "workload", "connect", "connections", "500")
	s.Loops = 2
	target := startPeer(t, script{answer: func(string) []byte { return nil }})
	config := configOf(t, s, 0, target.address())
	config.InFlight = 16
	e := startEngine(t, config)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan Ramp)
	go func() { done <- e.Ramp(ctx) }()
	eventually(t, "connections under way", func() bool {
		n := 0
		target.each(func(*peerConn) { n++ })
		return n == 16
	})
	cancel()
	ramp := <-done
	if ramp.Opened != 0 || ramp.NotAttempted != 484 {
		t.Errorf("%+v", ramp)
	}
	wantFailure(t, ramp.Failures, "interrupted", 16, "")
}

// TestPacedRamp opens at a rate.
func TestPacedRamp(t *testing.T) {
	config := configOf(t, scenarioOf(t, "workload", "connect", "connections", "20"), 0, startPeer(t, script{}).address())
	config.RampRate = 1000
	ramped(t, startEngine(t, config))
}

// TestGluedDeliveries: what comes in one piece with the 101 answer counts.
func TestGluedDeliveries(t *testing.T) {
	s := fanoutOf(t, 3, 1, 1)
	var glue []byte
	payload := make([]byte, 128)
	stamp.Padding(payload[stamp.Size:])
	for sequence := range uint64(3) {
		stamp.Encode(payload, stamp.Stamp{Run: 0xdecade, Sequence: sequence})
		glue = frame.AppendFrame(glue, ws.OpText, payload)
	}
	config := configOf(t, s, 0, startPeer(t, script{glue: glue}).address())
	e := startEngine(t, config)
	ramped(t, e)
	a := e.Settle([]Closing{{Publisher: 0, WarmUp: 3}})
	same(t, a.Ledger, result.Ledger{Expected: 9, Delivered: 9})
	if a.Glued != 12 {
		t.Errorf("%d glued frames, want 3 on each of 4 connections", a.Glued)
	}
	if a.ToPublishers != 3 {
		t.Errorf("%d messages to publishers, want 3", a.ToPublishers)
	}
}

func TestBuckets(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.ECONNREFUSED: "refused", unix.ECONNRESET: "reset", unix.ETIMEDOUT: "timeout",
		unix.EADDRNOTAVAIL: "ports-exhausted", unix.EMFILE: "descriptors", unix.ENFILE: "descriptors",
		unix.EHOSTUNREACH: "unreachable", unix.ENETUNREACH: "unreachable", unix.EINVAL: "socket",
	} {
		if got := bucketOf(errno); got != want {
			t.Errorf("%v is in bucket %s, want %s", errno, got, want)
		}
	}
}

// TestPortsExhausted binds to an address that is not this machine's.
func TestPortsExhausted(t *testing.T) {
	config := configOf(t, scenarioOf(t, "workload", "connect", "connections", "3"), 0, startPeer(t, script{}).address())
	config.Sources = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	ramp := startEngine(t, config).Ramp(context.Background())
	wantFailure(t, ramp.Failures, "ports-exhausted", 3, "cannot assign requested address")
}

func TestConfigIsChecked(t *testing.T) {
	good := configOf(t, fanoutOf(t, 1, 1, 1), 0, refusedAddress(t))
	for name, spoil := range map[string]func(*Config){
		"plan":      func(c *Config) { c.Plan = nil },
		"worker":    func(c *Config) { c.Worker = 1 },
		"address":   func(c *Config) { c.Address = netip.AddrPort{} },
		"path":      func(c *Config) { c.Path = nil },
		"in flight": func(c *Config) { c.InFlight = 0 },
	} {
		bad := good
		spoil(&bad)
		if e, err := New(bad); err == nil {
			e.Close()
			t.Errorf("%s: no error", name)
		}
	}
}
