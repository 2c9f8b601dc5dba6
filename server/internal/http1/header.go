package http1

import (
	"bytes"
	"iter"
)

// Header is the value of the first header line of the given name, without
// surrounding white space, and the number of such lines. Names are ASCII and
// compare without case.
func (r *Request) Header(name string) (value string, lines int) {
	first, lines := r.lookup(name)
	return string(first), lines
}

// HasToken says whether the comma-separated lists in all header lines of the
// given name hold token, compared without case (RFC 9110 §5.6.1).
func (r *Request) HasToken(name, token string) bool {
	for _, element := range r.elements(name) {
		if equalFold(element, token) {
			return true
		}
	}
	return false
}

// Query is the decoded value of the first parameter of the given name in the
// target's query, and whether there is one. Plus signs stand for themselves.
func (r *Request) Query(name string) (value string, ok bool) {
	for pair := range bytes.SplitSeq(r.query, []byte("&")) {
		key, raw, _ := bytes.Cut(pair, []byte("="))
		if decoded, ok := unescape(key); !ok || decoded != name {
			continue
		}
		return unescape(raw)
	}
	return "", false
}

// KeepAlive says whether the peer wants the connection kept after a plain
// answer (RFC 9112 §9.3).
func (r *Request) KeepAlive() bool { return !r.HasToken("Connection", "close") }

// lookup is Header without the copy.
func (r *Request) lookup(name string) (first []byte, lines int) {
	for _, f := range r.fields {
		if !equalFold(f.name, name) {
			continue
		}
		if lines == 0 {
			first = f.value
		}
		lines++
	}
	return first, lines
}

// elements yields, each with the number of its line, the elements of the lists
// in all header lines of the given name; empty ones are passed over.
func (r *Request) elements(name string) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for i, f := range r.fields {
			if !equalFold(f.name, name) {
				continue
			}
			for element := range bytes.SplitSeq(f.value, []byte(",")) {
				element = bytes.Trim(element, " \t")
				if len(element) > 0 && !yield(i, element) {
					return
				}
			}
		}
	}
}

// equalFold compares ASCII without case: the folding of other letters, such as
// the Kelvin sign's to k, has no place in HTTP.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		x, y := b[i], s[i]
		if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}
