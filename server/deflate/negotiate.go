package deflate

import (
	"fmt"
	"strconv"
)

const (
	extensionName           = "permessage-deflate"
	serverNoContextTakeover = "server_no_context_takeover"
	clientNoContextTakeover = "client_no_context_takeover"
	serverMaxWindowBits     = "server_max_window_bits"
	clientMaxWindowBits     = "client_max_window_bits"
)

// Negotiate is the server's part: it answers the list of extensions that a
// request offers with the first permessage-deflate in it that is legal, in the
// peer's order of preference (RFC 7692 §5, §7.1). response is the value of the
// answer's Sec-WebSocket-Extensions. Where nothing is acceptable, offers are
// declined: ok is false, the answer names no extension, and the connection goes
// on without.
//
// The response rules out context takeover both ways, asked or not: §7.1.1.1 and
// §7.1.1.2 let a server do so. A window asked for the server is honoured, from
// 8 bits on. The client's is left at the 15 bits that hold where a response is
// silent, as inflation is ready for that in any case.
func Negotiate(offers string) (p Params, response string, ok bool) {
	for l := (list{rest: offers}); l.more(); {
		t, problem := l.terms()
		if l.malformed {
			break
		}
		if problem == "" {
			return t.params(), responses[t.serverMaxWindowBits], true
		}
	}
	return Params{}, "", false
}

// responses are by the server_max_window_bits offered, 0 being none.
var responses = func() (all [MaxWindowBits + 1]string) {
	const base = extensionName + "; " + serverNoContextTakeover + "; " + clientNoContextTakeover
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		all[bits] = base + "; " + serverMaxWindowBits + "=" + strconv.Itoa(bits)
	}
	all[0] = base
	return all
}()

// An Offer is the client's part.
type Offer struct {
	// ServerMaxWindowBits is the window to ask of the server, MinWindowBits to
	// MaxWindowBits; 0 asks for none.
	ServerMaxWindowBits int
}

// String is the value of the request's Sec-WebSocket-Extensions. It demands of
// the server to take over no context and lets it limit the client in all ways.
func (o Offer) String() string {
	offer := extensionName + "; " + serverNoContextTakeover + "; " + clientNoContextTakeover + "; " + clientMaxWindowBits
	if o.ServerMaxWindowBits != 0 {
		offer += "; " + serverMaxWindowBits + "=" + strconv.Itoa(o.ServerMaxWindowBits)
	}
	return offer
}

// Accept reads the Sec-WebSocket-Extensions of the answer to an offer. On an
// error the connection must fail (RFC 7692 §5): the server agreed to something
// else. An answer without the header agrees to no extension, and is not for
// Accept. The client compresses without context takeover even where the
// response leaves it free.
func (o Offer) Accept(response string) (Params, error) {
	l := list{rest: response}
	if !l.more() {
		return Params{}, fmt.Errorf("accept extensions %q: names none", response)
	}
	t, problem := l.terms()
	switch {
	case l.malformed:
		problem = "malformed"
	case problem != "":
	case l.more():
		problem = "more than one extension for one offer"
	case t.clientMaxWindowBits == bare:
		problem = clientMaxWindowBits + " without a value"
	case !t.serverNoContextTakeover:
		problem = serverNoContextTakeover + " was offered and is missing"
	case o.ServerMaxWindowBits != 0 && t.serverMaxWindowBits == 0:
		problem = serverMaxWindowBits + " was offered and is missing"
	case o.ServerMaxWindowBits != 0 && t.serverMaxWindowBits > o.ServerMaxWindowBits:
		problem = serverMaxWindowBits + " is larger than offered"
	}
	if problem != "" {
		return Params{}, fmt.Errorf("accept extensions %q: %s", response, problem)
	}
	p := t.params()
	if t.clientMaxWindowBits != 0 {
		p.ClientMaxWindowBits = t.clientMaxWindowBits
	}
	return p, nil
}

// terms are the parameters of one offer or response (RFC 7692 §7.1). Windows
// are 0 where not named.
type terms struct {
	serverNoContextTakeover bool
	clientNoContextTakeover bool
	serverMaxWindowBits     int
	clientMaxWindowBits     int // bare where named without a value
}

const bare = -1

// params are the terms as far as the server is bound by them.
func (t *terms) params() Params {
	p := Params{ServerMaxWindowBits: MaxWindowBits, ClientMaxWindowBits: MaxWindowBits}
	if t.serverMaxWindowBits != 0 {
		p.ServerMaxWindowBits = t.serverMaxWindowBits
	}
	return p
}

// set takes one parameter. The problem, if any, is that it is unknown, named
// before, or has a value that it must not have.
func (t *terms) set(name, value string, valued bool) (problem string) {
	switch name {
	case serverNoContextTakeover:
		return setFlag(&t.serverNoContextTakeover, name, valued)
	case clientNoContextTakeover:
		return setFlag(&t.clientNoContextTakeover, name, valued)
	case serverMaxWindowBits:
		return setWindow(&t.serverMaxWindowBits, name, value)
	case clientMaxWindowBits:
		if !valued && t.clientMaxWindowBits == 0 {
			t.clientMaxWindowBits = bare
			return ""
		}
		return setWindow(&t.clientMaxWindowBits, name, value)
	}
	return "unknown parameter"
}

func setFlag(flag *bool, name string, valued bool) (problem string) {
	if *flag {
		return name + " is named twice"
	}
	if valued {
		return name + " has a value"
	}
	*flag = true
	return ""
}

// setWindow takes 8 to 15, in decimal without leading zeros (§7.1.2).
func setWindow(window *int, name, value string) (problem string) {
	if *window != 0 {
		return name + " is named twice"
	}
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		if value == strconv.Itoa(bits) {
			*window = bits
			return ""
		}
	}
	return name + " is not a number from 8 to 15"
}
