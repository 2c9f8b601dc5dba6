package engine

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math/rand/v2"

	"fanbench/server/deflate"
)

const (
	// maxAnswer bounds the head of the answer to a handshake, in bytes.
	maxAnswer = 16 << 10
	keyLength = 24
	guid      = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 §1.3
)

// handshake is what a connection keeps from its first SYN to the 101 answer.
// Loops reuse them.
type handshake struct {
	start     int64 // just before connect(2)
	connected bool  // the TCP connection stands
	key       [keyLength]byte
	offered   bool           // permessage-deflate
	agreed    deflate.Params // of which; zero for none
	head      []byte         // as far as it has arrived
}

// offer is what is offered: the target takes over no context, so that one
// publication is the same bytes on all connections that agreed on the same
// window, and may limit us in every way.
var offer deflate.Offer

// newKey draws a Sec-WebSocket-Key. math/rand/v2 is enough: keys and masks
// protect intermediaries from browsers' scripts (RFC 6455 §10.3), of which a
// load generator runs none.
func (h *handshake) newKey(source *rand.PCG) {
	var nonce [16]byte
	for i := range nonce {
		nonce[i] = byte(source.Uint64())
	}
	base64.StdEncoding.Encode(h.key[:], nonce[:])
}

// appendRequest appends the opening handshake of RFC 6455 §4.1, up to the line
// that ends its head: more fields may follow.
func (h *handshake) appendRequest(dst []byte, path, host string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "...)
	dst = append(dst, h.key[:]...)
	if h.offered {
		dst = append(dst, "\r\nSec-WebSocket-Extensions: "...)
		dst = append(dst, offer.String()...)
	}
	return append(dst, "\r\nSec-WebSocket-Version: 13\r\n"...)
}

// take consumes bytes of the answer. An example ends with what it repeats of
// the answer, as Credentials.scrub expects. It returns what follows the head once that
// is whole and right; done is false while bytes are missing. bucket is empty
// unless the answer is wrong.
func (h *handshake) take(b []byte) (rest []byte, done bool, bucket, example string) {
	whole := b
	if len(h.head) > 0 {
		h.head = append(h.head, b...)
		whole = h.head
	}
	end := bytes.Index(whole, []byte("\r\n\r\n"))
	if end < 0 {
		if len(whole) > maxAnswer {
			return nil, false, bucketAnswer, fmt.Sprintf("answer's head is longer than %d bytes", maxAnswer)
		}
		if len(h.head) == 0 {
			h.head = append(h.head, b...)
		}
		return nil, false, "", ""
	}
	bucket, example = h.check(whole[:end+2])
	return b[len(b)-(len(whole)-end-4):], bucket == "", bucket, example
}

// check applies the rules of RFC 6455 §4.1 to an answer's head, whose lines all
// end with CR LF. We offer no sub-protocols, and permessage-deflate only where
// it is asked for: an answer must not choose anything else.
func (h *handshake) check(head []byte) (bucket, example string) {
	line, head, _ := bytes.Cut(head, []byte("\r\n"))
	status, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok {
		return bucketAnswer, fmt.Sprintf("answer begins with %.40q", line)
	}
	if !bytes.HasPrefix(status, []byte("101")) || len(status) > 3 && status[3] != ' ' {
		return bucketStatus, string(line[:min(len(line), 120)])
	}
	var upgrade, connection, accepted bool
	var extensions []byte
	for len(head) > 0 {
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return bucketAnswer, fmt.Sprintf("answer's field has no colon: %.60q", line)
		}
		value = bytes.Trim(value, " \t")
		switch {
		case is(name, "upgrade"):
			upgrade = is(value, "websocket")
		case is(name, "connection"):
			connection = connection || hasToken(value, "upgrade")
		case is(name, "sec-websocket-accept"):
			if want := acceptKey(h.key[:]); !bytes.Equal(value, want[:]) {
				return bucketAcceptKey, fmt.Sprintf("Sec-WebSocket-Accept: %.60s", value)
			}
			accepted = true
		case is(name, "sec-websocket-extensions") && h.offered:
			if extensions != nil {
				extensions = append(extensions, ", "...) // RFC 6455 §9.1: as one list
			}
			extensions = append(extensions, value...)
		case is(name, "sec-websocket-extensions"), is(name, "sec-websocket-protocol"):
			return bucketAnswer, fmt.Sprintf("answer chooses what was not offered: %.60s", line)
		}
	}
	switch {
	case !upgrade:
		return bucketAnswer, "answer has no Upgrade: websocket"
	case !connection:
		return bucketAnswer, "answer has no Connection: Upgrade"
	case !accepted:
		return bucketAcceptKey, "answer has no Sec-WebSocket-Accept"
	}
	return h.agree(extensions)
}

// agree takes the answer to the offer.
func (h *handshake) agree(extensions []byte) (bucket, example string) {
	if len(extensions) == 0 {
		return "", "" // declined, or not offered
	}
	var err error
	if h.agreed, err = offer.Accept(string(extensions)); err != nil {
		return bucketAnswer, err.Error()
	}
	return "", ""
}

func acceptKey(key []byte) (accept [28]byte) {
	var joined [keyLength + len(guid)]byte
	copy(joined[:], key)
	copy(joined[keyLength:], guid)
	sum := sha1.Sum(joined[:])
	base64.StdEncoding.Encode(accept[:], sum[:])
	return accept
}

// is compares without regard to ASCII case; lower is in lower case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, char := range b {
		if 'A' <= char && char <= 'Z' {
			char += 'a' - 'A'
		}
		if char != lower[i] {
			return false
		}
	}
	return true
}

// hasToken looks for a token in a comma-separated list.
func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		var token []byte
		token, list, _ = bytes.Cut(list, []byte(","))
		if is(bytes.Trim(token, " \t"), lower) {
			return true
		}
	}
	return false
}
