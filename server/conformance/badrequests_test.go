package conformance

import (
	"fmt"
	"net/http"
	"strings"
)

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455 §1.3

// good is a correct request for the room, with further lines; ROOM stands for the room's name until it is sent.
func good(lines ...string) string { return Request("/rooms/ROOM", sampleKey, lines...) }

// instead is a correct request in which one thing, which must occur in it, is another.
func instead(old, now string) string {
	if strings.Count(good(), old) != 1 {
		panic("not once in the request: " + old)
	}
	return strings.Replace(good(), old, now, 1)
}

func without(line string) string { return instead(line+"\r\n", "") }

// header is a further line of n bytes.
func header(n int) string { return "X: " + strings.Repeat("x", n-3) }

// badRequests are rows 1 to 23: opening handshakes. 11 to 15 are RFC 9112's matter, the others RFC 6455 §4's.
func badRequests() (all []input) {
	server := byDefault
	add := func(row int, what, request string, a answer, counted string) {
		all = append(all, input{row: row, what: what, server: server, counted: counted, run: func(s *program, room string, cut Cut) error {
			return a.exchange(s, strings.ReplaceAll(request, "ROOM", room), cut, false, "")
		}})
	}
	refused := func(status int) answer { return answer{status: status} }
	accepted := answer{status: http.StatusSwitchingProtocols, header: map[string]string{"Sec-Websocket-Protocol": "", "Sec-Websocket-Extensions": ""}}
	onlyGet := answer{405, map[string]string{"Allow": "GET"}}
	onlyVersion13 := answer{426, map[string]string{"Sec-Websocket-Version": "13", "Upgrade": "websocket"}}
	saysVersion := answer{400, map[string]string{"Sec-Websocket-Version": "13"}}
	const (
		upgrade    = "Upgrade: websocket"
		connection = "Connection: Upgrade"
		version    = "Sec-WebSocket-Version: 13"
		key        = "Sec-WebSocket-Key: " + sampleKey
		get        = "GET /rooms/ROOM HTTP/1.1"
	)

	add(1, "HTTP 1.0", instead("HTTP/1.1", "HTTP/1.0"), refused(505), "http-version")
	add(1, "HTTP 2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused(505), "http-version")
	add(2, "POST", instead("GET ", "POST "), onlyGet, "method")
	add(2, "HEAD", instead("GET ", "HEAD "), onlyGet, "method")
	add(3, "no Upgrade", without(upgrade), saysVersion, "upgrade")
	add(3, "Upgrade: h2c", instead(upgrade, "Upgrade: h2c"), saysVersion, "upgrade")
	add(4, "Connection: keep-alive", instead(connection, "Connection: keep-alive"), refused(400), "connection")
	add(4, "no Connection", without(connection), refused(400), "connection")
	add(5, "keep-alive, Upgrade", instead(connection, "Connection: keep-alive, Upgrade"), accepted, "")
	add(5, "two Connection lines", instead(connection, "Connection: keep-alive\r\nConnection: upgrade"), accepted, "")
	add(5, "mixed case", instead(upgrade, "uPGRADE: WebSocket"), accepted, "")
	add(6, "no Host", without("Host: x"), refused(400), "host")
	add(6, "two Hosts", good("Host: y"), refused(400), "host")
	add(7, "no key", without(key), refused(400), "key")
	add(7, "key not base64", instead(sampleKey, strings.Repeat("!", 24)), refused(400), "key")
	add(7, "key of 15 bytes", instead(sampleKey, "dGhlIHNhbXBsZSBub25j"), refused(400), "key")
	add(7, "key of 17 bytes", instead(sampleKey, "dGhlIHNhbXBsZSBub25jZTE="), refused(400), "key")
	add(8, "two keys", good(key), refused(400), "key")
	add(8, "two versions", good(version), saysVersion, "version")
	add(9, "no version", without(version), saysVersion, "version")
	for _, other := range []string{"8", "99", "013", "13, 8"} {
		add(10, "version "+other, instead(version, "Sec-WebSocket-Version: "+other), onlyVersion13, "version")
	}

	add(11, "space before the colon", instead(upgrade, "Upgrade : websocket"), refused(400), "header-name")
	add(11, "folded line", good("X: a", " b"), refused(400), "folded-line")
	add(11, "bare LF", instead(upgrade+"\r\n", upgrade+"\n"), refused(400), "line-end")
	add(11, "bare CR", good("X: a\rY: b"), refused(400), "line-end")
	add(11, "NUL", good("X: a\x00b"), refused(400), "header-value")
	add(12, "Content-Length", good("Content-Length: 5")+"12345", refused(400), "body")
	add(12, "Transfer-Encoding", good("Transfer-Encoding: chunked")+"0\r\n\r\n", refused(400), "body")
	add(12, "both", good("Content-Length: 5", "Transfer-Encoding: chunked")+"0\r\n\r\n", refused(400), "body")
	add(12, "a request for a body", good("Content-Length: 200")+good(), refused(400), "body")
	add(13, "line over 8 KiB", good(header(8193)), refused(431), "line-size")
	add(14, "over 100 headers", good(strings.Split(strings.Repeat("X: x\n", 100), "\n")[:96]...), refused(431), "header-count")
	add(14, "head over 16 KiB", good(header(8192), header(8192)), refused(431), "head-size")
	add(15, "target over 4 KiB", instead("/rooms/ROOM", "/"+strings.Repeat("e", 4096)), refused(414), "target-size")
	for what, target := range map[string]string{"bad percent": "/ec%ho", "encoded NUL": "/echo%00", "NUL": "/ec\x00ho", "dots": "/rooms/../echo",
		"encoded dots": "/rooms/%2e%2e/echo"} {
		add(15, what, instead("/rooms/ROOM", target), refused(400), "target")
	}
	add(18, "TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x00", 500), refused(400), "request-line")

	all = append(all, input{row: 19, what: "frames in the handshake's segment", server: server, heard: []string{"early", "hello"},
		run: func(s *program, room string, cut Cut) error {
			early := text("early").append([]byte(strings.ReplaceAll(good(), "ROOM", room)), Client, newRandom(room))
			return accepted.exchange(s, string(early), cut, false, "early")
		}})
	add(19, "a second request after a refused one", instead(upgrade, "Upgrade: h2c")+good(), saysVersion, "upgrade")
	add(19, "a second request after a path that does not exist", instead("/rooms/ROOM", "/nowhere")+good(), refused(404), "not-found")

	add(20, "sub-protocols, none known", good("Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Protocol: c"), accepted, "")
	for what, offered := range map[string]string{"space": "a b", "separator": "a/b", "duplicate": "a, a", "nothing": ",",
		"quotes": `"a"`, "10 KiB of spaces": "a" + strings.Repeat(" ", 10<<10) + "b"} {
		reason := "protocol"
		if len(offered) > 1<<10 {
			reason = "white-space"
		}
		add(21, "sub-protocol with "+what, good("Sec-WebSocket-Protocol: "+offered),
			answer{400, map[string]string{"Sec-Websocket-Protocol": ""}}, reason)
	}
	add(22, "unknown extension", good("Sec-WebSocket-Extensions: x-unknown; a=1, permessage-deflate"), accepted, "")
	for _, malformed := range []string{"a;;b", "a;=1", `a; b="`, "a b", ";a"} {
		add(22, "malformed extensions "+malformed, good("Sec-WebSocket-Extensions: "+malformed), refused(400), "extension")
	}

	server = choosy
	speaks := func(protocol string) answer {
		return answer{101, map[string]string{"Sec-Websocket-Protocol": protocol, "Sec-Websocket-Extensions": ""}}
	}
	add(20, "one known sub-protocol", good("Sec-WebSocket-Protocol: other, chat.v1"), speaks("chat.v1"), "")
	add(20, "two known, in the peer's order", good("Sec-WebSocket-Protocol: chat.v1", "Sec-WebSocket-Protocol: chat.v2"), speaks("chat.v1"), "")
	add(20, "known but for the case", good("Sec-WebSocket-Protocol: Chat.V1"), speaks(""), "")
	for _, origin := range []string{"null", "https://good.com.evil.io", "https://evil.io", "http://good.com", "https://good.com:8443",
		"https://good.com:8080", "http://good.com:8081", "good.com", "https://good.com/", "https://sub.good.com"} {
		add(23, "origin "+origin, good("Origin: "+origin), refused(403), "origin")
	}
	for _, origin := range []string{"https://good.com", "http://good.com:8080", "HTTPS://GOOD.com:443"} {
		add(23, "listed origin "+origin, good("Origin: "+origin), accepted, "")
	}
	add(23, "two origins", good("Origin: https://good.com", "Origin: https://evil.io"), refused(400), "origin")

	server = compressing
	declined(add, accepted)
	for i := range all {
		if all[i].counted == "" && all[i].heard == nil {
			all[i].heard = []string{"hello"}
		}
	}
	return all
}

