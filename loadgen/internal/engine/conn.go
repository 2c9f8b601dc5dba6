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
	failed                // never opened
	departed              // opened, and ended since; its descriptor may outlive it, see part
)

// conn is one connection, as its receiver knows it: small, in a slab, with
// nothing behind it while it is open and between two frames.
type conn struct {
	fd        int32
	slot      int32 // its own place in the slab
	room      int32
	publisher int32  // -1 if it does not publish
	cell      uint32 // its first in the receiver's ledger
	state     state
	role      plan.Role
	filled    bool  // a drain brought at least half of its receive window
	inflate   uint8 // bits of the window of what arrives compressed; 0 if nothing may
	window    int32 // the receive window when it was last asked for, in bytes; 0 for a new one's

	shake  *handshake    // while shaking
	parser *frame.Parser // inside a frame that is cut or out of the ordinary
	out    *outbox       // always for those that publish, else once a write was cut
}
