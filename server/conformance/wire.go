package conformance

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"unicode/utf8"
)

// A Role is the player's end of the connection.
type Role uint8

const (
	Client Role = iota // a server is judged
	Server             // a client is judged
)

// append appends the frame's bytes, as role sends them.
func (f Frame) append(dst []byte, role Role, random *rand.Rand) []byte {
	first := f.RSV<<4 | f.Op
	if !f.More {
		first |= 0x80
	}
	var mask byte
	if (role == Client) != f.Mismask {
		mask = 0x80
	}
	length := uint64(len(f.Payload))
	if f.Declared > 0 {
		length = f.Declared
	}
	width := f.Width
	switch {
	case width > 0 || length < 126:
	case length < 1<<16:
		width = 2
	default:
		width = 8
	}
	dst = append(dst, first)
	switch width {
	case 0:
		dst = append(dst, mask|byte(length))
	case 2:
		dst = binary.BigEndian.AppendUint16(append(dst, mask|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, mask|127), length)
	}
	if mask == 0 {
		return append(dst, f.Payload...)
	}
	var key [4]byte
	binary.BigEndian.PutUint32(key[:], random.Uint32())
	dst = append(dst, key[:]...)
	start := len(dst)
	dst = append(dst, f.Payload...)
	for i := range dst[start:] {
		dst[start+i] ^= key[i&3]
	}
	return dst
}

// maxRead is the longest message that a reader takes, in bytes.
const maxRead = 32 << 20

// A reader reads what the judged end sends, and forgives nothing.
type reader struct {
	from    *bufio.Reader
	role    Role // of the player
	inflate *inflater
}

// next reads a whole data message, or a control frame that precedes or interrupts one. The error is io.EOF only between frames
// and messages.
func (r *reader) next(unfinished *Message) (Message, error) {
	for {
		f, err := r.notPing()
		if err != nil {
			if err == io.EOF && unfinished.Op != 0 {
				err = io.ErrUnexpectedEOF
			}
			return Message{}, err
		}
		if f.Op >= opClose {
			return Message{Op: f.Op, Payload: f.Payload}, nil
		}
		switch open := unfinished.Op != 0; {
		case open != (f.Op == opContinuation):
			return Message{}, fmt.Errorf("read frame: opcode %x within a message: %t", f.Op, open)
		case !open:
			*unfinished = Message{Op: f.Op, Payload: f.Payload, Deflate: f.RSV == 4}
		default:
			unfinished.Payload = append(unfinished.Payload, f.Payload...)
		}
		if f.More {
			continue
		}
		m := *unfinished
		*unfinished = Message{}
		if m.Deflate {
			if m.Payload, err = r.inflate.message(m.Payload); err != nil {
				return Message{}, err
			}
		}
		if m.Op == opText && !utf8.Valid(m.Payload) {
			return Message{}, errors.New("read text message: not UTF-8")
		}
		return m, nil
	}
}

// notPing reads a frame that is not a ping: either end may ping at any time, and no case is so long that the answer is missed.
func (r *reader) notPing() (Frame, error) {
	for {
		if f, err := r.frame(); err != nil || f.Op != opPing {
			return f, err
		}
	}
}

func (r *reader) frame() (Frame, error) {
	var h [8]byte
	if _, err := io.ReadFull(r.from, h[:1]); err != nil {
		return Frame{}, err
	}
	f := Frame{Op: h[0] & 0xf, RSV: h[0] >> 4 & 7, More: h[0]&0x80 == 0}
	if _, err := io.ReadFull(r.from, h[1:2]); err != nil {
		return Frame{}, cutOff(err)
	}
	masked, length := h[1]&0x80 != 0, uint64(h[1]&0x7f)
	if masked != (r.role == Server) {
		return Frame{}, fmt.Errorf("read frame: masked: %t", masked)
	}
	if width := map[uint64]int{126: 2, 127: 8}[length]; width > 0 {
		clear(h[:])
		if _, err := io.ReadFull(r.from, h[8-width:]); err != nil {
			return Frame{}, cutOff(err)
		}
		length = binary.BigEndian.Uint64(h[:])
		if length < 126 || width == 8 && length < 1<<16 {
			return Frame{}, fmt.Errorf("read frame: length %d in %d bytes", length, width)
		}
	}
	compressed := f.RSV == 4 && r.inflate != nil && (f.Op == opText || f.Op == opBinary)
	switch control := f.Op >= opClose; {
	case f.RSV != 0 && !compressed:
		return Frame{}, fmt.Errorf("read frame: reserved bits %03b", f.RSV)
	case f.Op > opPong || f.Op > opBinary && !control:
		return Frame{}, fmt.Errorf("read frame: opcode %x", f.Op)
	case control && (f.More || length > 125):
		return Frame{}, fmt.Errorf("read control frame: %d bytes, final: %t", length, !f.More)
	case length > maxRead:
		return Frame{}, fmt.Errorf("read frame: %d bytes", length)
	}
	var key [4]byte
	if masked {
		if _, err := io.ReadFull(r.from, key[:]); err != nil {
			return Frame{}, cutOff(err)
		}
	}
	f.Payload = make([]byte, length)
	if _, err := io.ReadFull(r.from, f.Payload); err != nil {
		return Frame{}, cutOff(err)
	}
	if masked {
		for i := range f.Payload {
			f.Payload[i] ^= key[i&3]
		}
	}
	return f, nil
}

func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// closeCode is that of a close frame's payload, which must be a valid one.
func closeCode(payload []byte) (int, error) {
	switch {
	case len(payload) == 0:
		return NoCode, nil
	case len(payload) == 1:
		return 0, errors.New("read close frame: half a code")
	case !utf8.Valid(payload[2:]):
		return 0, fmt.Errorf("read close frame: reason %q is not UTF-8", payload[2:])
	}
	code := int(binary.BigEndian.Uint16(payload))
	if code < 1000 || code > 4999 || code >= 1004 && code <= 1006 || code >= 1015 && code < 3000 {
		return 0, fmt.Errorf("read close frame: code %d", code)
	}
	return code, nil
}
