package engine

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/stamp"
	"fanbench/loadgen/result"
	"fanbench/server/frame"
)

// authority is a certificate authority of one test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, key := a.sign(template, template, nil)
	a.key = key
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// pem is what --ca reads.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue makes a server's configuration, of a certificate for name that expires
// so long from now.
func (a *authority) issue(name string, expires time.Duration) *tls.Config {
	a.t.Helper()
	der, key := a.sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(expires),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.cert, a.key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

const serverName = "target.test"

// secured is a correct peer of wss, and how to speak to it.
func secured(t testing.TB) (*tls.Config, *TLS) {
	t.Helper()
	a := newAuthority(t)
	return a.issue(serverName, time.Hour), &TLS{ServerName: serverName, Authorities: a.pem()}
}

// raw accepts connections and hands them to a handler; those that it returns
// from are closed.
func raw(t *testing.T, handle func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handle(conn.(*net.TCPConn))
			conn.Close()
		}
	}()
	return netip.MustParseAddrPort(listener.Addr().String())
}

func TestTLSFailures(t *testing.T) {
	good := newAuthority(t)
	trusting := TLS{ServerName: serverName, Authorities: good.pem()}
	serving := func(c *tls.Config) func(*testing.T) netip.AddrPort {
		return func(t *testing.T) netip.AddrPort { return startPeer(t, script{tls: c}).address() }
	}
	behaving := func(handle func(*net.TCPConn)) func(*testing.T) netip.AddrPort {
		return func(t *testing.T) netip.AddrPort { return raw(t, handle) }
	}
	old := good.issue(serverName, time.Hour)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	for _, c := range []struct {
		name    string
		target  func(*testing.T) netip.AddrPort
		tls     TLS
		bucket  string // empty if the connections open
		example string
	}{
		{"valid", serving(good.issue(serverName, time.Hour)), trusting, "", ""},
		{"expired", serving(good.issue(serverName, -time.Hour)), trusting, "tls-expired", "certificate has expired"},
		{"expired, unchecked", serving(good.issue("elsewhere.test", -time.Hour)), TLS{ServerName: serverName, Insecure: true}, "", ""},
		{"wrong name", serving(good.issue("elsewhere.test", time.Hour)), trusting, "tls-name", "elsewhere.test, not target.test"},
		{"unknown authority", serving(newAuthority(t).issue(serverName, time.Hour)), trusting, "tls-authority", "unknown authority"},
		{"no authority of ours", serving(good.issue(serverName, time.Hour)), TLS{ServerName: serverName}, "tls-authority", "unknown authority"},
		{"only old versions", serving(old), trusting, "tls", "protocol version"},
		{"stalled", behaving(func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }), trusting, "tls-timeout", "no end of the TLS handshake within 150ms"},
		{"not TLS", behaving(func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		}), trusting, "tls", "does not look like a TLS handshake"},
		{"ended", behaving(func(c *net.TCPConn) { _, _ = c.Read(make([]byte, 4096)) }), trusting,
			"closed-during-handshake", "during the TLS handshake"},
		{"reset", behaving(func(c *net.TCPConn) { _, _ = c.Read(make([]byte, 1)); _ = c.SetLinger(0) }), trusting,
			"reset", "connection reset by peer"},
		{"flooded", behaving(func(c *net.TCPConn) {
			header := []byte{22, 3, 3, 0x3f, 0xff} // a handshake's record, whose bytes say a message of 16 MiB
			header = append(header, 2, 0xff, 0xff, 0xff)
			flood := append(header, make([]byte, 1<<20)...)
			_, _ = c.Write(flood)
			_, _ = io.Copy(io.Discard, c)
		}), trusting, "tls", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := scenarioOf(t, "workload", "connect", "connections", "3")
			s.Phases.Ramp.Timeout = patience
			if c.bucket == "tls-timeout" {
				s.Phases.Ramp.Timeout = 150 * time.Millisecond
			}
			config := configOf(t, s, 0, c.target(t))
			config.TLS, config.InFlight = &c.tls, 3
			e := startEngine(t, config)
			ramp := e.Ramp(context.Background())
			if c.bucket == "" {
				if ramp.Opened != 3 {
					t.Errorf("%+v", ramp)
				}
				return
			}
			wantFailure(t, ramp.Failures, c.bucket, 3, c.example)
		})
	}
}

