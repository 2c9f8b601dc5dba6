package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Header is a field of every handshake's request, written "Name: value". Its
// value may hold {connection}, the connection's number in the plan, and
// {token}, its line of the token file.
type Header struct{ Name, Value string }

// Placeholders of a [Header]'s value and of a [Target]'s paths.
const (
	RoomPlaceholder       = "{room}" // of a path only: the room's number
	ConnectionPlaceholder = "{connection}"
	TokenPlaceholder      = "{token}"
)

const headerForms = `want "Name: value"`

// UnmarshalText reads "Name: value".
func (h *Header) UnmarshalText(text []byte) error {
	name, value, both := strings.Cut(string(text), ":")
	if !both {
		return fmt.Errorf("%q has no colon; %s", text, headerForms)
	}
	*h = Header{name, strings.Trim(value, " \t")}
	return h.check()
}

// MarshalText writes "Name: value".
func (h Header) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

func (h Header) String() string { return h.Name + ": " + h.Value }

// reserved are the handshake's own fields (RFC 6455 §4.1), and those that would
// announce a body.
var reserved = []string{"host", "upgrade", "connection", "content-length", "transfer-encoding"}

var placeholder = regexp.MustCompile(`\{[a-z_-]+\}`)

// check says what is wrong with a header.
func (h Header) check() error {
	lower := strings.ToLower(h.Name)
	switch {
	case h.Name == "" || strings.ContainsFunc(h.Name, notToken):
		return fmt.Errorf("%q is not the name of a header (RFC 9110 §5.1); %s", h.Name, headerForms)
	case slices.Contains(reserved, lower) || strings.HasPrefix(lower, "sec-websocket-"):
		return fmt.Errorf("%s is the handshake's own; leave it out", h.Name)
	case strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return fmt.Errorf("%s: the value %q holds a control character (RFC 9110 §5.5); leave it out", h.Name, h.Value)
	}
	for _, found := range placeholder.FindAllString(h.Value, -1) {
		if found != ConnectionPlaceholder && found != TokenPlaceholder {
			return fmt.Errorf("%s: %s is unknown; want %s or %s", h.Name, found, ConnectionPlaceholder, TokenPlaceholder)
		}
	}
	return nil
}

// notToken: not a tchar of RFC 9110 §5.6.2.
func notToken(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// NeedsTokens: one of the paths holds {token}.
func (t Target) NeedsTokens() bool {
	return strings.Contains(t.Subscribe, TokenPlaceholder) || strings.Contains(t.Publish, TokenPlaceholder)
}
