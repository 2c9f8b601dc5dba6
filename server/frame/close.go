package frame

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Codes of the IANA registry that RFC 6455 does not define.
const (
	StatusServiceRestart ws.StatusCode = 1012
	StatusBadGateway     ws.StatusCode = 1014
)

// maxReason is the longest close reason, in bytes: a control frame's payload
// without the code.
const maxReason = maxControl - 2

// ValidCode says whether a Close frame may carry code: 1000–1003, 1007–1014 and
// 3000–4999 (RFC 6455 §7.4 and the IANA registry of close codes).
func ValidCode(code ws.StatusCode) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// ParseClose reads a Close frame's payload (RFC 6455 §5.5.1). An empty one has
// the code ws.StatusNoStatusRcvd, 1005. reason aliases payload. fail is nil for
// a valid payload, else it has the code to answer with.
func ParseClose(payload []byte) (code ws.StatusCode, reason []byte, fail *Error) {
	switch len(payload) {
	case 0:
		return ws.StatusNoStatusRcvd, nil, nil
	case 1:
		return 0, nil, errCloseLength
	}
	code = ws.StatusCode(binary.BigEndian.Uint16(payload))
	reason = payload[2:]
	if !ValidCode(code) {
		return 0, nil, errCloseCode
	}
	if !utf8.Valid(reason) {
		return 0, nil, errUTF8
	}
	return code, reason, nil
}

// ReplyCode is the code that answers a received Close of the given code: the
// same (RFC 6455 §5.5.1), none for none, and a protocol error for one that no
// Close frame may carry.
func ReplyCode(received ws.StatusCode) ws.StatusCode {
	if received == ws.StatusNoStatusRcvd || ValidCode(received) {
		return received
	}
	return ws.StatusProtocolError
}

// AppendClosePayload appends the payload of a Close frame: empty for
// ws.StatusNoStatusRcvd or 0, else the code and reason. reason is UTF-8, cut
// to the code points that fit in 123 bytes.
func AppendClosePayload(dst []byte, code ws.StatusCode, reason string) []byte {
	if code == 0 || code == ws.StatusNoStatusRcvd {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	if len(reason) > maxReason {
		end := maxReason
		for end > 0 && !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	return append(dst, reason...)
}

// AppendClose appends an unmasked Close frame with AppendClosePayload's payload.
func AppendClose(dst []byte, code ws.StatusCode, reason string) []byte {
	var payload [maxControl]byte
	return AppendFrame(dst, ws.OpClose, AppendClosePayload(payload[:0], code, reason))
}