// TestTLSWorkloads counts every delivery over wss, in both versions and on two
// loops.
func TestTLSWorkloads(t *testing.T) {
	for _, c := range []struct {
		name        string
		version     uint16
		connections int
		echo        bool
	}{
		{"TLS 1.2 fan-out", tls.VersionTLS12, 200, false},
		{"TLS 1.3 fan-out", tls.VersionTLS13, 200, false},
		{"TLS 1.3 echo", tls.VersionTLS13, 20, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			serving, asking := secured(t)
			serving.MaxVersion = c.version
			versions := make(chan string, 2*c.connections)
			target := startPeer(t, script{tls: serving, requested: func(r *http.Request) { versions <- r.Proto }})
			s := fanoutOf(t, c.connections, 4, 4)
			members := uint64(c.connections / 4)
			if c.echo {
				s, members = echoOf(t, c.connections), 1
			}
			s.Loops = 2
			config := configOf(t, s, 0, target.address())
			config.TLS = asking
			e := startEngine(t, config)
			ramped(t, e)
			phase(t, plan.WarmUp, allDelivered, e)
			phase(t, plan.Measure, allDelivered, e)
			a := settle(e)[0]
			balanced(t, a)
			same(t, a.Ledger, result.Ledger{Expected: 150 * members, Delivered: 150 * members})
			if got, want := a.Histograms[TLSHandshake].Count(), int64(config.Plan.Connections()); got != want || len(versions) != int(want) {
				t.Errorf("%d TLS handshakes recorded, %d requests, want %d", got, len(versions), want)
			}
			if len(a.Failures) != 0 || a.MissingStamps != 0 {
				t.Errorf("failures %+v, %d arrivals without a stamp", a.Failures, a.MissingStamps)
			}
		})
	}
}

// TestTLSBlockedPublications: back-pressure under TLS. Publications wait in
// order and leave whole.
func TestTLSBlockedPublications(t *testing.T) {
	serving, asking := secured(t)
	stall := make(chan struct{})
	target := startPeer(t, script{stall: stall, tls: serving})
	config := configOf(t, bulkyOf(t), 0, target.address())
	config.TLS = asking
	e := startEngine(t, config)
	ramped(t, e)
	e.Begin(plan.Measure, e.config.Epoch)
	eventually(t, "first attempts", func() bool { return e.Settle(nil).Histograms[SendLag].Count() == 100 })
	if e.Sent() {
		t.Fatal("everything left, and nobody read")
	}
	publisher := publisherOf(target)
	if _, err := publisher.Write(frame.AppendFrame(nil, ws.OpPing, []byte("now?"))); err != nil {
		t.Fatal(err)
	}
	close(stall)
	eventually(t, "publications to leave", e.Sent)
	eventually(t, "deliveries", func() bool { return allDelivered(e.Tick()) })
	a := settle(e)[0]
	balanced(t, a)
	if a.Ledger.Sent != 100 || a.Ledger.Delivered != 100 || a.Ledger.Reordered != 0 || a.Ledger.Corrupt != 0 || len(a.Failures) != 0 {
		t.Errorf("ledger %+v, failures %+v", a.Ledger, a.Failures)
	}
	eventually(t, "a pong", func() bool {
		publisher.mu.Lock()
		defer publisher.mu.Unlock()
		return publisher.pongs == 1
	})
}

// TestTLSEndings: how an open connection under TLS ends.
func TestTLSEndings(t *testing.T) {
	for _, c := range []struct {
		name    string
		end     func(*tls.Conn)
		bucket  string
		example string
	}{
		{"Close frame", func(c *tls.Conn) { _, _ = c.Write(frame.AppendClose(nil, 1008, "slow")) }, "closed-1008", "close code 1008: slow"},
		{"close_notify", func(c *tls.Conn) { _ = c.CloseWrite() }, "closed", "without a Close frame"},
		{"without either", func(c *tls.Conn) { _ = c.NetConn().Close() }, "closed", "without a Close frame"},
		{"a record that is not authentic", func(c *tls.Conn) {
			_, _ = c.NetConn().Write(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
		}, "tls", "bad record MAC"},
		{"bytes that are no record", func(c *tls.Conn) { _, _ = c.NetConn().Write([]byte("HTTP/1.1 500 Oops\r\n\r\n")) }, "tls", "tls: "},
		{"a masked frame", func(c *tls.Conn) {
			_, _ = c.Write(frame.AppendMasked(nil, ws.OpText, []byte("hello"), [4]byte{1, 2, 3, 4}))
		}, "protocol-masked", "masked (close code 1002)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			serving, asking := secured(t)
			target := startPeer(t, script{tls: serving})
			config := configOf(t, scenarioOf(t, "workload", "connect", "connections", "3"), 0, target.address())
			config.TLS = asking
			e := startEngine(t, config)
			ramped(t, e)
			target.each(func(p *peerConn) { c.end(p.Conn.(*tls.Conn)) })
			eventually(t, "the end", func() bool { return e.Tick().Closed == 3 })
			a := settle(e)[0]
			wantFailure(t, a.Failures, c.bucket, 3, c.example)
		})
	}
}

