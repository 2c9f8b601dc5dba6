package http1

// validExtensions says whether list is a well-formed value of
// Sec-WebSocket-Extensions (RFC 6455 §9.1), with at least one extension:
//
//	list      = 1#extension
//	extension = token *( ";" token [ "=" ( token / quoted-string ) ] )
//
// where a quoted string's content is a token.
func validExtensions(list []byte) bool {
	l := lexer{rest: list}
	found := false
	for {
		for l.take(',') {
		}
		if len(l.rest) == 0 {
			return found
		}
		if !l.token() {
			return false
		}
		for l.take(';') {
			if !l.token() || l.take('=') && !l.token() && !l.quoted() {
				return false
			}
		}
		if len(l.rest) > 0 && l.rest[0] != ',' {
			return false
		}
		found = true
	}
}

// A lexer takes a list's parts from its front, with the white space after each.
type lexer struct{ rest []byte }

func (l *lexer) take(c byte) bool {
	l.skip()
	if len(l.rest) == 0 || l.rest[0] != c {
		return false
	}
	l.rest = l.rest[1:]
	l.skip()
	return true
}

func (l *lexer) skip() {
	for len(l.rest) > 0 && (l.rest[0] == ' ' || l.rest[0] == '\t') {
		l.rest = l.rest[1:]
	}
}

func (l *lexer) token() bool {
	n := 0
	for n < len(l.rest) && tokenBytes[l.rest[n]] {
		n++
	}
	l.rest = l.rest[n:]
	l.skip()
	return n > 0
}

func (l *lexer) quoted() bool {
	if len(l.rest) == 0 || l.rest[0] != '"' {
		return false
	}
	empty := true
	for i := 1; i < len(l.rest); i++ {
		c := l.rest[i]
		if c == '"' {
			l.rest = l.rest[i+1:]
			l.skip()
			return !empty
		}
		if c == '\\' && i+1 < len(l.rest) {
			i++
			c = l.rest[i]
		}
		if !tokenBytes[c] {
			return false
		}
		empty = false
	}
	return false
}
