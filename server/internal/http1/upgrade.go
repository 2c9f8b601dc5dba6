package http1

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
)

// An Upgrade is what a peer asked for in an acceptable opening handshake.
type Upgrade struct {
	Key string
	// Protocols are the sub-protocols offered, in the peer's order of preference.
	Protocols []string
	// Extensions is the offered list as sent, well-formed, its lines joined by
	// commas; the empty string is none.
	Extensions string
	// Origin is empty where the peer is not a browser.
	Origin string
}

// Upgrade applies the rules of RFC 6455 §4.2.1 to a parsed request.
func (r *Request) Upgrade() (Upgrade, *Refusal) {
	u, refusal := r.upgrade()
	return u, refusal.to(r.Method)
}

func (r *Request) upgrade() (u Upgrade, _ *Refusal) {
	if r.Method != http.MethodGet {
		return u, RefuseMethod
	}
	if !r.HasToken("Upgrade", "websocket") {
		return u, RefuseNotUpgrade
	}
	if !r.HasToken("Connection", "upgrade") {
		return u, refuseConnection
	}
	version, lines := r.lookup("Sec-WebSocket-Version")
	if lines != 1 {
		return u, refuseNoWSVer
	}
	if string(version) != "13" {
		return u, refuseWSVersion
	}
	key, lines := r.lookup("Sec-WebSocket-Key")
	if lines != 1 || !validKey(key) {
		return u, refuseKey
	}
	u.Key = string(key)
	var ok bool
	if u.Protocols, ok = r.protocols(); !ok {
		return u, refuseProtocols
	}
	if u.Extensions, ok = r.extensions(); !ok {
		return u, refuseExtensions
	}
	if u.Origin, lines = r.Header("Origin"); lines > 1 {
		return u, refuseOriginList
	}
	return u, nil
}

const (
	keySize   = 16                                     // bytes, RFC 6455 §4.1
	acceptKey = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 §1.3
)

func validKey(key []byte) bool {
	var decoded [18]byte
	if len(key) != base64.StdEncoding.EncodedLen(keySize) {
		return false
	}
	n, err := base64.StdEncoding.Decode(decoded[:], key)
	return err == nil && n == keySize
}

// protocols reads the offered sub-protocols: distinct tokens, at least one in a
// header that is there (RFC 6455 §11.3.4).
func (r *Request) protocols() (offered []string, ok bool) {
	const name = "Sec-WebSocket-Protocol"
	_, lines := r.lookup(name)
	for _, element := range r.elements(name) {
		if !tokenBytes.all(element) || slices.Contains(offered, string(element)) {
			return nil, false
		}
		offered = append(offered, string(element))
	}
	return offered, (lines > 0) == (len(offered) > 0)
}

// extensions reads the offered extensions, joined and well-formed.
func (r *Request) extensions() (offered string, ok bool) {
	const name = "Sec-WebSocket-Extensions"
	for _, f := range r.fields {
		if !equalFold(f.name, name) {
			continue
		}
		if !validExtensions(f.value) {
			return "", false
		}
		if offered != "" {
			offered += ", "
		}
		offered += string(f.value)
	}
	return offered, true
}

// ChooseProtocol is the first of the peer's offers that the server accepts, in
// the server's spelling; empty if there is none, and then the answer names no
// sub-protocol (RFC 6455 §4.2.2). Names are compared exactly.
func ChooseProtocol(offered, accepted []string) string {
	for _, offer := range offered {
		if i := slices.Index(accepted, offer); i >= 0 {
			return accepted[i]
		}
	}
	return ""
}

// ValidProtocol says whether a sub-protocol may have this name: a token, as peers
// offer it (RFC 6455 §4.1).
func ValidProtocol(name string) bool { return tokenBytes.all([]byte(name)) }

// AppendSwitching appends the answer that completes the opening handshake
// (RFC 6455 §4.2.2) for the key of an Upgrade. protocol and extensions are left
// out where empty.
func AppendSwitching(dst []byte, key, protocol, extensions string) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = appendAccept(dst, key)
	if protocol != "" {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, protocol...)
	}
	if extensions != "" {
		dst = append(dst, "\r\nSec-WebSocket-Extensions: "...)
		dst = append(dst, extensions...)
	}
	return append(dst, "\r\n\r\n"...)
}

func appendAccept(dst []byte, key string) []byte {
	var buffer [24 + len(acceptKey)]byte
	salted := append(append(buffer[:0], key...), acceptKey...)
	sum := sha1.Sum(salted)
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}
