package conformance

import (
	"bytes"
	"fmt"
	"slices"
)

// BadFrames are conversations of frames that no library would send, for an end that takes messages of maxMessage bytes, 64 KiB at
// least, and does not speak permessage-deflate unless the case's terms say so. Their numbers are those of the rows of bad input
// in the server's tests.
func BadFrames(maxMessage int) []Case {
	return slices.Concat(badHeaders(maxMessage), badSizes(maxMessage), badDeflate(maxMessage))
}

// badHeaders are frames that are wrong by their header alone (RFC 6455 §5.2).
func badHeaders(maxMessage int) (cases []Case) {
	fails := func(id, what string, code int, frame Frame) {
		cases = append(cases, failing(id, what, ByFrame, code, steps(frame)))
	}
	hello := text("Hello, world!")
	fails("24 text", "masked the wrong way round", 1002, mismasked(hello))
	fails("24 ping", "ping masked the wrong way round", 1002, mismasked(ping("")))
	fails("24 close", "close masked the wrong way round", 1002, mismasked(closing(1000, "")))
	for bits := range byte(7) {
		fails(fmt.Sprintf("25 bits %03b", bits+1), "reserved bits", 1002, reserved(bits+1, hello))
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		fails(fmt.Sprintf("26 opcode %x", op), "reserved opcode", 1002, Frame{Op: op})
	}
	fails("27 top bit", "64-bit length with the top bit set", 1002, Frame{Op: opBinary, Declared: 1 << 63})
	fails("27 all bits", "64-bit length with all bits set", 1002, Frame{Op: opBinary, Declared: 1<<64 - 1})
	for _, declared := range []uint64{1<<63 - 1, 1 << 40, uint64(maxMessage) + 1} {
		fails(fmt.Sprintf("28 %d", declared), "a length over the limit, and nothing of the payload", 1009, Frame{Op: opBinary, Declared: declared})
	}
	for _, length := range []int{0, 1, 125} {
		fails(fmt.Sprintf("30 %d in 16 bits", length), "length in more bytes than it needs", 1002,
			Frame{Op: opBinary, Payload: content(opBinary, length), Width: 2})
	}
	for _, length := range []int{0, 126, 65535} {
		fails(fmt.Sprintf("30 %d in 64 bits", length), "length in more bytes than it needs", 1002,
			Frame{Op: opBinary, Payload: content(opBinary, length), Width: 8})
	}
	return cases
}

// mismasked is the frame, masked the wrong way round for its sender.
func mismasked(f Frame) Frame {
	f.Mismask = true
	return f
}

// badSizes are messages at the limits and over them (RFC 6455 §10.4).
func badSizes(maxMessage int) []Case {
	exact := Message{Op: opBinary, Payload: content(opBinary, maxMessage)}
	half := content(opBinary, maxMessage/2+1)
	return []Case{
		orderly("29 whole", "exactly the limit", ByFrame, []Step{exact}, []Message{exact}),
		orderly("29 fragments", "exactly the limit, in fragments", ByFrame,
			[]Step{Message{Op: opBinary, Payload: exact.Payload, Frames: 1000}}, []Message{{Op: opBinary, Payload: exact.Payload}}),
		failing("42 two", "fragments whose sum exceeds the limit, of the second only the header", ByFrame, 1009,
			steps(Frame{Op: opBinary, Payload: half, More: true}, Frame{Op: opContinuation, Declared: uint64(len(half)), More: true})),
		failing("42 many", "small fragments whose sum exceeds the limit", ByFrame, 1009,
			[]Step{Message{Op: opBinary, Payload: content(opBinary, maxMessage+1000), Frames: 500}}),
	}
}

// badDeflate is what goes wrong within permessage-deflate (RFC 7692 §6.1, §7.2).
func badDeflate(maxMessage int) (cases []Case) {
	terms := &Terms{ServerNoContext: true, ClientNoContext: true, ClientBits: AnyBits}
	compress := func(payload []byte) []byte {
		d := &Terms{ClientNoContext: true}
		return bytes.Clone(d.deflater(Client).message(payload))
	}
	fails := func(id, what string, code int, frames ...Frame) {
		c := failing(id, what, ByFrame, code, steps(frames...))
		c.Terms = terms
		cases = append(cases, c)
	}
	compressed := func(payload []byte) Frame { return Frame{Op: opBinary, RSV: 4, Payload: payload} }

	// 64 KiB that would inflate to 64 MiB: repeated, since a deflated run of zeros can do no better than 1 : 1030.
	bomb := bytes.Repeat(append(compress(make([]byte, 4<<20)), emptyBlock...), 16)
	bomb = bomb[:min(len(bomb), maxMessage)]
	fails("57 bomb", fmt.Sprintf("%d bytes that inflate to 64 MiB", len(bomb)), 1009, compressed(bomb))
	fails("57 one more", "a byte over the limit after inflation", 1009, compressed(compress(make([]byte, maxMessage+1))))
	fails("58 ping", "RSV1 on a ping", 1002, reserved(4, ping("")))
	fails("58 close", "RSV1 on a close frame", 1002, reserved(4, closing(1000, "")))
	part := compress(materials()[0].part(0, 4<<10))
	fails("58 fragment", "RSV1 on the second fragment", 1002, Frame{Op: opText, RSV: 4, Payload: part[:100], More: true},
		Frame{Op: opContinuation, RSV: 4, Payload: part[100:]})
	fails("58 RSV2", "RSV1 and RSV2", 1002, reserved(6, text("Hello, world!")))
	fails("59 corrupt", "not DEFLATE: a block of the reserved type", 1007, compressed([]byte{0x06, 0xff, 0xff}))
	fails("59 truncated", "half of a compressed message", 1007, Frame{Op: opText, RSV: 4, Payload: part[:len(part)/2]})
	fails("59 too far back", "a reference to before the message", 1007, compressed([]byte{0x4a, 0x04, 0x11, 0x00}))
	fails("59 not UTF-8", "text that is not UTF-8 after inflation", 1007,
		Frame{Op: opText, RSV: 4, Payload: compress([]byte(kosme + "\xed\xa0\x80edited"))})
	return cases
}
