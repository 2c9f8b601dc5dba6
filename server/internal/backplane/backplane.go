// Package backplane carries publications between the workers of one server.
//
// It lives beside the fan-out, not in it: a worker delivers its own publications to its own members directly and hands a
// copy to the backplane; what arrives from the backplane is delivered to this worker's members and never sent on. The
// package knows rooms only by name. It holds the interface, the binary batch that crosses (batch.go), and one
// implementation over NATS: the broker that the supervisor embeds (broker.go) and the workers' link to it (nats.go).
//
// Guarantees: publications of one worker arrive in the order in which they were published, at most once. One that is lost
// on the way is counted by the sender (Dropped) or, by a gap in the sender's sequence, by every receiver that missed it
// (Lost), and logged as an error. Nothing is lost silently while the sender lives.
package backplane

import (
	"errors"

	"github.com/gobwas/ws"
)

// Deliver takes one publication of another worker. It is called from one goroutine, in each sender's order; payload is
// its to keep but not to modify.
type Deliver func(room string, op ws.OpCode, payload []byte)

// Stats are counters since the start, but for Connected and QueuedBytes, which are of this moment.
type Stats struct {
	Published   uint64 // publications handed to the broker
	Dropped     uint64 // publications refused by Publish or by the broker's library: no other worker gets them
	Received    uint64 // publications of other workers delivered here
	Lost        uint64 // publications of other workers that this one missed, by gaps in their sequences
	Reconnects  uint64 // times the link to the broker came back
	Errors      uint64 // malformed batches and errors that the broker or its library reported
	QueuedBytes int64  // bytes that wait for the sender
	Connected   bool   // whether the link to the broker is up
}

var (
	// ErrQueueFull says that the broker takes publications more slowly than this worker makes them.
	ErrQueueFull = errors.New("backplane queue is full")
	// ErrClosed says that the backplane was closed.
	ErrClosed = errors.New("backplane is closed")
	// ErrRoomName says that a room's name has more than 255 bytes.
	ErrRoomName = errors.New("room name is longer than 255 bytes")
	// ErrTooLarge says that a publication is larger than the broker takes.
	ErrTooLarge = errors.New("publication is larger than the backplane takes")
)
