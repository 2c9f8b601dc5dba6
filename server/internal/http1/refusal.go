package http1

import (
	"net/http"
	"strconv"
	"time"
)

// A Refusal is an answer that ends the connection.
type Refusal struct {
	Status int
	// Reason is a short stable token, fit for a metric's label.
	Reason string
	// Text tells the peer what was wrong. It never repeats the peer's bytes.
	Text string
	// Header holds further header lines, each with its line end.
	Header string

	noBody bool // the answer to a HEAD request
}

// Refusals of a server that has nothing against the request as such, or knows
// it only by its own rules.
var (
	RefuseNotFound   = &Refusal{Status: 404, Reason: "not-found", Text: "no such path"}
	RefuseMethod     = &Refusal{Status: 405, Reason: "method", Text: "only GET is answered here", Header: "Allow: GET\r\n"}
	RefuseOrigin     = &Refusal{Status: 403, Reason: "origin", Text: "this origin is not allowed"}
	RefuseTimeout    = &Refusal{Status: 408, Reason: "handshake-timeout", Text: "the request did not arrive in time"}
	RefuseRate       = &Refusal{Status: 429, Reason: "handshake-rate", Text: "too many connections from this address in a short time", Header: "Retry-After: 5\r\n"}
	RefuseAddress    = &Refusal{Status: 429, Reason: "connections-per-address", Text: "this address holds as many connections as it may", Header: "Retry-After: 5\r\n"}
	RefuseBusy       = &Refusal{Status: 503, Reason: "connections", Text: "the server holds as many connections as it may", Header: "Retry-After: 5\r\n"}
	RefuseDraining   = &Refusal{Status: 503, Reason: "draining", Text: "the server is going away", Header: "Retry-After: 5\r\n"}
	RefuseNotUpgrade = &Refusal{Status: 400, Reason: "upgrade", Text: "this path wants Upgrade: websocket", Header: versionHeader}
)

const (
	versionHeader = "Sec-WebSocket-Version: 13\r\n"
	// upgradeHeader is what a 426 must have (RFC 9110 §15.5.22).
	upgradeHeader = "Upgrade: websocket\r\n"
)

// Refusals by the scanner.
var (
	refuseRequestLine = &Refusal{Status: 400, Reason: "request-line", Text: "malformed request line"}
	refuseTarget      = &Refusal{Status: 400, Reason: "target", Text: "malformed request target"}
	refuseTargetSize  = &Refusal{Status: 414, Reason: "target-size", Text: "request target over 4096 bytes"}
	refuseLineEnd     = &Refusal{Status: 400, Reason: "line-end", Text: "lines must end with CR LF"}
	refuseFold        = &Refusal{Status: 400, Reason: "folded-line", Text: "header line begins with white space"}
	refuseHeaderName  = &Refusal{Status: 400, Reason: "header-name", Text: "malformed header name"}
	refuseHeaderValue = &Refusal{Status: 400, Reason: "header-value", Text: "control character in a header value"}
	refuseSpace       = &Refusal{Status: 400, Reason: "white-space", Text: "over 1024 bytes of white space in a row"}
	refuseHeadSize    = &Refusal{Status: 431, Reason: "head-size", Text: "request head over 16384 bytes"}
	refuseLineSize    = &Refusal{Status: 431, Reason: "line-size", Text: "line over 8192 bytes"}
	refuseHeaderCount = &Refusal{Status: 431, Reason: "header-count", Text: "over 100 header lines"}
)

// Refusals by Request.Parse.
var (
	refuseVersion = &Refusal{Status: 505, Reason: "http-version", Text: "only HTTP/1.1 is spoken here"}
	refuseHost    = &Refusal{Status: 400, Reason: "host", Text: "exactly one valid Host is required"}
	refuseBody    = &Refusal{Status: 400, Reason: "body", Text: "requests with a body are not accepted"}
)

// Refusals by Request.Upgrade.
var (
	refuseConnection = &Refusal{Status: 400, Reason: "connection", Text: "Connection must name upgrade"}
	refuseKey        = &Refusal{Status: 400, Reason: "key", Text: "exactly one Sec-WebSocket-Key of 16 bytes in base64 is required"}
	refuseNoWSVer    = &Refusal{Status: 400, Reason: "version", Text: "exactly one Sec-WebSocket-Version is required", Header: versionHeader}
	refuseWSVersion  = &Refusal{Status: 426, Reason: "version", Text: "only WebSocket version 13 is spoken here", Header: versionHeader + upgradeHeader}
	refuseProtocols  = &Refusal{Status: 400, Reason: "protocol", Text: "malformed Sec-WebSocket-Protocol"}
	refuseExtensions = &Refusal{Status: 400, Reason: "extension", Text: "malformed Sec-WebSocket-Extensions"}
	refuseOriginList = &Refusal{Status: 400, Reason: "origin", Text: "more than one Origin"}
)

// to is r as the answer to a request of the given method.
func (r *Refusal) to(method string) *Refusal {
	if method != http.MethodHead || r == nil {
		return r
	}
	bodiless := *r
	bodiless.noBody = true
	return &bodiless
}

// Append appends the refusal as a complete response, after which the
// connection is to be closed.
func (r *Refusal) Append(dst []byte) []byte {
	dst = appendStatus(dst, r.Status)
	if r.Status == http.StatusUpgradeRequired { // RFC 9110 §7.8 wants Upgrade named
		dst = append(dst, "Connection: close, Upgrade\r\n"...)
	} else {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, r.Header...)
	dst = appendContent(dst, "text/plain; charset=utf-8", len(r.Text)+1)
	if r.noBody {
		return dst
	}
	dst = append(dst, r.Text...)
	return append(dst, '\n')
}

// appendStatus appends the status line and the Date that RFC 9110 §6.6.1 wants.
func appendStatus(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	dst = append(dst, "\r\nDate: "...)
	dst = time.Now().UTC().AppendFormat(dst, http.TimeFormat)
	return append(dst, "\r\n"...)
}

// appendContent appends what describes a body of size bytes, and ends the head.
func appendContent(dst []byte, contentType string, size int) []byte {
	dst = append(dst, "Content-Type: "...)
	dst = append(dst, contentType...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(size), 10)
	return append(dst, "\r\n\r\n"...)
}
