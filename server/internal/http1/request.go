package http1

import (
	"bytes"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// A Request is a parsed request head. One serves for any number of heads, one
// after another: it keeps its storage, and copies what it is given. Strings
// that it hands out stay valid; slices do not outlive the next Parse.
type Request struct {
	Method string
	// Path is percent-decoded and valid: it begins with a slash, is UTF-8 and
	// has no control character and no segment "." or "..".
	Path string

	head   []byte
	query  []byte // raw
	fields []field
}

// A field is one header line.
type field struct{ name, value []byte }

// Parse reads a head as Parser.Next returns it: whole, and lexically right.
// After a refusal r holds nothing of use. RFC 9112 §3 and §6.
func (r *Request) Parse(head []byte) *Refusal {
	r.head = append(r.head[:0], head...)
	r.fields = r.fields[:0]
	line, rest, ok := bytes.Cut(r.head, crlf)
	if !ok {
		return refuseRequestLine
	}
	method, line, _ := bytes.Cut(line, space)
	target, version, ok := bytes.Cut(line, space)
	if !ok || !tokenBytes.all(method) || !targetBytes.all(target) {
		return refuseRequestLine
	}
	r.Method = intern(method)
	return r.parse(target, version, rest).to(r.Method)
}

func (r *Request) parse(target, version, rest []byte) *Refusal {
	if refusal := checkVersion(version); refusal != nil {
		return refusal
	}
	if !r.setTarget(target) {
		return refuseTarget
	}
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, colon)
		if !ok || !tokenBytes.all(name) {
			return refuseHeaderName
		}
		r.fields = append(r.fields, field{name, bytes.Trim(value, " \t")})
	}
	if host, n := r.lookup("Host"); n != 1 || !validHost(host) {
		return refuseHost
	}
	return r.checkBody()
}

var (
	crlf  = []byte("\r\n")
	space = []byte(" ")
	colon = []byte(":")
)

// checkVersion wants HTTP/1.1. A version of the right form gets the answer that
// names the fault, 505.
func checkVersion(version []byte) *Refusal {
	if string(version) == "HTTP/1.1" {
		return nil
	}
	number, ok := bytes.CutPrefix(version, []byte("HTTP/"))
	if !ok || len(number) != 3 || !digitBytes[number[0]] || number[1] != '.' || !digitBytes[number[2]] {
		return refuseRequestLine
	}
	return refuseVersion
}

// setTarget reads a target in origin form or, as RFC 9112 §3.2.2 demands, in
// absolute form, whose authority says no more than Host does: there is one site.
func (r *Request) setTarget(target []byte) bool {
	if target[0] != '/' {
		scheme, rest, ok := bytes.Cut(target, []byte("://"))
		if !ok || !equalFold(scheme, "http") && !equalFold(scheme, "https") {
			return false
		}
		end := bytes.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if !validHost(rest[:end]) {
			return false
		}
		target = rest[end:]
	}
	path, query, _ := bytes.Cut(target, []byte("?"))
	if len(path) == 0 {
		path = []byte("/")
	}
	var ok bool
	r.query = query
	r.Path, ok = decodePath(path)
	return ok && checkPercent(query)
}

// validHost says whether host is a name or address with or without a port
// (RFC 9112 §3.2).
func validHost(host []byte) bool {
	name := host
	if i := bytes.LastIndexByte(host, ':'); i > bytes.LastIndexByte(host, ']') {
		name = host[:i]
		if port := host[i+1:]; len(port) > 0 && !digitBytes.all(port) {
			return false
		}
	}
	if len(name) > 2 && name[0] == '[' && name[len(name)-1] == ']' {
		address, err := netip.ParseAddr(string(name[1 : len(name)-1]))
		return err == nil && address.Is6() && address.Zone() == ""
	}
	return nameBytes.all(name)
}

// decodePath decodes a path that begins with a slash. An encoded slash is
// refused: decoded, it would name another path.
func decodePath(path []byte) (string, bool) {
	var decoded string
	if bytes.IndexByte(path, '%') < 0 {
		decoded = string(path)
	} else {
		if bytes.Contains(path, []byte("%2F")) || bytes.Contains(path, []byte("%2f")) {
			return "", false
		}
		var ok bool
		if decoded, ok = unescape(path); !ok {
			return "", false
		}
	}
	if !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, control) {
		return "", false
	}
	for segment := range strings.SplitSeq(decoded, "/") {
		if segment == "." || segment == ".." {
			return "", false
		}
	}
	return decoded, true
}

func control(c rune) bool { return c < ' ' || c == 0x7f }

// unescape decodes percent triplets (RFC 3986 §2.1).
func unescape(s []byte) (string, bool) {
	if !checkPercent(s) {
		return "", false
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			c = hex(s[i+1])<<4 | hex(s[i+2])
			i += 2
		}
		out = append(out, c)
	}
	return string(out), true
}

func checkPercent(s []byte) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) || hex(s[i+1]) > 15 || hex(s[i+2]) > 15 {
			return false
		}
		i += 2
	}
	return true
}

// hex is the value of a hexadecimal digit, or more than 15.
func hex(c byte) byte {
	switch lower := c | 0x20; {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= lower && lower <= 'f':
		return lower - 'a' + 10
	}
	return 0xff
}

// checkBody refuses every body, and whatever leaves doubt about one.
func (r *Request) checkBody() *Refusal {
	if _, n := r.lookup("Transfer-Encoding"); n > 0 {
		return refuseBody
	}
	if length, n := r.lookup("Content-Length"); n > 1 || n == 1 && string(length) != "0" {
		return refuseBody
	}
	return nil
}

// intern returns method as a string, without allocating for those in use.
func intern(method []byte) string {
	switch string(method) {
	case http.MethodGet:
		return http.MethodGet
	case http.MethodHead:
		return http.MethodHead
	case http.MethodPost:
		return http.MethodPost
	}
	return string(method)
}
