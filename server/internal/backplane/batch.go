package backplane

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gobwas/ws"
)

// A batch is one message on the broker's wire. All integers are big-endian.
//
//	offset  bytes  batch
//	     0      8  origin: the sending link, random
//	     8      8  first: how many publications this origin sent before this batch
//	    16      …  publications, none or more, without padding
//
//	offset  bytes  publication
//	     0      1  op: 1 text, 2 binary
//	     1      1  room name length r, in bytes
//	     2      4  payload length p, in bytes
//	     6      r  room name
//	   6+r      p  payload
//
// A batch without publications tells where the origin's sequence stands, so that the loss of the last batch before a
// silence is noticed too.
const (
	batchHeader       = 16
	publicationHeader = 6
	maxRoomName       = 255
)

var errBatch = errors.New("malformed batch")

func appendBatchHeader(dst []byte, origin, first uint64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, origin)
	return binary.BigEndian.AppendUint64(dst, first)
}

func publicationSize(room string, payload []byte) int {
	return publicationHeader + len(room) + len(payload)
}

func appendPublication(dst []byte, room string, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, byte(op), byte(len(room)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	dst = append(dst, room...)
	return append(dst, payload...)
}

// takePublication splits the first publication off b.
func takePublication(b []byte) (room []byte, op ws.OpCode, payload, rest []byte, err error) {
	if len(b) < publicationHeader {
		return nil, 0, nil, nil, fmt.Errorf("%w: %d bytes where a publication should start", errBatch, len(b))
	}
	op = ws.OpCode(b[0])
	if op != ws.OpText && op != ws.OpBinary {
		return nil, 0, nil, nil, fmt.Errorf("%w: opcode %d", errBatch, op)
	}
	r := int64(b[1])
	p := int64(binary.BigEndian.Uint32(b[2:]))
	b = b[publicationHeader:]
	if int64(len(b)) < r+p {
		return nil, 0, nil, nil, fmt.Errorf("%w: publication of %d bytes, %d left", errBatch, r+p, len(b))
	}
	return b[:r], op, b[r : r+p : r+p], b[r+p:], nil
}

// cut returns how many bytes of b, which holds whole publications, and how many publications fit into limit bytes: one at
// the least.
func cut(b []byte, limit int) (size, publications int) {
	for size < len(b) {
		next := publicationHeader + int(b[size+1]) + int(binary.BigEndian.Uint32(b[size+2:]))
		if publications > 0 && size+next > limit {
			break
		}
		size += next
		publications++
	}
	return size, publications
}

// sequences tells lost publications by the gaps in what each origin has sent.
type sequences map[uint64]uint64

// arrive takes note of n publications from the origin, the first of them number first, and returns how many were missed
// before it. What an origin sent before it was first heard of is not missed: it was not for this receiver.
func (s sequences) arrive(origin, first uint64, n int) (missed uint64) {
	if next, known := s[origin]; known && first > next {
		missed = first - next
	}
	s[origin] = first + uint64(n)
	return missed
}
