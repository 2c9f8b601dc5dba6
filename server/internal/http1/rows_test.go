package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

const (
	line    = "GET /echo HTTP/1.1\r\n"
	host    = "Host: example.com\r\n"
	upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	key     = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	version = "Sec-WebSocket-Version: 13\r\n"
	end     = "\r\n"
	good    = line + host + upgrade + key + version
)

// with is an acceptable handshake with further header lines.
func with(lines ...string) string { return good + strings.Join(lines, "") + end }

// instead is an acceptable handshake with one part replaced.
func instead(old, new string) string { return strings.Replace(good, old, new, 1) + end }

// long is a header line of n bytes without its line end.
func long(n int) string { return "X: " + strings.Repeat("x", n-3) + "\r\n" }

// handshakes are the rows of the table of bad input, by their numbers. want is
// the status and, of a refusal, its reason.
var handshakes = []struct {
	row  string
	sent string
	want string
}{
	{"0 the example of RFC 6455", with("Origin: http://example.com\r\n", "Sec-WebSocket-Protocol: chat, superchat\r\n"), "101"},
	{"1 HTTP/1.0", instead("HTTP/1.1", "HTTP/1.0"), "505 http-version"},
	{"1 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 http-version"},
	{"1 HTTP/1.2", instead("HTTP/1.1", "HTTP/1.2"), "505 http-version"},
	{"1 HTTP/11", instead("HTTP/1.1", "HTTP/11"), "400 request-line"},
	{"1 http/1.1", instead("HTTP/1.1", "http/1.1"), "400 request-line"},
	{"1 HTTP/0.9", "GET /echo\r\n\r\n", "400 target"},
	{"1 space after the version", instead("HTTP/1.1", "HTTP/1.1 "), "400 request-line"},
	{"2 POST", instead("GET", "POST"), "405 method"},
	{"2 HEAD", instead("GET", "HEAD"), "405 method"},
	{"2 HEAD that is refused early", "HEAD / HTTP/1.1\n", "400 line-end"},
	{"2 HEAD that is refused late", "HEAD / HTTP/1.0\r\n\r\n", "505 http-version"},
	{"2 get", instead("GET", "get"), "405 method"},
	{"3 Upgrade absent", instead("Upgrade: websocket\r\n", ""), "400 upgrade"},
	{"3 h2c", instead("websocket", "h2c"), "400 upgrade"},
	{"3 websocket as part of a word", instead("websocket", "websockets"), "400 upgrade"},
	{"3 with the Kelvin sign", instead("websocket", "websoc\u212aet"), "400 upgrade"},
	{"4 Connection absent", instead("Connection: Upgrade\r\n", ""), "400 connection"},
	{"4 Connection without the token", instead("Connection: Upgrade", "Connection: keep-alive"), "400 connection"},
	{"5 keep-alive, Upgrade", instead("Connection: Upgrade", "Connection: keep-alive, Upgrade"), "101"},
	{"5 two Connection lines", instead("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"), "101"},
	{"5 mixed case", instead(upgrade, "uPGRADE: WebSocket\r\ncONNECTION: ,UPgrade ,\r\n"), "101"},
	{"5 no space after the colon", instead("Upgrade: websocket", "Upgrade:websocket"), "101"},
	{"5 white space around values", instead("Upgrade: websocket", "Upgrade: \t websocket\t "), "101"},
	{"5 Upgrade as a list", instead("websocket", "h2c, websocket"), "101"},
	{"6 Host missing", instead(host, ""), "400 host"},
	{"6 Host twice", instead(host, host+host), "400 host"},
	{"6 Host empty", instead("example.com", ""), "400 host"},
	{"6 Host with a path", instead("example.com", "example.com/x"), "400 host"},
	{"6 Host with a bad port", instead("example.com", "example.com:http"), "400 host"},
	{"6 Host with an empty port", instead("example.com", "example.com:"), "101"},
	{"6 Host with a bracket", instead("example.com", "exam[ple.com"), "400 host"},
	{"6 Host no IPv6 address", instead("example.com", "[::g]"), "400 host"},
	{"6 Host with a port", instead("example.com", "example.com:9001"), "101"},
	{"6 Host an IPv6 address", instead("example.com", "[::1]:9001"), "101"},
	{"7 Key missing", instead(key, ""), "400 key"},
	{"7 Key empty", instead("dGhlIHNhbXBsZSBub25jZQ==", ""), "400 key"},
	{"7 Key of 24 characters, not base64", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBs*SBub25jZQ=="), "400 key"},
	{"7 Key of 15 bytes", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j"), "400 key"},
	{"7 Key of 17 bytes", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWE="), "400 key"},
	{"7 Key of 18 bytes", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWFh"), "400 key"},
	{"8 two Keys", with(key), "400 key"},
	{"8 two Versions", with(version), "400 version"},
	{"9 Version missing", instead(version, ""), "400 version"},
	{"10 Version 8", instead("13", "8"), "426 version"},
	{"10 Version 99", instead("13", "99"), "426 version"},
	{"10 Version 013", instead("13", "013"), "426 version"},
	{"10 Version 13, 8", instead("13", "13, 8"), "426 version"},
	{"11 space before the colon", instead("Upgrade:", "Upgrade :"), "400 header-name"},
	{"11 tab before the colon", instead("Upgrade:", "Upgrade\t:"), "400 header-name"},
	{"11 folded line", with("X: a\r\n b\r\n"), "400 folded-line"},
	{"11 folded first line", line + " " + host, "400 folded-line"},
	{"11 bare LF after the request line", strings.Replace(good, "\r\n", "\n", 1), "400 line-end"},
	{"11 bare LF after a header", with("X: a\n"), "400 line-end"},
	{"11 bare LF for the empty line", good + "\n", "400 line-end"},
	{"11 bare CR in a value", with("X: a\rb\r\n"), "400 line-end"},
	{"11 bare CR before CR LF", with("X: a\r\r\n"), "400 line-end"},
	{"11 CR without LF for the empty line", good + "\rX", "400 line-end"},
	{"11 CR in a name", with("X\r: a\r\n"), "400 header-name"},
	{"11 NUL in a value", with("X: a\x00b\r\n"), "400 header-value"},
	{"11 DEL in a value", with("X: a\x7fb\r\n"), "400 header-value"},
	{"11 NUL in a name", with("X\x00: a\r\n"), "400 header-name"},
	{"11 empty name", with(": a\r\n"), "400 header-name"},
	{"11 line without a colon", with("X\r\n"), "400 header-name"},
	{"11 empty line before the request", "\r\n" + with(), "400 request-line"},
	{"11 two spaces before the target", instead("GET ", "GET  "), "400 target"},
	{"11 two spaces before the version", instead("/echo ", "/echo  "), "400 request-line"},
	{"11 UTF-8 in a value is nobody's business", with("X: é\r\n"), "101"},
	{"12 Content-Length 5", with("Content-Length: 5\r\n") + "hello", "400 body"},
	{"12 Content-Length 0", with("Content-Length: 0\r\n"), "101"},
	{"12 two Content-Lengths", with("Content-Length: 0\r\nContent-Length: 0\r\n"), "400 body"},
	{"12 Content-Length -1", with("Content-Length: -1\r\n"), "400 body"},
	{"12 Content-Length 0, 5", with("Content-Length: 0, 5\r\n"), "400 body"},
	{"12 Transfer-Encoding", with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", "400 body"},
	{"12 both", with("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), "400 body"},
	{"13 line of 8 KiB", with(long(8192)), "101"},
	{"13 line over 8 KiB", with(long(8193)), "431 line-size"},
	{"13 name over 8 KiB", with(strings.Repeat("n", 8193)), "431 line-size"},
	{"14 100 headers", with(strings.Repeat("X: y\r\n", 95)), "101"},
	{"14 101 headers", with(strings.Repeat("X: y\r\n", 96)), "431 header-count"},
	{"14 16 KiB", with(long(8192), long(MaxHead-len(good)-8192-2-2-2)), "101"},
	{"14 over 16 KiB", with(long(8192), long(MaxHead-len(good)-8192-2-2-1)), "431 head-size"},
	{"15 URI of 4 KiB", instead("/echo", "/"+strings.Repeat("e", 4095)), "101"},
	{"15 URI over 4 KiB", instead("/echo", "/"+strings.Repeat("e", 4096)), "414 target-size"},
	{"15 query over 4 KiB", instead("/echo", "/echo?"+strings.Repeat("e", 4096)), "414 target-size"},
	{"15 bad percent", instead("/echo", "/ec%ho"), "400 target"},
	{"15 percent cut off", instead("/echo", "/echo%4"), "400 target"},
	{"15 bad percent in the query", instead("/echo", "/echo?a=%zz"), "400 target"},
	{"15 NUL", instead("/echo", "/ec\x00ho"), "400 target"},
	{"15 encoded NUL", instead("/echo", "/echo%00"), "400 target"},
	{"15 encoded line end", instead("/echo", "/echo%0d%0a"), "400 target"},
	{"15 encoded slash", instead("/echo", "/rooms/a%2fb"), "400 target"},
	{"15 encoded bytes that are not UTF-8", instead("/echo", "/%ff"), "400 target"},
	{"15 ..", instead("/echo", "/rooms/../echo"), "400 target"},
	{"15 .. at the end", instead("/echo", "/rooms/.."), "400 target"},
	{"15 .. encoded", instead("/echo", "/rooms/%2e%2E/echo"), "400 target"},
	{"15 . alone", instead("/echo", "/./echo"), "400 target"},
	{"15 dots in a name", instead("/echo", "/a..b/..c/..."), "101"},
	{"15 fragment", instead("/echo", "/echo#x"), "400 target"},
	{"15 backslash", instead("/echo", `/rooms\..\echo`), "400 target"},
	{"15 bytes above ASCII", instead("/echo", "/é"), "400 target"},
	{"15 relative", instead("/echo", "echo"), "400 target"},
	{"15 asterisk", instead("/echo", "*"), "400 target"},
	{"15 authority", instead("/echo", "example.com:80"), "400 target"},
	{"15 absolute form", instead("/echo", "http://example.com/echo"), "101"},
	{"15 absolute form of another scheme", instead("/echo", "ftp://example.com/echo"), "400 target"},
	{"15 absolute form without a host", instead("/echo", "http:///echo"), "400 target"},
	{"15 absolute form with a bad host", instead("/echo", "http://exam[ple/echo"), "400 target"},
	{"17 FIN in the middle", strings.TrimSuffix(good, "\n"), "waiting"},
	{"18 TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400 request-line"},
	{"18 nothing that looks like a method", strings.Repeat("A", 33), "400 request-line"},
	{"20 sub-protocols over two lines", with("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n"), "101"},
	{"21 sub-protocol with a space", with("Sec-WebSocket-Protocol: a b\r\n"), "400 protocol"},
	{"21 sub-protocol with a separator", with("Sec-WebSocket-Protocol: a/b\r\n"), "400 protocol"},
	{"21 sub-protocol twice", with("Sec-WebSocket-Protocol: a, b, a\r\n"), "400 protocol"},
	{"21 sub-protocol twice, over two lines", with("Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n"), "400 protocol"},
	{"21 no sub-protocol in its header", with("Sec-WebSocket-Protocol: ,\r\n"), "400 protocol"},
	{"21 10 KiB of spaces", with("Sec-WebSocket-Protocol: a" + strings.Repeat(" ", 10<<10) + "b\r\n"), "400 white-space"},
	{"21 1 KiB of spaces", with("Sec-WebSocket-Protocol: a" + strings.Repeat(" ", 1<<10) + "b\r\n"), "400 protocol"},
	{"22 unknown extension", with("Sec-WebSocket-Extensions: x-unknown; a=1\r\n"), "101"},
	{"22 malformed extension list", with("Sec-WebSocket-Extensions: a;;b\r\n"), "400 extension"},
	{"22 malformed second line", with("Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: =\r\n"), "400 extension"},
	{"23 two Origins", with("Origin: http://a\r\nOrigin: http://b\r\n"), "400 origin"},
}

// answer does what the server does with a connection's first bytes: it returns
// the answer, and the bytes after the head, in the pieces in which they came.
func answer(chunks [][]byte) (reply []byte, outcome string, after [][]byte) {
	var p Parser
	var request Request
	for i, chunk := range chunks {
		b := bytes.Clone(chunk)
		head, n, refusal := p.Next(b)
		if head == nil && refusal == nil {
			for i := range b { // a reused read buffer
				b[i] = '\n'
			}
			continue
		}
		var u Upgrade
		if refusal == nil {
			refusal = request.Parse(head)
		}
		if refusal == nil {
			u, refusal = request.Upgrade()
		}
		if refusal != nil {
			return refusal.Append(nil), fmt.Sprintf("%d %s", refusal.Status, refusal.Reason), nil
		}
		return AppendSwitching(nil, u.Key, "", ""), "101", append([][]byte{b[n:]}, chunks[i+1:]...)
	}
	return nil, "waiting", nil
}

// splits cuts s in every way that a test tries: whole, byte by byte, and at
// random places from a fixed seed.
func splits(s string) map[string][][]byte {
	b := []byte(s)
	ways := map[string][][]byte{"whole": {b}, "byte by byte": {}}
	for i := range b {
		ways["byte by byte"] = append(ways["byte by byte"], b[i:i+1])
	}
	random := rand.New(rand.NewPCG(9112, uint64(len(b))))
	for trial := range 10 {
		var chunks [][]byte
		for rest := b; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		ways[fmt.Sprintf("random %d", trial)] = chunks
	}
	return ways
}

func TestHandshakes(t *testing.T) {
	for _, test := range handshakes {
		t.Run(test.row, func(t *testing.T) {
			for way, chunks := range splits(test.sent) {
				reply, got, _ := answer(chunks)
				if got != test.want {
					t.Fatalf("%s: %s, want %s", way, got, test.want)
				}
				if got != "waiting" {
					checkReply(t, test.sent, reply, test.want)
				}
			}
		})
	}
}

// checkReply reads a reply as an independent peer does, and wants it complete
// and with the header lines that its status demands.
func checkReply(t *testing.T, sent string, reply []byte, want string) {
	t.Helper()
	method, _, _ := strings.Cut(sent, " ")
	source := bufio.NewReader(bytes.NewReader(reply))
	response, err := http.ReadResponse(source, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("the reply %q: %v", reply, err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("the reply's body: %v", err)
	}
	if _, err := source.ReadByte(); err != io.EOF {
		t.Errorf("bytes after the reply %q", reply)
	}
	if !strings.HasPrefix(want, fmt.Sprint(response.StatusCode)) {
		t.Errorf("status %d, want %s", response.StatusCode, want)
	}
	wanted := map[string]string{}
	switch response.StatusCode {
	case 101:
		wanted["Upgrade"], wanted["Connection"] = "websocket", "Upgrade"
	case 405:
		wanted["Allow"] = "GET"
	case 426:
		wanted["Upgrade"], wanted["Sec-Websocket-Version"] = "websocket", "13"
	}
	if want == "400 version" {
		wanted["Sec-Websocket-Version"] = "13"
	}
	for name, value := range wanted {
		if got := response.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if response.StatusCode == 101 {
		return
	}
	if !response.Close {
		t.Error("a refusal that keeps the connection")
	}
	if (len(body) == 0) != (method == "HEAD") || len(body) > 0 && int64(len(body)) != response.ContentLength {
		t.Errorf("%s gets a body of %d bytes, Content-Length %d", method, len(body), response.ContentLength)
	}
}

// Row 19: frames in the handshake's segment are the frame parser's, all of them.
func TestBytesAfterTheHead(t *testing.T) {
	const frames = "\x81\x80\x00\x00\x00\x00GET / HTTP/1.1\r\n\r\n"
	for way, chunks := range splits(with() + frames) {
		_, outcome, after := answer(chunks)
		if got := string(bytes.Join(after, nil)); outcome != "101" || got != frames {
			t.Errorf("%s: %s, then %q", way, outcome, got)
		}
	}
}
