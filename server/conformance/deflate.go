package conformance

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Terms are the parameters of permessage-deflate (RFC 7692 §7.1): in a case, what the player asks for as a client, and what it
// imposes as a server, as far as the client's offer lets it.
type Terms struct {
	ServerNoContext bool   // server_no_context_takeover
	ClientNoContext bool   // client_no_context_takeover
	ServerBits      int    // server_max_window_bits; 0 is not named
	ClientBits      int    // client_max_window_bits; 0 is not named, AnyBits without a value
	Or              *Terms // the offer after this one
}

// AnyBits is client_max_window_bits without a value: the server may choose.
const AnyBits = -1

const extension = "permessage-deflate"

// String is the value of Sec-WebSocket-Extensions.
func (t *Terms) String() string {
	s := extension
	if t.ServerNoContext {
		s += "; server_no_context_takeover"
	}
	if t.ClientNoContext {
		s += "; client_no_context_takeover"
	}
	if t.ServerBits != 0 {
		s += fmt.Sprintf("; server_max_window_bits=%d", t.ServerBits)
	}
	switch {
	case t.ClientBits == AnyBits:
		s += "; client_max_window_bits"
	case t.ClientBits != 0:
		s += fmt.Sprintf("; client_max_window_bits=%d", t.ClientBits)
	}
	if t.Or != nil {
		s += ", " + t.Or.String()
	}
	return s
}

// parseTerms reads one offer or answer of permessage-deflate.
func parseTerms(s string) (*Terms, error) {
	t := new(Terms)
	name, rest, more := strings.Cut(s, ";")
	if strings.TrimSpace(name) != extension {
		return nil, fmt.Errorf("read extension %q: not %s", s, extension)
	}
	seen := map[string]bool{}
	for more {
		var parameter string
		parameter, rest, more = strings.Cut(rest, ";")
		name, value, valued := strings.Cut(strings.TrimSpace(parameter), "=")
		bits, err := strconv.Atoi(value)
		inRange := err == nil && bits >= 8 && bits <= 15 && strconv.Itoa(bits) == value
		switch {
		case seen[name]:
			return nil, fmt.Errorf("read extension %q: %s twice", s, name)
		case name == "server_no_context_takeover" && !valued:
			t.ServerNoContext = true
		case name == "client_no_context_takeover" && !valued:
			t.ClientNoContext = true
		case name == "server_max_window_bits" && inRange:
			t.ServerBits = bits
		case name == "client_max_window_bits" && inRange:
			t.ClientBits = bits
		case name == "client_max_window_bits" && !valued:
			t.ClientBits = AnyBits
		default:
			return nil, fmt.Errorf("read extension %q: parameter %q", s, parameter)
		}
		seen[name] = true
	}
	return t, nil
}

// accept reads the server's answer to t, which must agree to one of the offers as RFC 7692 §7.1 lets it.
func (t *Terms) accept(answer string) (*Terms, error) {
	agreed, err := parseTerms(answer)
	if err != nil {
		return nil, err
	}
	for offer := t; offer != nil; offer = offer.Or {
		if offer.permits(agreed) {
			return agreed, nil
		}
	}
	return nil, fmt.Errorf("offer %q: the answer %q agrees to none", t, answer)
}

// permits says whether a server may answer the offer t so.
func (t *Terms) permits(answer *Terms) bool {
	switch {
	case t.ServerNoContext && !answer.ServerNoContext:
	case t.ServerBits != 0 && (answer.ServerBits == 0 || answer.ServerBits > t.ServerBits):
	case answer.ClientBits == AnyBits, t.ClientBits == 0 && answer.ClientBits != 0:
	case t.ClientBits > 0 && answer.ClientBits > t.ClientBits:
	default:
		return true
	}
	return false
}

// answer is what a server that wants t says to a client's offer: all of t that the offer permits, and all that it demands.
func (t *Terms) answer(offer *Terms) *Terms {
	a := &Terms{ServerNoContext: t.ServerNoContext || offer.ServerNoContext, ClientNoContext: t.ClientNoContext, ServerBits: t.ServerBits}
	if offer.ServerBits != 0 && (a.ServerBits == 0 || a.ServerBits > offer.ServerBits) {
		a.ServerBits = offer.ServerBits
	}
	if offer.ClientBits != 0 && t.ClientBits > 0 {
		a.ClientBits = t.ClientBits
		if offer.ClientBits > 0 {
			a.ClientBits = min(a.ClientBits, offer.ClientBits)
		}
	}
	return a
}

// deflater is the player's.
func (t *Terms) deflater(role Role) *deflater {
	d := &deflater{bits: t.ClientBits, context: !t.ClientNoContext}
	if role == Server {
		d.bits, d.context = t.ServerBits, !t.ServerNoContext
	}
	level := flate.DefaultCompression
	if d.bits <= 0 {
		d.bits = 15
	}
	if d.bits < 15 {
		level = flate.BestSpeed // its start is cheap
	}
	d.writer, _ = flate.NewWriter(&d.out, level) // both levels exist
	return d
}

// A deflater compresses the messages of one connection.
type deflater struct {
	bits    int
	context bool // taken over from message to message
	writer  *flate.Writer
	out     bytes.Buffer
}

// emptyBlock ends a flushed stream, and is not sent (RFC 7692 §7.2.1).
const emptyBlock = "\x00\x00\xff\xff"

// message compresses one message. The standard library's window cannot be made smaller; instead the message is compressed in
// parts as long as the window, none of which refers to another.
func (d *deflater) message(payload []byte) []byte {
	d.out.Reset()
	window := 1 << d.bits
	for first := true; first || len(payload) > 0; first = false {
		n := len(payload)
		if d.bits < 15 {
			n = min(n, window)
		}
		if !d.context || d.bits < 15 {
			d.writer.Reset(&d.out)
		}
		// Writing to a buffer cannot fail.
		_, _ = d.writer.Write(payload[:n])
		_ = d.writer.Flush()
		payload = payload[n:]
	}
	return bytes.TrimSuffix(d.out.Bytes(), []byte(emptyBlock))
}

// inflater is the player's.
func (t *Terms) inflater(role Role) *inflater {
	if role == Server {
		return &inflater{context: !t.ClientNoContext}
	}
	return &inflater{context: !t.ServerNoContext}
}

// An inflater inflates the messages of one connection.
type inflater struct {
	context bool
	history []byte
}

// lastBlock makes a message a whole stream.
const lastBlock = "\x01\x00\x00\xff\xff"

func (f *inflater) message(compressed []byte) ([]byte, error) {
	source := bytes.NewReader(append(append(bytes.Clone(compressed), emptyBlock...), lastBlock...))
	reader := flate.NewReaderDict(source, f.history)
	message, err := io.ReadAll(io.LimitReader(reader, maxRead))
	if err != nil {
		return nil, fmt.Errorf("inflate message: %w", err)
	}
	if source.Len() > 0 {
		return nil, fmt.Errorf("inflate message: ends %d bytes early", source.Len())
	}
	if f.context {
		f.history = append(f.history, message...)
		f.history = bytes.Clone(f.history[max(0, len(f.history)-1<<15):])
	}
	return message, nil
}
