package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

const (
	finBit     = 0x80
	rsv1Bit    = 0x40
	rsvBits    = 0x70
	opcodeBits = 0x0f
	maskBit    = 0x80
	lengthBits = 0x7f

	maxControl = 125 // bytes of payload, RFC 6455 §5.5
	maxHeader  = 14  // bytes
)

// A Parser is the receiving half of one connection. The zero value is ready.
// It is small, because every idle connection holds one, and it holds a buffer
// only inside a frame or message that has begun to arrive. It is not safe for
// concurrent use.
//
// A connection's outcome depends on its bytes alone, never on how they were
// split between calls.
type Parser struct {
	message *buffer // the unfinished message, as far as it has arrived
	control *buffer // the unfinished control frame, which may interrupt it
	spent   *buffer // backs the payload delivered last
	failed  *Error
	left    int64 // payload bytes of the current frame yet to arrive

	frames int32 // of the unfinished message
	mask   [4]byte
	header [maxHeader]byte // as far as it has arrived
	had    uint8           // bytes of header
	offset uint8           // into mask
	first  byte            // of the current frame
	op     ws.OpCode       // of the unfinished message; 0 is none
	text   UTF8            // of the unfinished message

	inPayload  bool
	compressed bool // the unfinished message
}

// Next takes the next whole message or control frame from b, which follows the
// bytes of earlier calls. It consumed n bytes of b; ok says that m holds
// something. Without ok and err b is used up, and what it held of an unfinished
// frame is kept: callers always hand over all that they have read, and call
// again with b[n:] until ok is false.
//
// Payloads are unmasked in place, so b is written to. A payload that lies whole
// in b, in one frame, aliases it; any other is in a buffer of the parser's. Both
// are valid until the next call, which gives the buffer back.
//
// Control frames between fragments are delivered at once. A Close is delivered
// only with a valid payload (see ParseClose). Limits are checked at the header,
// and nothing is allocated for bytes that have not arrived.
//
// err is an *Error, after which the parser stays failed.
func (p *Parser) Next(cfg *Config, b []byte) (m Message, n int, ok bool, err error) {
	if p.spent != nil {
		p.spent.release()
		p.spent = nil
	}
	if p.failed != nil {
		return Message{}, 0, false, p.failed
	}
	for {
		if !p.inPayload {
			used, fail := p.takeHeader(cfg, b[n:])
			n += used
			if fail != nil {
				return Message{}, n, false, p.fail(fail)
			}
			if !p.inPayload {
				return Message{}, n, false, nil
			}
		}
		part := b[n:]
		if int64(len(part)) > p.left {
			part = part[:p.left]
		}
		n += len(part)
		p.left -= int64(len(part))
		if cfg.Role == Server {
			ws.Cipher(part, p.mask, int(p.offset))
			p.offset = uint8(int(p.offset)+len(part)) & 3
		}
		p.inPayload = p.left > 0

		var fail *Error
		if ws.OpCode(p.first & opcodeBits).IsControl() {
			m, ok, fail = p.takeControl(part)
		} else {
			m, ok, fail = p.takeData(cfg, part)
		}
		if fail != nil {
			return Message{}, n, false, p.fail(fail)
		}
		if ok || p.inPayload {
			return m, n, ok, nil
		}
	}
}

// Mid says that a frame or a fragmented message has begun and not ended: the
// sender owes bytes.
func (p *Parser) Mid() bool {
	return p.had > 0 || p.inPayload || p.InMessage()
}

// InMessage says that a data message has begun and not ended, whether or not a
// control frame interrupts it.
func (p *Parser) InMessage() bool { return p.op != 0 }

// Release gives the parser's buffers back, when its connection has closed; the
// last payload is no longer valid.
func (p *Parser) Release() {
	for _, b := range [...]*buffer{p.message, p.control, p.spent} {
		if b != nil {
			b.release()
		}
	}
	*p = Parser{failed: p.failed}
}

func (p *Parser) fail(e *Error) error {
	p.failed = e
	p.Release()
	return e
}

// takeHeader consumes header bytes of b and, when they complete one, begins
// its frame.
func (p *Parser) takeHeader(cfg *Config, b []byte) (n int, fail *Error) {
	if p.had == 0 { // as a rule it lies whole in b
		size, length, fail := p.check(cfg, b)
		if fail != nil {
			return 0, fail
		}
		if size <= len(b) {
			p.begin(cfg, b[:size], length)
			return size, nil
		}
	}
	for {
		size, length, fail := p.check(cfg, p.header[:p.had])
		if fail != nil {
			return n, fail
		}
		if size <= int(p.had) {
			p.begin(cfg, p.header[:p.had], length)
			return n, nil
		}
		if n == len(b) {
			return n, nil
		}
		more := copy(p.header[p.had:size], b[n:])
		p.had += uint8(more)
		n += more
	}
}

