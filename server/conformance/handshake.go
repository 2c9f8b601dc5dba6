package conformance

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Dial connects to a server and completes the opening handshake (RFC 6455 §4.1), which must succeed and agree to terms, if there
// are any. path begins with a slash.
func Dial(address, path string, terms *Terms) (*Link, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	l := newClient(conn)
	if err := l.upgrade(path, terms); err != nil {
		conn.Close()
		return nil, fmt.Errorf("upgrade %s: %w", path, err)
	}
	return l, nil
}

func newClient(conn net.Conn) *Link {
	return &Link{Conn: conn, role: Client, from: bufio.NewReader(conn)}
}

// Request is a whole, correct upgrade request for the path, with further header lines, each without its line end.
func Request(path, key string, lines ...string) string {
	lines = append([]string{"GET " + path + " HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + key}, lines...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func (l *Link) upgrade(path string, terms *Terms) error {
	_ = l.SetDeadline(time.Now().Add(patience))
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	var lines []string
	if terms != nil {
		lines = []string{"Sec-WebSocket-Extensions: " + terms.String()}
	}
	if _, err := io.WriteString(l, Request(path, key, lines...)); err != nil {
		return err
	}
	response, err := http.ReadResponse(l.from, nil)
	if err != nil {
		return err
	}
	if err := CheckSwitching(response, key); err != nil {
		return err
	}
	answers := response.Header.Values("Sec-WebSocket-Extensions")
	switch {
	case terms == nil && len(answers) == 0:
	case terms != nil && len(answers) == 1:
		l.Terms, err = terms.accept(answers[0])
	default:
		err = fmt.Errorf("extensions %q in answer to %v", answers, terms)
	}
	return err
}

// CheckSwitching judges the answer to a correct upgrade request by RFC 6455 §4.2.2, less its extensions and sub-protocol.
func CheckSwitching(response *http.Response, key string) error {
	for name, want := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Accept": acceptFor(key)} {
		if got := response.Header.Values(name); len(got) != 1 || got[0] != want {
			return fmt.Errorf("%s, %s: %q, want %q", response.Status, name, got, want)
		}
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Proto != "HTTP/1.1" {
		return fmt.Errorf("%s %s, want HTTP/1.1 101", response.Proto, response.Status)
	}
	return nil
}

func acceptFor(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 §1.3
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Accept completes the opening handshake that a client began with the request, read from from. Where there are terms, the client
// must have offered permessage-deflate, and they are imposed as far as its offer permits.
func Accept(conn net.Conn, from *bufio.Reader, request *http.Request, terms *Terms) (*Link, error) {
	l := &Link{Conn: conn, role: Server, from: from}
	_ = l.SetDeadline(time.Now().Add(patience))
	if err := checkRequest(request); err != nil {
		return nil, err
	}
	answer := []string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Accept: " + acceptFor(request.Header.Get("Sec-WebSocket-Key"))}
	if terms != nil {
		first, _, _ := strings.Cut(request.Header.Get("Sec-WebSocket-Extensions"), ",")
		offer, err := parseTerms(first)
		if err != nil {
			return nil, err
		}
		l.Terms = terms.answer(offer)
		answer = append(answer, "Sec-WebSocket-Extensions: "+l.Terms.String())
	}
	_, err := io.WriteString(l, strings.Join(answer, "\r\n")+"\r\n\r\n")
	return l, err
}

// checkRequest judges a client's request by RFC 6455 §4.1.
func checkRequest(request *http.Request) error {
	for name, want := range map[string]string{"Upgrade": "websocket", "Connection": "upgrade", "Sec-Websocket-Version": "13"} {
		if got := request.Header.Values(name); len(got) != 1 || !strings.EqualFold(got[0], want) {
			return fmt.Errorf("request: %s: %q, want %q", name, got, want)
		}
	}
	keys := request.Header.Values("Sec-WebSocket-Key")
	if len(keys) != 1 {
		return fmt.Errorf("request: keys %q, want one", keys)
	}
	if nonce, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(nonce) != 16 {
		return fmt.Errorf("request: key %q, want 16 bytes in base64", keys[0])
	}
	if request.Method != http.MethodGet || request.Proto != "HTTP/1.1" || request.Host == "" {
		return fmt.Errorf("request: %s %s for host %q", request.Method, request.Proto, request.Host)
	}
	return nil
}