// declined is row 60: offers of permessage-deflate that cannot be accepted do no harm to the handshake (RFC 7692 §5.1).
func declined(add func(int, string, string, answer, string), without answer) {
	offer := func(parameters string) string {
		return good("Sec-WebSocket-Extensions: permessage-deflate; " + parameters)
	}
	for _, parameters := range []string{"server_no_context_takeover; server_no_context_takeover", "client_max_window_bits=15; client_max_window_bits=15",
		"unknown", "unknown=1", "server_max_window_bits=7", "server_max_window_bits=16", "server_max_window_bits=010", "server_max_window_bits",
		"client_max_window_bits=7", "client_max_window_bits=16", "server_no_context_takeover=1", "client_no_context_takeover=x"} {
		add(60, "offer with "+parameters, offer(parameters), without, "")
	}
	accepts := func(answered string) answer {
		return answer{101, map[string]string{"Sec-Websocket-Extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover" + answered}}
	}
	add(60, "an offer to decline before one to accept", offer("server_max_window_bits=16, permessage-deflate"), accepts(""), "")
	for bits := 8; bits <= 15; bits++ {
		add(60, fmt.Sprintf("window of %d bits", bits), offer(fmt.Sprintf("server_max_window_bits=%d", bits)), accepts(fmt.Sprintf("; server_max_window_bits=%d", bits)), "")
	}
}