// check judges the header that h begins with, or as much of it as there is, by
// the earliest byte that can be judged. The header takes size bytes, as far as
// is known from h: more than len(h) if it is not whole. RFC 6455 §5.2.
//
//	 0                   1
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//	+-+-+-+-+-------+-+-------------+------------------+--------------+
//	|F|R|R|R| opcode|M| length      | length, 16 or 64 | mask, 32     |
//	|I|S|S|S|  (4)  |A|  (7)        | if 126 or 127    | if M         |
//	|N|V|V|V|       |S|             |                  |              |
//	+-+-+-+-+-------+-+-------------+------------------+--------------+
func (p *Parser) check(cfg *Config, h []byte) (size int, length int64, fail *Error) {
	size = 2
	if len(h) < 1 {
		return size, 0, nil
	}
	op := ws.OpCode(h[0] & opcodeBits)
	if fail := p.checkFirst(cfg, h[0], op); fail != nil {
		return size, 0, fail
	}
	if len(h) < 2 {
		return size, 0, nil
	}
	masked := h[1]&maskBit != 0
	if masked != (cfg.Role == Server) {
		if masked {
			return size, 0, errMasked
		}
		return size, 0, errUnmasked
	}
	if masked {
		size += 4
	}
	length = int64(h[1] & lengthBits)
	if op.IsControl() {
		if length > maxControl {
			return size, 0, errControl
		}
		return size, length, nil
	}
	switch length {
	case 126:
		size += 2
		if len(h) < 4 {
			return size, 0, nil
		}
		length = int64(binary.BigEndian.Uint16(h[2:]))
		if length < 126 {
			return size, 0, errLength
		}
	case 127:
		size += 8
		if len(h) < 10 {
			return size, 0, nil
		}
		length = int64(binary.BigEndian.Uint64(h[2:]))
		if length < 1<<16 { // negative: the top bit is set
			return size, 0, errLength
		}
	}
	compressed := h[0]&rsv1Bit != 0
	if p.op != 0 { // as its first frame said
		compressed = p.compressed
	}
	if length > cfg.maxPayload(compressed)-p.message.size() {
		return size, 0, errTooLarge
	}
	return size, length, nil
}

// checkFirst judges a header's first byte in the light of the message that is
// open, if one is.
func (p *Parser) checkFirst(cfg *Config, first byte, op ws.OpCode) *Error {
	rsv := first & rsvBits
	if rsv == rsv1Bit && cfg.Compression && (op == ws.OpText || op == ws.OpBinary) {
		rsv = 0
	}
	open := p.op != 0
	switch {
	case rsv != 0:
		return errRSV
	case op.IsReserved():
		return errOpcode
	case op.IsControl():
		if first&finBit == 0 {
			return errControl
		}
		return nil
	case open != (op == ws.OpContinuation):
		return errFragment
	case open && int64(p.frames) >= cfg.maxFragments():
		return errFragments
	}
	return nil
}

// begin opens the frame that the checked header h announces.
func (p *Parser) begin(cfg *Config, h []byte, length int64) {
	p.first, p.left, p.offset = h[0], length, 0
	p.had, p.inPayload = 0, true
	if cfg.Role == Server {
		p.mask = [4]byte(h[len(h)-4:])
	}
	op := ws.OpCode(h[0] & opcodeBits)
	switch {
	case op.IsControl():
	case op == ws.OpContinuation:
		p.frames++
	default:
		p.op, p.frames = op, 1
		p.compressed = h[0]&rsv1Bit != 0
	}
}

// takeControl takes part of a control frame's payload, its last when the frame
// is no longer in its payload.
func (p *Parser) takeControl(part []byte) (m Message, ok bool, fail *Error) {
	if p.inPayload {
		p.control = p.control.append(part)
		return Message{}, false, nil
	}
	m.Op, m.Payload = ws.OpCode(p.first&opcodeBits), part
	if p.control != nil {
		p.spent = p.control.append(part)
		p.control = nil
		m.Payload = p.spent.bytes
	}
	if m.Op == ws.OpClose {
		_, _, fail = ParseClose(m.Payload)
	}
	return m, fail == nil, fail
}

// takeData takes part of a data frame's payload, its last when the frame is no
// longer in its payload.
func (p *Parser) takeData(cfg *Config, part []byte) (m Message, ok bool, fail *Error) {
	last := !p.inPayload && p.first&finBit != 0
	if p.op == ws.OpText && cfg.CheckUTF8 && !p.compressed && !p.text.Valid(part, last) {
		return Message{}, false, errUTF8
	}
	if !last {
		p.message = p.message.append(part)
		return Message{}, false, nil
	}
	m = Message{Op: p.op, Payload: part, Compressed: p.compressed}
	p.op = 0
	if p.message != nil {
		p.spent = p.message.append(part)
		p.message = nil
		m.Payload = p.spent.bytes
	}
	return m, true, nil
}
