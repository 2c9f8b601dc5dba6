package http1

import (
	"bytes"
	"net/http"
)

// A scanner follows a request head byte by byte: it finds the end, and refuses
// what no continuation can make acceptable. RFC 9112 §2 to §5, less its
// leniencies (bare LF, empty lines before the request, folded lines).
type scanner struct {
	state   scanState
	headers uint8
	size    uint16 // bytes of the head
	line    uint16 // bytes of the line
	run     uint16 // bytes of the target, or of white space in a value
}

type scanState uint8

const (
	inMethod scanState = iota
	inTarget
	inVersion
	atLine // the first byte of a header line, or of the empty line
	inName
	inValue
	atLF    // after a line's CR
	atEndLF // after the empty line's CR
	scanned
)

// scan takes bytes up to the head's end. Of b it consumed n; done says that
// they end the head.
func (s *scanner) scan(b []byte) (n int, done bool, r *Refusal) {
	for n < len(b) {
		if skimmed := s.skim(b[n:]); skimmed > 0 {
			n += skimmed
			continue
		}
		if r := s.step(b[n]); r != nil {
			return n, false, r
		}
		n++
		if s.state == scanned {
			return n, true, nil
		}
	}
	return n, false, nil
}

// skim takes the leading bytes of b that do no more than continue a header's
// name or value. It saves time only: step, given each, would come to the same.
func (s *scanner) skim(b []byte) (n int) {
	var set *byteSet
	switch s.state {
	case inName:
		set = &tokenBytes
	case inValue:
		set = &valueBytes
	default:
		return 0
	}
	b = b[:min(len(b), MaxHead-int(s.size), MaxLine-int(s.line))]
	for n < len(b) && set[b[n]] {
		n++
	}
	if n > 0 {
		s.size += uint16(n)
		s.line += uint16(n)
		s.run = 0
	}
	return n
}

func (s *scanner) step(c byte) *Refusal {
	if r := s.count(c); r != nil {
		return r
	}
	switch s.state {
	case inMethod:
		return s.method(c)
	case inTarget:
		return s.target(c)
	case inVersion, inValue:
		return s.text(c)
	case atLine:
		return s.begin(c)
	case inName:
		switch {
		case c == ':':
			s.state, s.run = inValue, 0
		case !tokenBytes[c]:
			return refuseHeaderName
		}
	case atLF, atEndLF:
		if c != '\n' {
			return refuseLineEnd
		}
		if s.state == atEndLF {
			s.state = scanned
		} else {
			s.state, s.line = atLine, 0
		}
	}
	return nil
}

// count refuses the byte that makes the head or the line too long.
func (s *scanner) count(c byte) *Refusal {
	if s.size == MaxHead {
		return refuseHeadSize
	}
	s.size++
	if c == '\r' || c == '\n' {
		return nil
	}
	s.line++
	if s.line > MaxLine {
		return refuseLineSize
	}
	return nil
}

func (s *scanner) method(c byte) *Refusal {
	switch {
	case c == ' ' && s.line > 1:
		s.state = inTarget
	case !tokenBytes[c] || s.line > maxMethod:
		return refuseRequestLine
	}
	return nil
}

func (s *scanner) target(c byte) *Refusal {
	switch {
	case c == ' ' && s.run > 0:
		s.state, s.run = inVersion, 0
		return nil
	case !targetBytes[c]:
		return refuseTarget
	}
	s.run++
	if s.run > MaxTarget {
		return refuseTargetSize
	}
	return nil
}

// text takes a byte of the version or of a value.
func (s *scanner) text(c byte) *Refusal {
	switch {
	case c == '\r':
		s.state = atLF
	case c == '\n':
		return refuseLineEnd
	case c == ' ' || c == '\t':
		s.run++
		if s.run > maxSpace {
			return refuseSpace
		}
	case c < ' ' || c == 0x7f:
		return refuseHeaderValue
	default:
		s.run = 0
	}
	return nil
}

// begin takes the first byte of a line after the request line.
func (s *scanner) begin(c byte) *Refusal {
	switch {
	case c == '\r':
		s.state = atEndLF
		return nil
	case c == ' ' || c == '\t':
		return refuseFold
	case c == '\n':
		return refuseLineEnd
	case !tokenBytes[c]:
		return refuseHeaderName
	}
	s.headers++
	if s.headers > MaxHeaders {
		return refuseHeaderCount
	}
	s.state = inName
	return nil
}

// A Parser gathers one connection's request heads. The zero value is ready. It
// holds a buffer only while part of a head has arrived. A head's outcome does
// not depend on how its bytes were split between calls.
type Parser struct {
	scanner scanner
	held    []byte
	refused *Refusal
}

// Next takes the next request head from b, of which it consumed n bytes. head
// is nil without a refusal while more is needed; otherwise it ends with the
// empty line, has passed every check that needs no understanding (see
// Request.Parse for the others), and is valid until the next call: it aliases b
// if it lay whole in it. After a refusal the parser stays refused.
func (p *Parser) Next(b []byte) (head []byte, n int, r *Refusal) {
	if p.refused != nil {
		return nil, 0, p.refused
	}
	if p.scanner.state == scanned {
		*p = Parser{}
	}
	n, done, r := p.scanner.scan(b)
	switch {
	case r != nil:
		if start := append(p.held, b[:min(n, maxMethod)]...); bytes.HasPrefix(start, []byte(http.MethodHead+" ")) {
			r = r.to(http.MethodHead)
		}
		*p = Parser{refused: r}
		return nil, n, r
	case done && p.held == nil:
		return b[:n], n, nil
	case n > 0:
		p.held = append(p.held, b[:n]...)
	}
	if done {
		return p.held, n, nil
	}
	return nil, n, nil
}

// Mid says that part of a head has arrived and not its end.
func (p *Parser) Mid() bool { return p.held != nil && p.scanner.state != scanned }
