package engine

import (
	"fanbench/loadgen/internal/plan"
	"fanbench/server/frame"
)

type state uint8

const (
	waiting  state = iota // for its turn to connect
	shaking               // from the SYN to the 101 answer
	open                  // upgraded
	leaving               // our Close frame is on its way, the target's is not here: it still receives
	departed              // opened, and ended since; its descriptor may outlive it, see part
	failed                // never opened
)

// marks are what sets a connection apart.
type marks uint8

const (
	joined marks = 1 << iota // has been open at least once
	filled                   // a drain brought at least half of its receive window
	slow                     // reads at the scenario's pace
	silent                   // neither reads nor answers
)

// apart: its deliveries are in the account of its own kind and in no other.
const apart = slow | silent

// conn is one connection, as its receiver knows it: small, in a slab, with
// nothing behind it while it is open and between two frames. Its place is
// reused when it comes back after its end; what only some connections need
// stands in the receiver's side tables.
type conn struct {
	fd         int32
	slot       int32 // its own place in the slab
	room       int32
	publisher  int32  // -1 if it does not publish
	cell       uint32 // its first in the receiver's ledger, or in that of those apart
	generation uint32 // of its descriptor: events of an older one are not for it
	state      state
	role       plan.Role
	marks      marks
	inflate    uint8 // bits of the window of what arrives compressed; 0 if nothing may
	window     int32 // the receive window when it was last asked for, in bytes; 0 for a new one's

	tls    *tlsLayer     // nil for ws; from the TCP connection to the descriptor's end
	shake  *handshake    // while shaking
	parser *frame.Parser // inside a frame that is cut or out of the ordinary
	out    *outbox       // always for those that publish, else once a write was cut
}

// receives: what arrives is for it.
func (c *conn) receives() bool { return c.state == open || c.state == leaving }
