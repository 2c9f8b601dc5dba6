package engine

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fanbench/loadgen/scenario"
)

const (
	// revealing is how many bytes of a secret give it away.
	revealing = 6
	// telling is how long a word of a header must be to be taken for a secret,
	// in bytes.
	telling = 8
)

// Credentials are the header fields that each request brings besides the
// handshake's own, and what is put into them and into the path. None of it is
// ever in a [result.Failure], even if the target repeats it.
type Credentials struct {
	Headers []scenario.Header `json:"headers,omitempty"`
	// Tokens stand for {token}, by the connection's place in the worker's
	// share; none if no header and no path asks for one.
	Tokens []string `json:"tokens,omitempty"`
}

func (c Credentials) validate(target scenario.Target, connections int) error {
	asked := target.NeedsTokens() || slices.ContainsFunc(c.Headers, func(h scenario.Header) bool {
		return strings.Contains(h.Value, scenario.TokenPlaceholder)
	})
	if asked && len(c.Tokens) < connections {
		return fmt.Errorf("configure engine: %d tokens for %d connections", len(c.Tokens), connections)
	}
	return nil
}

// token of the connection at a place in the share; empty if there is none.
func (c Credentials) token(place int32) string {
	if int(place) < len(c.Tokens) {
		return c.Tokens[place]
	}
	return ""
}

// path is a request's path with what stands for its placeholders, each
// percent-encoded as one part of the path or of the query.
func (c Credentials) path(path string, id int, place int32) string {
	if !strings.Contains(path, "{") {
		return path
	}
	return strings.NewReplacer(
		scenario.ConnectionPlaceholder, strconv.Itoa(id),
		scenario.TokenPlaceholder, encoded(c.token(place)),
	).Replace(path)
}

// encoded is a text with everything percent-encoded but RFC 3986's unreserved
// characters (§2.3), so that it means the same wherever in a URL it stands.
func encoded(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// append appends the fields of one connection, each with its line's end. id is
// the connection's in the plan.
func (c Credentials) append(dst []byte, id int, place int32) []byte {
	for _, h := range c.Headers {
		dst = append(dst, h.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, strings.NewReplacer(
			scenario.ConnectionPlaceholder, strconv.Itoa(id),
			scenario.TokenPlaceholder, c.token(place),
		).Replace(h.Value)...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// scrub takes a connection's secrets out of what its target said: its token,
// and every long word of its headers. A secret that the example cuts off is
// left out as far as it is there.
func (c Credentials) scrub(example string, place int32) string {
	if token := c.token(place); token != "" {
		example = without(example, token, scenario.TokenPlaceholder)
		example = without(example, encoded(token), scenario.TokenPlaceholder)
	}
	for _, h := range c.Headers {
		for _, word := range strings.FieldsFunc(h.Value, func(r rune) bool { return strings.ContainsRune(" \t,;={}", r) }) {
			if len(word) >= telling {
				example = without(example, word, "{"+h.Name+"}")
			}
		}
	}
	return example
}

// without replaces a secret, whole or cut off at the end.
func without(text, secret, placeholder string) string {
	text = strings.ReplaceAll(text, secret, placeholder)
	body := strings.TrimRight(text, `"`)
	for n := len(secret) - 1; n >= revealing; n-- {
		if rest, cut := strings.CutSuffix(body, secret[:n]); cut {
			return rest + placeholder + text[len(body):]
		}
	}
	return text
}
