// Package conformance holds a table of WebSocket conversations, right and wrong, and plays them with either end of a connection:
// as a client against a server, or as a server against a client. RFC 6455 and RFC 7692 say what the other end must answer, and
// nothing else passes.
//
// The sections have the numbers that implementers know: 1 framing, 2 pings and pongs, 3 reserved bits, 4 reserved opcodes,
// 5 fragmentation, 6 UTF-8, 7 closing, 9 and 10 large and many messages, 12 and 13 permessage-deflate; [BadFrames] holds what lies
// below all of them. Frames are written and read here by code of its own, and compressed by the standard library's, so that a
// fault shared with packages frame and deflate cannot hide.
//
// The tests beside it play everything against the real server program, and add the bad requests; loadgen's tests play it against
// the load generator. What a server does with a message besides echoing it is not the concern of this package.
package conformance

import (
	"encoding/binary"
	"slices"
)

// A Case is one conversation after the opening handshake. The judged end echoes every data message.
type Case struct {
	ID    string // section and number
	What  string
	Terms *Terms // of permessage-deflate; nil where it is not offered
	Cut   Cut
	Sends []Step    // what the player sends, in order
	Wants []Message // data messages and pongs that must arrive, in order, and nothing else
	// Code is that of the close frame which must follow them: [NoCode] for one without a payload, [NoClose] for none at all. Then
	// the stream must end.
	Code int
}

// Codes that no close frame carries (RFC 6455 §7.4.1).
const (
	NoCode  = 1005
	NoClose = 1006
)

// Opcodes (RFC 6455 §5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// A Cut says how the bytes that a player sends are split into writes: positive, into so many bytes each.
type Cut int

const (
	ByFrame  Cut = 0  // a write for each frame
	Whole    Cut = -1 // a write for everything up to the next wait
	AtRandom Cut = -2 // at random places, within frames and across them, the same in every run
)

// A Step is something that a player does: a [Frame], a [Message], [Bytes], [After], [End] or [Drip].
type Step interface {
	take(*sender) error
}

// A Frame is sent as it is, right or wrong. The zero values are those of a single, final, well-formed frame.
type Frame struct {
	Op       byte
	Payload  []byte
	More     bool   // FIN is clear
	RSV      byte   // the three reserved bits, RSV1 the highest: 4
	Mismask  bool   // masked by a server, unmasked by a client
	Width    int    // bytes of the extended length, 2 or 8, where it is not the shortest
	Declared uint64 // length in the header, where it is not the payload's
}

// A Message is a whole data message or control frame.
type Message struct {
	Op      byte
	Payload []byte
	Frames  int  // bytes of each fragment, when it is sent; 0 is a single frame
	Deflate bool // compressed, when it is sent
}

// Bytes are sent as they are.
type Bytes []byte

// After waits until so many of the wanted messages have arrived; one more is the close frame.
type After int

// End ends the sending half of the connection.
type End struct{}

// Drip sends bytes one by one with pauses, until all are sent or the other end has closed.
type Drip []byte

func text(s string) Frame     { return Frame{Op: opText, Payload: []byte(s)} }
func binaryOf(s string) Frame { return Frame{Op: opBinary, Payload: []byte(s)} }
func ping(s string) Frame     { return Frame{Op: opPing, Payload: []byte(s)} }
func pong(s string) Frame     { return Frame{Op: opPong, Payload: []byte(s)} }

// begin, more and last are the fragments of a text message.
func begin(s string) Frame { return Frame{Op: opText, Payload: []byte(s), More: true} }
func more(s string) Frame  { return Frame{Op: opContinuation, Payload: []byte(s), More: true} }
func last(s string) Frame  { return Frame{Op: opContinuation, Payload: []byte(s)} }

// reserved is the frame with the given reserved bits.
func reserved(bits byte, f Frame) Frame {
	f.RSV = bits
	return f
}

// closing is a close frame; NoCode makes it empty.
func closing(code int, reason string) Frame {
	if code == NoCode {
		return Frame{Op: opClose}
	}
	return Frame{Op: opClose, Payload: append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)}
}

// said are the messages that frames make by themselves.
func said(frames ...Frame) (messages []Message) {
	for _, f := range frames {
		messages = append(messages, Message{Op: f.Op, Payload: f.Payload})
	}
	return messages
}

// steps are frames as steps.
func steps(frames ...Frame) (all []Step) {
	for _, f := range frames {
		all = append(all, f)
	}
	return all
}

// orderly is a case that the player ends with the closing handshake, once everything has arrived.
func orderly(id, what string, cut Cut, sends []Step, wants []Message) Case {
	sends = append(slices.Clip(sends), After(len(wants)), closing(1000, ""))
	return Case{ID: id, What: what, Cut: cut, Sends: sends, Wants: wants, Code: 1000}
}

// failing is a case in which the judged end must fail the connection with the code, after what it owes.
func failing(id, what string, cut Cut, code int, sends []Step, wants ...Message) Case {
	return Case{ID: id, What: what, Cut: cut, Sends: sends, Wants: wants, Code: code}
}

// Cases are those of sections 1 to 10.
func Cases() []Case {
	return slices.Concat(framing(), controls(), reservedBits(), reservedOpcodes(), fragmentation(), unicodes(), closings(), large())
}
