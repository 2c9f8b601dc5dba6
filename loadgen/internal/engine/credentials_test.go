package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/loadgen/scenario"
	"fanbench/server/frame"
)

// TestCredentials: every connection has its own, over both schemes.
func TestCredentials(t *testing.T) {
	serving, asking := secured(t)
	for name, c := range map[string]struct {
		script script
		tls    *TLS
	}{"ws": {}, "wss": {script{tls: serving}, asking}} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var got, want []string
			c.script.requested = func(r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, r.Header.Get("Authorization")+" "+r.Header.Get("X-Id")+" "+r.Header.Get("X-Plain"))
			}
			s := fanoutOf(t, 4, 2, 2)
			s.Workers = 2
			config := configOf(t, s, 1, startPeer(t, c.script).address())
			config.TLS = c.tls
			config.Credentials.Headers = []scenario.Header{
				{Name: "Authorization", Value: "Bearer {token}"}, {Name: "X-Id", Value: "{connection}/{connection}"}, {Name: "X-Plain", Value: "yes"},
			}
			for _, of := range config.Plan.Share(1).Connections {
				token := fmt.Sprintf("secret-%d", of.ID)
				config.Credentials.Tokens = append(config.Credentials.Tokens, token)
				want = append(want, fmt.Sprintf("Bearer %s %d/%d yes", token, of.ID, of.ID))
			}
			ramped(t, startEngine(t, config))
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("requests with %q, want %q", got, want)
			}
		})
	}
}

func TestCredentialsAreChecked(t *testing.T) {
	config := configOf(t, fanoutOf(t, 4, 1, 1), 0, refusedAddress(t))
	config.Credentials = Credentials{Headers: []scenario.Header{{Name: "A", Value: "{token}"}}, Tokens: make([]string, 4)}
	if e, err := New(config); err == nil || !strings.Contains(err.Error(), "4 tokens for 5 connections") {
		if err == nil {
			e.Close()
		}
		t.Errorf("error %v", err)
	}
	s := fanoutOf(t, 4, 1, 1)
	s.Target.Publish = "/?token={token}"
	if e, err := New(configOf(t, s, 0, refusedAddress(t))); err == nil || !strings.Contains(err.Error(), "0 tokens for 5 connections") {
		if err == nil {
			e.Close()
		}
		t.Errorf("a path: error %v", err)
	}
}

// TestSecretsStayOutOfFailures: what a target repeats of them is left out of
// the example.
func TestSecretsStayOutOfFailures(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0"
	credentials := Credentials{Headers: []scenario.Header{
		{Name: "Authorization", Value: "Bearer {token}"}, {Name: "Cookie", Value: "session=0123456789abcdef"},
	}, Tokens: []string{token}}
	for _, c := range []struct{ said, kept string }{
		{"HTTP/1.1 401 no such token", "HTTP/1.1 401 no such token"},
		{"HTTP/1.1 401 " + token + " is unknown", "HTTP/1.1 401 {token} is unknown"},
		{"HTTP/1.1 401 unknown: " + token[:20], "HTTP/1.1 401 unknown: {token}"},
		{`answer begins with "` + token[:9] + `"`, `answer begins with "{token}"`},
		{"close code 1008: session 0123456789abcdef expired", "close code 1008: session {Cookie} expired"},
	} {
		if got := credentials.scrub(c.said, 0); got != c.kept {
			t.Errorf("%q becomes %q, want %q", c.said, got, c.kept)
		}
	}
	inPath := Credentials{Tokens: []string{"c2Vj/cm V0="}}
	for _, said := range []string{"HTTP/1.1 404 /c2Vj%2Fcm%20V0%3D", "HTTP/1.1 404 /c2Vj%2Fcm%2"} {
		if got := inPath.scrub(said, 0); got != "HTTP/1.1 404 /{token}" {
			t.Errorf("%q becomes %q", said, got)
		}
	}
	answers := map[string]script{
		"an answer": {answer: func(string) []byte { return []byte("HTTP/1.1 401 " + token + "\r\n\r\n") }},
		"a close":   {glue: frame.AppendClose(nil, ws.StatusPolicyViolation, token)},
		"a field":   {answer: func(string) []byte { return []byte("HTTP/1.1 101 Yes\r\n" + token + "\r\n\r\n") }},
	}
	for name, script := range answers {
		config := configOf(t, scenarioOf(t, "workload", "connect", "connections", "1"), 0, startPeer(t, script).address())
		config.Credentials = credentials
		e := startEngine(t, config)
		e.Ramp(context.Background())
		eventually(t, "a failure", func() bool { return len(e.Settle(nil).Failures) == 1 })
		if first := e.Settle(nil).Failures[0].First; strings.Contains(first, token[:revealing]) || !strings.Contains(first, "{token}") {
			t.Errorf("%s: %q", name, first)
		}
	}
}
