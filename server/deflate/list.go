package deflate

import "strings"

// A list is what is left of a Sec-WebSocket-Extensions (RFC 6455 §9.1):
//
//	list      = 1#extension
//	extension = token *( ";" token [ "=" ( token / quoted-string ) ] )
//
// where a quoted string's content is a token.
type list struct {
	rest      string
	malformed bool // and so is all that follows
}

// more skips to the next extension and says whether there is one.
func (l *list) more() bool {
	for l.take(',') {
	}
	return l.rest != "" && !l.malformed
}

// terms takes an extension. The problem, if any, is why it cannot be agreed
// on; there is none to tell where it is malformed.
func (l *list) terms() (t terms, problem string) {
	if l.token() != extensionName {
		problem = "unknown extension"
	}
	for l.take(';') {
		name, value := l.token(), ""
		valued := l.take('=')
		if valued {
			value = l.value()
		}
		if problem == "" {
			problem = t.set(name, value, valued)
		}
	}
	if l.rest != "" && l.rest[0] != ',' {
		l.malformed = true
	}
	return t, problem
}

const white = " \t"

// take takes c and the white space around it, if c is next.
func (l *list) take(c byte) bool {
	rest := strings.TrimLeft(l.rest, white)
	if rest == "" || rest[0] != c {
		l.rest = rest
		return false
	}
	l.rest = strings.TrimLeft(rest[1:], white)
	return true
}

func (l *list) token() string {
	end := strings.IndexFunc(l.rest, func(r rune) bool { return !isToken(r) })
	if end < 0 {
		end = len(l.rest)
	}
	if end == 0 {
		l.malformed = true
	}
	token := l.rest[:end]
	l.rest = l.rest[end:]
	return token
}

// value takes a token, or the one in a quoted string (RFC 9110 §5.6.4).
func (l *list) value() string {
	if l.rest == "" || l.rest[0] != '"' {
		return l.token()
	}
	var content strings.Builder
	for i := 1; i < len(l.rest); i++ {
		c := l.rest[i]
		if c == '"' {
			l.rest = l.rest[i+1:]
			l.malformed = l.malformed || content.Len() == 0
			return content.String()
		}
		if c == '\\' && i+1 < len(l.rest) {
			i++
			c = l.rest[i]
		}
		if !isToken(rune(c)) {
			break
		}
		content.WriteByte(c)
	}
	l.malformed = true
	return ""
}

// isToken says whether r may be part of a token (RFC 9110 §5.6.2).
func isToken(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}
