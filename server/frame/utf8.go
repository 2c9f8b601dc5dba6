package frame

import "unicode/utf8"

// UTF8 checks text that arrives in pieces. The zero value is ready; between
// pieces it carries the up to three bytes of a code point that was cut.
type UTF8 struct {
	cut [utf8.UTFMax - 1]byte
	n   uint8
}

// Valid says whether the text so far, with p added, is UTF-8, or can become it:
// it is false at the first byte that no continuation can mend (RFC 6455 §8.1).
// With fin the text ends with p; a valid text's end leaves u ready for another.
// After false u must not be used again.
func (u *UTF8) Valid(p []byte, fin bool) bool {
	for u.n > 0 && len(p) > 0 {
		var point [utf8.UTFMax]byte
		copy(point[:], u.cut[:u.n])
		point[u.n] = p[0]
		p = p[1:]
		if !utf8.FullRune(point[:u.n+1]) {
			u.cut[u.n] = point[u.n]
			u.n++
			continue
		}
		if !utf8.Valid(point[:u.n+1]) {
			return false
		}
		u.n = 0
	}
	if fin {
		return u.n == 0 && utf8.Valid(p)
	}
	whole := len(p) - cutBytes(p)
	if !utf8.Valid(p[:whole]) {
		return false
	}
	if whole < len(p) { // only after the loop has emptied the carry
		u.n = uint8(copy(u.cut[:], p[whole:]))
	}
	return true
}

// cutBytes is the length of the code point at p's end that wants more bytes and
// may yet become valid; 0 if there is none.
func cutBytes(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		tail := p[len(p)-n:]
		if !utf8.RuneStart(tail[0]) {
			continue
		}
		if utf8.FullRune(tail) {
			return 0
		}
		return n
	}
	return 0
}
