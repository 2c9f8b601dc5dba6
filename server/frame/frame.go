// Package frame holds the frames of RFC 6455 over byte slices: a parser for
// one connection's receiving half, writers for the sending half, close codes
// and the check of UTF-8 that arrives in pieces.
//
// It reads from nothing, writes to nothing and starts nothing: bytes come in
// and go out as slices, and sockets, deadlines, close handshakes and inflation
// belong to its callers. The server and the load generator both use it.
package frame

import (
	"fmt"

	"github.com/gobwas/ws"
)

// A Role says which end of the connection parses.
type Role uint8

const (
	// Server frames must arrive masked, and are unmasked in place (RFC 6455 §5.1).
	Server Role = iota
	// Client frames must arrive unmasked (RFC 6455 §5.1).
	Client
)

// DefaultMaxMessage is the limit, in bytes, where a Config sets none.
const DefaultMaxMessage = 64 << 10

// minFragments is the least fragment limit that a Config derives: a sender that
// splits a small message finely does no harm.
const minFragments = 1024

// Config is what all connections of one endpoint share. Parsers take it by
// pointer with every call, so that a connection's own state stays small; it
// must not change while one of them is inside a message.
type Config struct {
	Role Role
	// MaxMessage is the largest message, in payload bytes over all its
	// fragments; 0 means DefaultMaxMessage. A compressed one may arrive a
	// 64th larger, and is for the inflater to measure.
	MaxMessage int64
	// MaxFragments is the largest number of frames in one message; 0 means
	// MaxMessage/64, and at least 1024.
	MaxFragments int
	// CheckUTF8 fails text messages that are not UTF-8, at the first byte
	// that makes it certain (RFC 6455 §8.1).
	CheckUTF8 bool
	// Compression makes RSV1 legal on the first frame of a message: the
	// connection negotiated permessage-deflate (RFC 7692 §6).
	Compression bool
}

func (c *Config) maxMessage() int64 {
	if c.MaxMessage > 0 {
		return c.MaxMessage
	}
	return DefaultMaxMessage
}

// maxPayload is maxMessage as it may arrive: what DEFLATE cannot shrink it
// stores in blocks, which add 5 bytes each (RFC 1951 §3.2.4), and a message of
// exactly the limit is legal however its sender compressed it. A 64th is what
// zlib adds at the most, with the least memory that it takes.
func (c *Config) maxPayload(compressed bool) int64 {
	limit := c.maxMessage()
	if compressed {
		limit += limit/64 + 16
	}
	return limit
}

func (c *Config) maxFragments() int64 {
	if c.MaxFragments > 0 {
		return int64(c.MaxFragments)
	}
	return max(minFragments, c.maxMessage()/64)
}

// A Message is one whole data message or one control frame.
type Message struct {
	Op ws.OpCode // of a data message: its first frame's
	// Payload is unmasked. It is only valid until the parser's next call.
	Payload []byte
	// Compressed says that Payload is a raw RFC 7692 message, whose UTF-8
	// remains to be checked after inflation.
	Compressed bool
}

// An Error says why a connection fails: the code for its Close frame and a
// short stable token, fit for a metric's label.
type Error struct {
	Code   ws.StatusCode
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("parse frame: %s (close code %d)", e.Reason, e.Code)
}

// Every failure of a Parser or of ParseClose is one of these.
var (
	errRSV         = &Error{ws.StatusProtocolError, "rsv"}            // §5.2: reserved bits
	errOpcode      = &Error{ws.StatusProtocolError, "opcode"}         // §5.2: reserved opcodes
	errControl     = &Error{ws.StatusProtocolError, "control"}        // §5.5: fragmented, or over 125 bytes
	errFragment    = &Error{ws.StatusProtocolError, "fragment"}       // §5.4: nothing to continue, or not continued
	errUnmasked    = &Error{ws.StatusProtocolError, "unmasked"}       // §5.1: to a server
	errMasked      = &Error{ws.StatusProtocolError, "masked"}         // §5.1: from a server
	errLength      = &Error{ws.StatusProtocolError, "length"}         // §5.2: not minimal, or top bit set
	errTooLarge    = &Error{ws.StatusMessageTooBig, "too-large"}      // §10.4
	errFragments   = &Error{ws.StatusPolicyViolation, "fragments"}    // §10.4: too many in one message
	errUTF8        = &Error{ws.StatusInvalidFramePayloadData, "utf8"} // §8.1
	errCloseLength = &Error{ws.StatusProtocolError, "close-length"}   // §5.5.1: half a code
	errCloseCode   = &Error{ws.StatusProtocolError, "close-code"}     // §7.4
)
