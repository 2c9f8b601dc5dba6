// Package http1 holds what the server needs of HTTP/1.1: a strict parser for
// request heads that arrive in pieces, the rules of the WebSocket upgrade, and
// complete answers.
//
// It reads and writes byte slices. Sockets, deadlines, routing and what an
// endpoint streams after its answer belong to its callers. Requests with a body
// are refused: no endpoint of the server takes one.
package http1

// Limits on a request head. What exceeds one is refused at its first byte.
const (
	MaxHead    = 16 << 10 // bytes, with all line ends
	MaxLine    = 8 << 10  // bytes of one line, without its line end
	MaxTarget  = 4 << 10  // bytes of the request target
	MaxHeaders = 100      // header lines

	// maxMethod, in bytes, and maxSpace, the longest run of white space in a
	// value: beyond them what arrives is not HTTP, or means harm.
	maxMethod = 32
	maxSpace  = 1 << 10
)

// A byteSet is a set of bytes.
type byteSet [256]bool

func setOf(alphanumerics bool, others string) (s byteSet) {
	if alphanumerics {
		for c := range len(s) {
			lower := c | 0x20
			s[c] = '0' <= c && c <= '9' || c < 0x80 && 'a' <= lower && lower <= 'z'
		}
	}
	for _, c := range []byte(others) {
		s[c] = true
	}
	return s
}

// text is what a value is made of besides white space (RFC 9110 §5.5).
func text() byteSet {
	s := visible("")
	for c := 0x80; c < len(s); c++ {
		s[c] = true
	}
	return s
}

func visible(except string) (s byteSet) {
	for c := '!'; c <= '~'; c++ {
		s[c] = true
	}
	for _, c := range []byte(except) {
		s[c] = false
	}
	return s
}

var (
	tokenBytes  = setOf(true, "!#$%&'*+-.^_`|~") // RFC 9110 §5.6.2
	nameBytes   = setOf(true, "-._~!$&'()*+,;=") // RFC 3986 §3.2.2, not percent-encoded
	targetBytes = visible(`"#<>\`)               // RFC 3986, and what browsers leave unescaped
	digitBytes  = setOf(false, "0123456789")
	valueBytes  = text()
)

// all says whether s is not empty and each byte is in the set.
func (set *byteSet) all(s []byte) bool {
	for _, c := range s {
		if !set[c] {
			return false
		}
	}
	return len(s) > 0
}
