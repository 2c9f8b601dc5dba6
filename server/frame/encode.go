package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// HeaderLen is the number of bytes in an unmasked frame's header before a
// payload of n bytes: 2, 4 or 10. A mask adds 4.
func HeaderLen(n int) int {
	switch {
	case n < 126:
		return 2
	case n < 1<<16:
		return 4
	}
	return 10
}

// AppendHeader appends the header of an unmasked frame, as a server sends it,
// for a payload of length bytes.
func AppendHeader(dst []byte, op ws.OpCode, fin, rsv1 bool, length int) []byte {
	first := byte(op)
	if fin {
		first |= finBit
	}
	if rsv1 {
		first |= rsv1Bit
	}
	return appendLength(append(dst, first), 0, length)
}

// AppendFrame appends a whole unmasked frame, as a server sends it.
func AppendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = AppendHeader(dst, op, true, false, len(payload))
	return append(dst, payload...)
}

// AppendMasked appends a whole frame masked with mask, as a client sends it.
// The payload itself is left as it is.
func AppendMasked(dst []byte, op ws.OpCode, payload []byte, mask [4]byte) []byte {
	dst = appendLength(append(dst, finBit|byte(op)), maskBit, len(payload))
	dst = append(dst, mask[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[start:], mask, 0)
	return dst
}

// appendLength appends a header's second byte and what follows of the length.
func appendLength(dst []byte, mask byte, length int) []byte {
	switch HeaderLen(length) {
	case 2:
		return append(dst, mask|byte(length))
	case 4:
		return binary.BigEndian.AppendUint16(append(dst, mask|126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, mask|127), uint64(length))
}
