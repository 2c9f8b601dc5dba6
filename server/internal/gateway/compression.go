//go:build linux

package gateway

import (
	"unicode/utf8"

	"github.com/gobwas/ws"

	"fanbench/server/deflate"
	"fanbench/server/frame"
	"fanbench/server/internal/fanout"
)

// A connection that agreed on permessage-deflate takes the variant of its rooms that is named by its window's bits; fanout.Plain,
// which is 0, is no compression.

// compressed is the encoder of the variants of rooms.
func compressed(dst []byte, v fanout.Variant, header, payload []byte) []byte {
	return appendCompressed(dst, ws.OpCode(header[0]&0x0f), payload, v)
}

// appendCompressed appends a frame whose payload is compressed, unless that would make it longer.
func appendCompressed(dst []byte, op ws.OpCode, payload []byte, v fanout.Variant) []byte {
	var room [maxHeader]byte
	start := len(dst)
	dst, shrunk := deflate.Shrink(append(dst, room[:]...), payload, int(v))
	size := len(dst) - start - maxHeader
	header := frame.AppendHeader(room[:0], op, true, shrunk, size)
	end := start + len(header) + size
	copy(dst[start+len(header):end], dst[start+maxHeader:]) // the header's size was not known before
	copy(dst[start:], header)
	return dst[:end]
}

var errUTF8 = &frame.Error{Code: ws.StatusInvalidFramePayloadData, Reason: "utf8"}

// inflate makes m what it was before it was compressed. It is valid until the loop's next message.
func (l *loop) inflate(m *frame.Message) error {
	out, err := deflate.Inflate(l.inflated[:0], m.Payload, deflate.MaxWindowBits, l.g.cfg.MaxMessage)
	if err != nil {
		return err
	}
	if m.Payload = out; cap(out) <= keepOut {
		l.inflated = out
	}
	if m.Op == ws.OpText && !utf8.Valid(out) {
		return errUTF8
	}
	return nil
}
