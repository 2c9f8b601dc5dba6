package http1

import (
	"runtime"
	"slices"
	"testing"
)

func parse(t *testing.T, head string) *Request {
	t.Helper()
	r := new(Request)
	if refusal := r.Parse([]byte(head)); refusal != nil {
		t.Fatalf("%q is refused: %s", head, refusal.Reason)
	}
	return r
}

func TestTargets(t *testing.T) {
	tests := []struct{ target, path, room string }{
		{"/echo", "/echo", ""},
		{"/", "/", ""},
		{"/rooms/a%20b?room=x", "/rooms/a b", "x"},
		{"/rooms/%C3%A9?room=%e2%82%ac", "/rooms/é", "€"},
		{"/echo?other=1&room=a=b&room=c", "/echo", "a=b"},
		{"/echo?roo%6D=a+b", "/echo", "a+b"},
		{"/echo?room", "/echo", ""},
		{"/echo?room={a|b}", "/echo", "{a|b}"},
		{"http://example.com", "/", ""},
		{"HTTPS://example.com:443?room=x", "/", "x"},
		{"http://example.com/echo?room=x", "/echo", "x"},
		{"//echo", "//echo", ""},
	}
	for _, test := range tests {
		t.Run(test.target, func(t *testing.T) {
			r := parse(t, "GET "+test.target+" HTTP/1.1\r\nHost: h\r\n\r\n")
			if r.Path != test.path {
				t.Errorf("path %q, want %q", r.Path, test.path)
			}
			if room, _ := r.Query("room"); room != test.room {
				t.Errorf("room %q, want %q", room, test.room)
			}
			if _, ok := r.Query("missing"); ok {
				t.Error("a parameter that is not there")
			}
		})
	}
}

func TestHeader(t *testing.T) {
	r := parse(t, "DELETE / HTTP/1.1\r\nHost: h\r\nX-List: a, \tB\r\nx-list:C,,\r\nEmpty:\r\n\r\n")
	if r.Method != "DELETE" {
		t.Errorf("method %q", r.Method)
	}
	for name, want := range map[string]struct {
		value string
		lines int
	}{"X-LIST": {"a, \tB", 2}, "empty": {"", 1}, "none": {"", 0}} {
		if value, lines := r.Header(name); value != want.value || lines != want.lines {
			t.Errorf("%s: %q in %d lines, want %q in %d", name, value, lines, want.value, want.lines)
		}
	}
	for token, want := range map[string]bool{"a": true, "b": true, "c": true, "d": false, "": false, "a, b": false} {
		if r.HasToken("X-List", token) != want {
			t.Errorf("token %q: %v, want %v", token, !want, want)
		}
	}
}

// A request keeps nothing of the bytes it was given, nor of the head before.
func TestRequestOwnsItsStorage(t *testing.T) {
	head := []byte(with("Origin: http://a.example\r\n"))
	var r Request
	if refusal := r.Parse(head); refusal != nil {
		t.Fatalf("refused: %s", refusal.Reason)
	}
	clear(head)
	first, refusal := r.Upgrade()
	if refusal != nil || first.Origin != "http://a.example" {
		t.Errorf("after its input was overwritten: %+v, %v", first, refusal)
	}
	if refusal := r.Parse([]byte("GET /x HTTP/1.1\r\nHost: h\r\n\r\n")); refusal != nil {
		t.Fatalf("refused: %s", refusal.Reason)
	}
	if _, lines := r.Header("Origin"); lines != 0 || first.Origin != "http://a.example" {
		t.Errorf("%d lines of the head before; its origin is now %q", lines, first.Origin)
	}
}

// What handshakes leave to be collected, 18,000 of them at once among them.
func TestHandshakeGarbage(t *testing.T) {
	head := []byte(with("Origin: https://example.com\r\n", "User-Agent: a browser\r\n", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"))
	var p Parser
	var r Request
	reply := make([]byte, 0, 512)
	shake := func() {
		whole, _, _ := p.Next(head)
		if refusal := r.Parse(whole); refusal != nil {
			t.Fatalf("refused: %s", refusal.Reason)
		}
		u, refusal := r.Upgrade()
		if refusal != nil {
			t.Fatalf("refused: %s", refusal.Reason)
		}
		AppendSwitching(reply, u.Key, "", "")
	}
	const runs = 1000
	shake() // storage of the request's own
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		shake()
	}
	runtime.ReadMemStats(&after)
	if bytes := (after.TotalAlloc - before.TotalAlloc) / runs; bytes > 300 {
		t.Errorf("%d bytes a handshake, want 300 at most", bytes)
	}
}

func TestProtocolsOffered(t *testing.T) {
	r := parse(t, with("Sec-WebSocket-Protocol: b, a\r\n", "sec-websocket-protocol: c\r\n"))
	u, refusal := r.Upgrade()
	if refusal != nil || !slices.Equal(u.Protocols, []string{"b", "a", "c"}) {
		t.Errorf("offered %q, refusal %v", u.Protocols, refusal)
	}
}

func TestExtensionsOffered(t *testing.T) {
	r := parse(t, with("Sec-WebSocket-Extensions: a; b=1\r\n", "Sec-WebSocket-Extensions: c\r\n"))
	u, refusal := r.Upgrade()
	if refusal != nil || u.Extensions != "a; b=1, c" {
		t.Errorf("offered %q, refusal %v", u.Extensions, refusal)
	}
}
