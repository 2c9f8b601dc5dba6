package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fanbench/loadgen/result"
)

// names is a resolver that knows nothing of the network.
type names func(ctx context.Context, host string) ([]netip.Addr, error)

func (n names) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return n(ctx, host)
}

// TestResolving: fault 29, each failure in its bucket, before anything starts.
func TestResolving(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  names
		address string
		problem string
	}{
		{"IPv4 preferred", func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.9")}, nil
		}, "127.0.0.9:443", ""},
		{"IPv6 alone", func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("::1")}, nil
		}, "[::1]:443", ""},
		{"no such name", func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}, "", "21 of 21 connections failed: dns-no-such-name: lookup nowhere.test: no such host"},
		{"no answer", func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
		}, "", "21 of 21 connections failed: dns-timeout: lookup nowhere.test: i/o timeout"},
		{"given up", func(context.Context, string) ([]netip.Addr, error) {
			return nil, context.DeadlineExceeded
		}, "", "21 of 21 connections failed: dns-timeout: "},
		{"server misbehaving", func(_ context.Context, host string) ([]netip.Addr, error) {
			return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
		}, "", "21 of 21 connections failed: dns: lookup nowhere.test: server misbehaving"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := runCommand{workloadFlags: workloadFlags{Connections: "20", Seed: "1"}, URL: "wss://nowhere.test"}
			config, err := run.prepare(c.answer)
			if c.problem == "" {
				if err != nil || config.Address.String() != c.address || config.TLS.ServerName != "nowhere.test" {
					t.Errorf("address %v, TLS %+v, %v", config.Address, config.TLS, err)
				}
				return
			}
			var f failure
			if !errors.As(err, &f) || f.status != exitNoAnswer || !strings.HasPrefix(err.Error(), c.problem) {
				t.Errorf("error %v, want %q and status 3", err, c.problem)
			}
		})
	}
}

func TestTooFewTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("one\r\ntwo\nthree"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, problem := loadgen("run", "--url", "ws://127.0.0.1:1", "--connections", "20", "--header", "X: {token}", "--token-file", file)
	if want := "--token-file " + file + ": 3 tokens for 21 connections; give each its own"; status != exitUsage || !strings.Contains(problem, want) {
		t.Errorf("status %d, %q, want %q", status, problem, want)
	}
	if err := os.WriteFile(file, []byte("one\n\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, problem = loadgen("run", "--url", "ws://127.0.0.1:1", "--connections", "2", "--header", "X: {token}", "--token-file", file)
	if want := file + ":2: want one token a line"; status != exitUsage || !strings.Contains(problem, want) {
		t.Errorf("status %d, %q, want %q", status, problem, want)
	}
}

// TestTokensInThePath: each connection's own stands in its path and in its
// query, means there what it means in the file, and is nowhere afterwards.
func TestTokensInThePath(t *testing.T) {
	rooms := &peer{}
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.URL.Path+" "+r.URL.Query().Get("token")+" "+r.URL.Query().Get("id")]++
		mu.Unlock()
		r.URL.Path, r.URL.RawQuery = "/room", ""
		rooms.ServeHTTP(w, r)
	}))
	defer server.Close()
	token := func(i int) string { return fmt.Sprintf("hush/ +=&?%%2B#%d", i) }
	var lines strings.Builder
	for i := range 21 {
		fmt.Fprintln(&lines, token(i))
	}
	file, out := filepath.Join(t.TempDir(), "tokens"), t.TempDir()
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/user/{token}/{room}?id={connection}&token={token}"
	status, printed, problem := loadgen(brief(url, "--out", out, "--token-file", file, "--workers", "2")...)
	if status != exitFine {
		t.Fatalf("status %d, %s%s", status, printed, problem)
	}
	for id := range 21 {
		if want := fmt.Sprintf("/user/%s/0 %s %d", token(id), token(id), id); seen[want] != 1 {
			t.Errorf("no request %q: %v", want, seen)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, result.FileName))
	if err != nil || strings.Contains(string(text)+printed+problem, "hush") {
		t.Errorf("a token stands in the result or the output (%v)", err)
	}
}

// TestWSS runs the whole program against a server of another library over TLS,
// with a token for each connection that appears nowhere afterwards.
func TestWSS(t *testing.T) {
	rooms := &peer{}
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Header.Get("Authorization")+" "+r.Header.Get("X-Key")]++
		mu.Unlock()
		rooms.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	server.StartTLS()
	defer server.Close()
	folder := t.TempDir()
	ca, tokens := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "tokens")
	var lines strings.Builder
	for i := range 30 {
		fmt.Fprintf(&lines, "confidential-%d\n", i)
	}
	for file, content := range map[string][]byte{
		ca:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		tokens: []byte(lines.String()),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := "wss" + strings.TrimPrefix(server.URL, "https")
	for name, trust := range map[string][]string{"authority": {"--ca", ca}, "unchecked": {"--insecure"}} {
		t.Run(name, func(t *testing.T) {
			clear(seen)
			out := filepath.Join(folder, name)
			arguments := append(brief(url, "--out", out, "--header", "Authorization: Bearer {token}", "--header", "X-Key: private-0815",
				"--token-file", tokens), trust...)
			status, printed, problem := loadgen(arguments...)
			if status != exitFine {
				t.Fatalf("status %d, %s%s", status, printed, problem)
			}
			text, err := os.ReadFile(filepath.Join(out, result.FileName))
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"confidential", "private-0815"} {
				if strings.Contains(string(text)+printed+problem, secret) {
					t.Errorf("%s stands in the result or the output", secret)
				}
			}
			var r result.Result
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			if r.TLS == nil || r.TLS.ServerName != "127.0.0.1" || r.TLS.Insecure != (name == "unchecked") || (r.TLS.Authorities == "") != r.TLS.Insecure {
				t.Errorf("TLS %+v", r.TLS)
			}
			if strings.Contains(printed, "certificate was not checked") != r.TLS.Insecure {
				t.Errorf("warned wrongly of the certificate:\n%s", printed)
			}
			if strings.Join(r.Headers, " ") != "Authorization X-Key" {
				t.Errorf("headers %v", r.Headers)
			}
			if r.Metrics["tls_handshake.p50"].Value <= 0 || r.Metrics["tls_handshake.p50"].N != uint64(len(seen)) {
				t.Errorf("tls_handshake.p50 %+v of %d connections", r.Metrics["tls_handshake.p50"], len(seen))
			}
			if r.Ledger.Delivered == 0 || r.Ledger.Delivered != r.Ledger.Expected {
				t.Errorf("ledger %+v", r.Ledger)
			}
			for id := range 21 {
				if seen[fmt.Sprintf("Bearer confidential-%d private-0815", id)] != 1 {
					t.Errorf("connection %d: requests %v", id, seen)
				}
			}
		})
	}
	t.Run("not trusted", func(t *testing.T) {
		_, _, problem := loadgen(brief(url, "--timeout", (10 * time.Second).String())...)
		if want := "21 of 21 connections failed: tls-authority: "; !strings.Contains(problem, want) {
			t.Errorf("%q, want %q", problem, want)
		}
	})
}
