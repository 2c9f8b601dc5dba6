// Package deflate holds permessage-deflate, RFC 7692, over byte slices: the
// negotiation from both ends, the compression of a message and its inflation.
//
// Connections are agreed without context takeover in either direction. Every
// message is compressed by itself, so that a publication is compressed once for
// each window size in use and the one result goes to all who agreed on that
// size, and no compressor or inflater outlives a message.
//
// Frames, their RSV1 bit, and the check of UTF-8 after inflation belong to
// package frame and to the callers; so do the buffers, and how long a large one
// is kept. Nothing here reads, writes or starts anything. The server and the
// load generator both use it.
package deflate

import (
	"github.com/gobwas/ws"

	"fanbench/server/frame"
)

// The exponents of the window sizes that RFC 7692 §7.1.2 knows: 256 bytes to
// 32 KiB.
const (
	MinWindowBits = 8
	MaxWindowBits = 15
)

// Params is what a connection agreed on. Each is the exponent of a window's
// size in bytes, from MinWindowBits to MaxWindowBits.
type Params struct {
	ServerMaxWindowBits int // how far back what the server sends may refer
	ClientMaxWindowBits int // how far back what it receives may refer
}

// Why a message is not inflated. The connection is to be closed with the
// error's code: no later message of it can be trusted.
var (
	// ErrTooLarge is a message that inflates to more bytes than its limit.
	ErrTooLarge = &frame.Error{Code: ws.StatusMessageTooBig, Reason: "too-large"}
	// ErrCorrupt is a message that is not DEFLATE (RFC 1951), that ends too
	// early or too late, or that refers to bytes before its start.
	ErrCorrupt = &frame.Error{Code: ws.StatusInvalidFramePayloadData, Reason: "deflate"}
)
