package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ==" // of RFC 6455 §1.3

func TestAppendSwitching(t *testing.T) {
	got := string(AppendSwitching(nil, sampleKey, "chat", "permessage-deflate"))
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	buffer := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() { AppendSwitching(buffer, sampleKey, "", "") }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// Row 20.
func TestChooseProtocol(t *testing.T) {
	tests := []struct {
		name              string
		offered, accepted []string
		want              string
	}{
		{"the peer's order", []string{"x", "b", "a"}, []string{"a", "b"}, "b"},
		{"none known", []string{"x"}, []string{"a"}, ""},
		{"another case is another protocol", []string{"A"}, []string{"a"}, ""},
		{"none offered", nil, []string{"a"}, ""},
		{"none accepted", []string{"a"}, nil, ""},
	}
	for _, test := range tests {
		if got := ChooseProtocol(test.offered, test.accepted); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// Row 22. RFC 6455 §9.1.
func TestExtensionLists(t *testing.T) {
	for list, want := range map[string]bool{
		"a":                   true,
		"a, b":                true,
		",a,,b,":              true,
		"a;b;c=d , e ; f = g": true,
		`a; b="c"`:            true,
		`a; b="\c\d"`:         true,
		"permessage-deflate; client_max_window_bits; server_max_window_bits=10": true,
		"":           false,
		",":          false,
		" ":          false,
		"a b":        false,
		"a;":         false,
		"a;;b":       false,
		"a;=b":       false,
		"a;b=":       false,
		"=":          false,
		"a=b":        false,
		"a/b":        false,
		`a; b="c d"`: false,
		`a; b=""`:    false,
		`a; b="c`:    false,
		`a; b="\`:    false,
		`a; b="c"d`:  false,
		`"a"`:        false,
		"a; b=c=d":   false,
		"\xc3\xa9":   false,
	} {
		if got := validExtensions([]byte(list)); got != want {
			t.Errorf("%q: %v, want %v", list, got, want)
		}
	}
}

// Row 23.
func TestOrigins(t *testing.T) {
	origins, err := ParseOrigins([]string{"https://good.com", "http://Dev.example:8080", "https://[::1]:443"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"":                         true, // not a browser
		"https://good.com":         true,
		"https://good.com:443":     true,
		"HTTPS://GOOD.com":         true,
		"http://dev.example:8080":  true,
		"https://[::1]":            true,
		"null":                     false,
		"http://good.com":          false,
		"https://good.com:80":      false,
		"https://good.com:8443":    false,
		"https://good.com.evil.io": false,
		"https://evil.good.com":    false,
		"https://evilgood.com":     false,
		"https://good.com/":        false,
		"https://good.com@evil.io": false,
		"https://good.com, null":   false,
		"https://good.com:":        false,
		"https://good.com:0443":    false,
		"http://dev.example":       false,
		"good.com":                 false,
		"https://":                 false,
		"https://:443":             false,
		"https://good.\u212aom":    false,
	} {
		if got := origins.Allows(origin, "good.com"); got != want {
			t.Errorf("%q: allowed %v, want %v", origin, got, want)
		}
	}
	for _, bad := range []string{"", "good.com", "https://good.com/path", "https://good.com:http", "https://a.*", "null"} {
		if _, err := ParseOrigins([]string{bad}); err == nil {
			t.Errorf("%q passes as an origin", bad)
		}
	}
	if _, err := ParseOrigins([]string{"https://good.com", AnyOrigin}); err == nil {
		t.Error("any origin passes in a list of others, which would mean nothing")
	}
}

func TestOwnOrigin(t *testing.T) {
	tests := []struct {
		list         string
		origin, host string
		want         bool
	}{
		{"self", "http://a.example:9001", "a.example:9001", true},
		{"self", "https://a.example:9001", "a.example:9001", true},
		{"self", "http://A.example", "a.Example", true},
		{"self", "http://a.example", "a.example:80", true},
		{"self", "https://a.example:443", "a.example", true},
		{"self", "https://[::1]:9001", "[::1]:9001", true},
		{"self", "", "a.example", true},
		{"self", "https://a.example", "a.example:80", false},
		{"self", "http://a.example:9002", "a.example:9001", false},
		{"self", "ftp://a.example", "a.example", false},
		{"self", "http://a.example.evil.io", "a.example", false},
		{"self", "null", "null", false},
		{"self,http://b.example", "http://b.example", "a.example", true},
		{"self,http://b.example", "http://a.example", "a.example", true},
		{"self,http://b.example", "http://c.example", "a.example", false},
		{"*", "http://c.example", "a.example", true},
		{"*", "null", "a.example", true},
	}
	for _, test := range tests {
		origins, err := ParseOrigins(strings.Split(test.list, ","))
		if err != nil {
			t.Fatal(err)
		}
		if got := origins.Allows(test.origin, test.host); got != test.want {
			t.Errorf("%s: %q at %q: allowed %v, want %v", test.list, test.origin, test.host, got, test.want)
		}
	}
}

func TestRefusalsAreDistinct(t *testing.T) {
	seen := map[string]*Refusal{}
	for _, r := range []*Refusal{RefuseNotFound, RefuseMethod, RefuseOrigin, RefuseTimeout, RefuseRate, RefuseAddress, RefuseBusy, RefuseDraining, RefuseNotUpgrade} {
		if other := seen[r.Reason]; other != nil || r.Text == "" {
			t.Errorf("%s: a second refusal, or one that says nothing", r.Reason)
		}
		seen[r.Reason] = r
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(r.Append(nil))), nil)
		if err != nil || response.StatusCode != r.Status || !response.Close {
			t.Errorf("%s: %+v, error %v", r.Reason, response, err)
		}
	}
}

func BenchmarkHandshake(b *testing.B) {
	head := []byte(with("Origin: https://example.com\r\n", "User-Agent: a browser\r\n"))
	var p Parser
	var r Request
	reply := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		whole, _, _ := p.Next(head)
		if refusal := r.Parse(whole); refusal != nil {
			b.Fatal(refusal.Reason)
		}
		u, refusal := r.Upgrade()
		if refusal != nil {
			b.Fatal(refusal.Reason)
		}
		reply = AppendSwitching(reply[:0], u.Key, "", "")
	}
}
