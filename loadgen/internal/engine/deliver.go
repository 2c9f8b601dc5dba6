package engine

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/plan"
	"fanbench/server/frame"
)

// plain returns the payload of the common frame, if b begins with one that is
// whole: text or binary, unfragmented, unmasked, without extension bits and of
// up to 64 KiB. size is the frame's, 0 if it is anything else.
func plain(b []byte) (payload []byte, size int) {
	if len(b) < 2 || b[0] != 0x81 && b[0] != 0x82 {
		return nil, 0
	}
	start, length := 2, int(b[1])
	if length > 125 {
		if length != 126 || len(b) < 4 {
			return nil, 0
		}
		if start, length = 4, int(binary.BigEndian.Uint16(b[2:])); length < 126 {
			return nil, 0 // not minimal: the strict parser has the word for it
		}
	}
	if size = start + length; size > len(b) {
		return nil, 0
	}
	return b[start:size], size
}

// parse takes the frames of one read. What is not plain goes to the strict
// parser, whose state the connection holds for as long as it is inside a frame.
func (r *receiver) parse(c *conn, b []byte) {
	for len(b) > 0 && c.state == open {
		if c.parser == nil {
			if payload, size := plain(b); size > 0 {
				if !r.message(c, payload, b[0] == 0x81, size == len(b)) {
					r.violated(c, ws.StatusInvalidFramePayloadData, "utf8")
					return
				}
				b = b[size:]
				continue
			}
			c.parser = r.takeParser()
		}
		m, n, ok, err := c.parser.Next(&r.frames, b)
		b = b[n:]
		if err != nil {
			var fault *frame.Error
			if errors.As(err, &fault) {
				r.violated(c, fault.Code, fault.Reason)
			}
			return
		}
		if ok {
			r.dispatch(c, m, len(b) == 0)
		}
		if c.parser != nil && !c.parser.Mid() {
			r.giveParser(c)
		}
	}
}

func (r *receiver) takeParser() *frame.Parser {
	last := len(r.parsers) - 1
	if last < 0 {
		return &frame.Parser{}
	}
	p := r.parsers[last]
	r.parsers = r.parsers[:last]
	return p
}

func (r *receiver) giveParser(c *conn) {
	c.parser.Release()
	*c.parser = frame.Parser{}
	r.parsers = append(r.parsers, c.parser)
	c.parser = nil
}

// dispatch takes what the strict parser found.
func (r *receiver) dispatch(c *conn, m frame.Message, last bool) {
	switch m.Op {
	case ws.OpPing:
		r.scratch = frame.AppendMasked(r.scratch[:0], ws.OpPong, m.Payload, mask(r.masks))
		r.outbox(c).control(r.scratch)
	case ws.OpPong:
	case ws.OpClose:
		code, reason, _ := frame.ParseClose(m.Payload) // the parser has checked it
		r.closed(c, code, string(reason))
	default:
		r.message(c, m.Payload, false, last)
	}
}

// message accounts for one whole message. unchecked says that it is text whose
// UTF-8 nobody has looked at; message then returns false if it is none. last
// says that nothing follows it in its read.
func (r *receiver) message(c *conn, payload []byte, unchecked, last bool) (valid bool) {
	said, fresh := r.reader.read(payload)
	if fresh && unchecked && !utf8.Valid(payload) {
		return false
	}
	switch {
	case c.role == plan.Publisher:
		r.counts.toPublishers++
		return true
	case said.class != sound:
		r.unsound(said.class)
		return true
	case c.room != said.room: // an echoer's room is its own
		r.counts.misrouted++
		return true
	}
	if !r.account.Arrive(int(c.cell+said.slot), said.sequence).First() {
		return true
	}
	if r.window != nil {
		r.window.credit++
	}
	if said.measured {
		r.measure(said, last)
	}
	return true
}

func (r *receiver) unsound(what class) {
	switch what {
	case corrupt:
		r.counts.corrupt++
	case foreign:
		r.counts.foreign++
	default:
		r.counts.unknown++
	}
}

// measure records the first arrival of a measured publication.
func (r *receiver) measure(said *seen, last bool) {
	fromDue := r.at - said.due
	r.recorded.record(delivery, fromDue)
	r.recorded.record(sentDelivery, r.at-said.sent)
	r.recorded.record(readLag, r.readAt-r.at)

	counts := &r.counts
	counts.measured++
	switch {
	case r.stamped == unstamped:
		counts.missing++
	case r.stamped == own && last:
		counts.exact++
	default:
		counts.bound++
	}
	if counts.firstAt == 0 || r.at < counts.firstAt {
		counts.firstAt = r.at
	}
	counts.finalAt = max(counts.finalAt, r.at)

	if said.record < 0 {
		return
	}
	rec := &r.records[said.record]
	if rec.count == 0 || fromDue < rec.first {
		rec.first = fromDue
	}
	if rec.count == 0 || fromDue > rec.last {
		rec.last = fromDue
	}
	rec.count++
}