// TestTLSGlued: what comes in one write with the 101 answer, in one record or
// behind it, counts.
func TestTLSGlued(t *testing.T) {
	serving, asking := secured(t)
	s := fanoutOf(t, 3, 1, 1)
	config := configOf(t, s, 0, startPeer(t, script{tls: serving, glue: glueOf(5)}).address())
	config.TLS = asking
	e := startEngine(t, config)
	ramped(t, e)
	eventually(t, "deliveries", func() bool { return e.Tick().Delivered == 15 })
	a := e.Settle([]Closing{{Publisher: 0, WarmUp: 5}})
	same(t, a.Ledger, result.Ledger{Expected: 15, Delivered: 15})
	if a.Glued != 20 {
		t.Errorf("%d glued frames, want 5 on each of 4 connections", a.Glued)
	}
}

// glueOf is publisher 0's first publications.
func glueOf(n uint64) (frames []byte) {
	payload := make([]byte, 128)
	stamp.Padding(payload[stamp.Size:])
	for sequence := range n {
		stamp.Encode(payload, stamp.Stamp{Run: 0xdecade, Sequence: sequence})
		frames = frame.AppendFrame(frames, ws.OpText, payload)
	}
	return frames
}

// layered is a layer whose handshake is over, and the server's end, whose
// ciphertext stays in wire until it is taken.
func layered(t testing.TB, version uint16) (layer *tlsLayer, server *tls.Conn, wire *bytes.Buffer) {
	t.Helper()
	serving, asking := secured(t)
	serving.MaxVersion = version
	config, err := asking.Config()
	if err != nil {
		t.Fatal(err)
	}
	layer = newTLSLayer(config)
	toServer := make(chan []byte, 16)
	layer.push = func() { toServer <- bytes.Clone(layer.take()) }
	wire = &bytes.Buffer{}
	pipe := &memory{in: toServer, out: func(b []byte) { _ = layer.feed(b) }}
	server = tls.Server(pipe, serving)
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := layer.conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	pipe.out = func(b []byte) { wire.Write(b) }
	if err := layer.settle(); err != nil {
		t.Fatal(err)
	}
	if plain, edge, err := layer.decrypt(make([]byte, 0, plainBuffer), nil); len(plain) > 0 || edge || err != nil {
		t.Fatalf("behind the handshake: %d bytes, edge %t, %v", len(plain), edge, err)
	}
	return layer, server, wire
}

// memory is the server's net.Conn.
type memory struct {
	net.Conn
	in   chan []byte
	left []byte
	out  func([]byte)
}

func (m *memory) Read(p []byte) (int, error) {
	if len(m.left) == 0 {
		m.left = <-m.in
	}
	n := copy(p, m.left)
	m.left = m.left[n:]
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	m.out(p)
	return len(p), nil
}

func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// TestDecryptCutRecords cuts a stream of records everywhere: the plaintext is
// the same, and the end of a read is an edge just where a record ends.
func TestDecryptCutRecords(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		layer, server, wire := layered(t, version)
		plain := make([]byte, 0, plainBuffer)
		for round := range 40 {
			said := []string{"a", "fan-out", "of records"}
			ends := map[int]bool{}
			for _, s := range said {
				if _, err := server.Write([]byte(s)); err != nil {
					t.Fatal(err)
				}
				ends[wire.Len()] = true
			}
			stream := bytes.Clone(wire.Bytes())
			wire.Reset()
			var got []byte
			step := round%7 + 1
			for at := 0; at < len(stream); {
				next := min(at+step, len(stream))
				some, edge, err := layer.decrypt(plain, stream[at:next])
				if err != nil || edge != ends[next] {
					t.Fatalf("%x, bytes %d to %d of %d: edge %t, want %t, %v", version, at, next, len(stream), edge, ends[next], err)
				}
				got = append(got, some...)
				at, step = next, step*2
			}
			if string(got) != "afan-outof records" {
				t.Fatalf("%x: %q", version, got)
			}
		}
	}
}

// TestAlertIsNoEdge: behind the last data of a read came a record without any.
func TestAlertIsNoEdge(t *testing.T) {
	layer, server, wire := layered(t, tls.VersionTLS13)
	if _, err := server.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	if err := server.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	plain, edge, err := layer.decrypt(make([]byte, 0, plainBuffer), wire.Bytes())
	if string(plain) != "last words" || edge || err != io.EOF {
		t.Errorf("%q, edge %t, %v", plain, edge, err)
	}
}

func TestTLSConfigIsChecked(t *testing.T) {
	for name, bad := range map[string]TLS{
		"no name":          {},
		"no certificates":  {ServerName: "a.test", Authorities: []byte("-----BEGIN NONSENSE-----")},
		"broken, unneeded": {Insecure: true, Authorities: []byte("x")},
	} {
		if _, err := bad.Config(); err == nil {
			t.Errorf("%s: no error", name)
		}
		config := configOf(t, fanoutOf(t, 1, 1, 1), 0, refusedAddress(t))
		config.TLS = &bad
		if e, err := New(config); err == nil {
			e.Close()
			t.Errorf("%s: an engine", name)
		}
	}
}
