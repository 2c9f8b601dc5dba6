package engine

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/plan"
	"fanbench/server/frame"
)

// rsv1 is the bit of a frame's first byte that marks a compressed message
// (RFC 7692 §6).
const rsv1 = 0x40

// plain returns the payload of the common frame, if b begins with one that is
// whole: text or binary, unfragmented, unmasked, without extension bits but
// those allowed, and of up to 64 KiB. size is the frame's, 0 if it is anything
// else.
func plain(b []byte, allowed byte) (payload []byte, size int) {
	if len(b) < 2 {
		return nil, 0
	}
	if first := b[0] &^ allowed; first != 0x81 && first != 0x82 {
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
	config, allowed := &r.frames, byte(0)
	if c.inflate != 0 {
		config, allowed = &r.compressedFrames, rsv1
	}
	for len(b) > 0 && c.receives() {
		if c.parser == nil {
			if payload, size := plain(b, allowed); size > 0 {
				m := message{payload: payload, op: ws.OpCode(b[0] & 0x0f), compressed: b[0]&rsv1 != 0}
				b = b[size:]
				r.counts.frames++
				if err := r.message(c, m, len(b) == 0); err != nil {
					r.violated(c, err)
				}
				continue
			}
			c.parser = r.takeParser()
		}
		m, n, ok, err := c.parser.Next(config, b)
		b = b[n:]
		if err == nil && ok {
			r.counts.frames++
			err = r.dispatch(c, m, len(b) == 0)
		}
		if err != nil {
			r.violated(c, err)
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

// dispatch takes what the strict parser found. err is a [*frame.Error].
func (r *receiver) dispatch(c *conn, m frame.Message, last bool) (err error) {
	switch m.Op {
	case ws.OpPing:
		r.scratch = frame.AppendMasked(r.scratch[:0], ws.OpPong, m.Payload, mask(r.masks))
		r.outbox(c).control(r.scratch)
	case ws.OpPong:
	case ws.OpClose:
		code, reason, _ := frame.ParseClose(m.Payload) // the parser has checked it
		r.closed(c, code, string(reason))
	default:
		return r.message(c, message{payload: m.Payload, op: m.Op, compressed: m.Compressed, checked: r.frames.CheckUTF8 && !m.Compressed}, last)
	}
	return nil
}

// message is one whole message as it arrived.
type message struct {
	payload    []byte
	op         ws.OpCode
	compressed bool
	checked    bool // the UTF-8 of a text
}

var errUTF8 = &frame.Error{Code: ws.StatusInvalidFramePayloadData, Reason: "utf8"} // RFC 6455 §8.1

// message accounts for one message. last says that nothing follows it in its
// read. err, a [*frame.Error], is why the connection must fail.
func (r *receiver) message(c *conn, m message, last bool) (err error) {
	if r.mirror != nil {
		return r.mirror.message(r, c, m)
	}
	said, err := r.understand(c, m)
	if err != nil {
		return err
	}
	switch {
	case c.role == plan.Publisher:
		r.counts.toPublishers++
		return nil
	case said.class != sound:
		r.unsound(said.class)
		return nil
	case c.room != said.room: // an echoer's room is its own
		r.counts.misrouted++
		return nil
	}
	if c.marks&apart != 0 {
		r.slowly(c, said, last)
		return nil
	}
	if !r.account.Arrive(int(c.cell+said.slot), said.sequence).First() {
		return nil
	}
	if r.window != nil {
		r.window.credit++
	}
	if said.measured {
		r.measure(said, last)
	}
	return nil
}

// understand inflates and checks a message, unless it has been seen before. A
// publication that was damaged on its way counts as that, whatever its bytes
// are as text: it does not end the connection (which RFC 6455 §8.1 asks for),
// or one bad byte would look like many lost deliveries.
func (r *receiver) understand(c *conn, m message) (said *seen, err error) {
	var text []byte // that nobody has looked at
	if m.compressed {
		if said, text, err = r.reader.inflate(m.payload, c.inflate); err != nil {
			return nil, err
		}
	} else {
		fresh := false
		if said, fresh = r.reader.read(m.payload); fresh && !m.checked {
			text = m.payload
		}
	}
	if m.op == ws.OpText && said.class != corrupt && !utf8.Valid(text) {
		return nil, errUTF8
	}
	return said, nil
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
	if r.window != nil {
		r.recorded.record(readDelivery, r.readAt-said.sent)
	}

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

	if said.record < 0 || r.settled {
		return
	}
	rec := &r.records[said.record]
	if rec.Count == 0 || fromDue < rec.First {
		rec.First = fromDue
	}
	if rec.Count == 0 || fromDue > rec.Last {
		rec.Last = fromDue
	}
	if rec.Count++; rec.Count == r.middles[said.room] {
		rec.Middle = fromDue
	}
}

// middles is half of each room's subscribers, rounded up. The slow and the
// silent are in no record.
func middles(conns []conn, rooms int) []uint32 {
	half := make([]uint32, max(1, rooms))
	for i := range conns {
		if c := &conns[i]; c.role == plan.Subscriber && c.marks&apart == 0 {
			half[c.room]++
		}
	}
	for room, n := range half {
		half[room] = (n + 1) / 2
	}
	return half
}
