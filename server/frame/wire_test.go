package frame

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// wire draws frames: each word is a run of bits, joined to whole bytes across
// words; bytes in hexadecimal after x; or 'text' between quotes, without spaces,
// which is masked with the four bytes before it where those are written m….
//
//	1 000 0001  1 0000101  m37fa213d  'Hello'
//	F RSV op    M length   mask       payload
func wire(t testing.TB, drawn string) []byte {
	t.Helper()
	var out, mask []byte
	bits := ""
	for word := range strings.FieldsSeq(drawn) {
		switch {
		case word[0] == '\'':
			payload := []byte(strings.Trim(word, "'"))
			if mask != nil {
				ws.Cipher(payload, [4]byte(mask), 0)
			}
			out = append(out, payload...)
			mask = nil
		case word[0] == 'x' || word[0] == 'm':
			raw, err := hex.DecodeString(word[1:])
			if err != nil {
				t.Fatalf("drawn bytes %q: %v", word, err)
			}
			out = append(out, raw...)
			if word[0] == 'm' {
				mask = raw
			}
		default:
			bits += word
			for len(bits) >= 8 {
				b, err := strconv.ParseUint(bits[:8], 2, 8)
				if err != nil {
					t.Fatalf("drawn bits %q: %v", word, err)
				}
				out = append(out, byte(b))
				bits = bits[8:]
			}
		}
	}
	if bits != "" {
		t.Fatalf("drawn bits %q fill no byte in %q", bits, drawn)
	}
	return out
}

// outcome is what a connection's bytes led to, as lines: the messages, the
// error, and whether the sender owes bytes.
type outcome []string

func (o outcome) String() string { return strings.Join(o, "; ") }

func describe(m Message) string {
	name := map[ws.OpCode]string{
		ws.OpText: "text", ws.OpBinary: "binary", ws.OpClose: "close", ws.OpPing: "ping", ws.OpPong: "pong",
	}[m.Op]
	if m.Compressed {
		name = "compressed " + name
	}
	payload := string(m.Payload)
	if len(payload) > 40 {
		payload = fmt.Sprintf("%d bytes of %q", len(payload), payload[:1])
		return name + " " + payload
	}
	return fmt.Sprintf("%s %q", name, payload)
}

// feed parses the chunks, each in its own memory that is scribbled over
// afterwards as a reused read buffer would be.
func feed(cfg *Config, chunks [][]byte) (o outcome) {
	var p Parser
	defer p.Release()
	for _, chunk := range chunks {
		b := append([]byte(nil), chunk...)
		for rest := b; ; {
			m, n, ok, err := p.Next(cfg, rest)
			rest = rest[n:]
			if err != nil {
				var e *Error
				if !errors.As(err, &e) {
					return append(o, "not an *Error: "+err.Error())
				}
				return append(o, fmt.Sprintf("%d %s", e.Code, e.Reason))
			}
			if !ok {
				if len(rest) > 0 {
					return append(o, fmt.Sprintf("%d bytes left over", len(rest)))
				}
				break
			}
			o = append(o, describe(m))
		}
		for i := range b {
			b[i] = 0xa5
		}
	}
	if p.Mid() {
		o = append(o, "mid")
	}
	return o
}

// splits cuts b in every way that a test tries: whole, byte by byte, and at
// random places from a fixed seed.
func splits(b []byte) map[string][][]byte {
	ways := map[string][][]byte{"whole": {b}, "byte by byte": {}}
	for i := range b {
		ways["byte by byte"] = append(ways["byte by byte"], b[i:i+1])
	}
	random := rand.New(rand.NewPCG(6455, uint64(len(b))))
	for trial := range 20 {
		var chunks [][]byte
		for rest := b; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		ways[fmt.Sprintf("random %d", trial)] = chunks
	}
	return ways
}

// masked is a frame as a client sends it, with any first byte.
func masked(first byte, payload string) []byte {
	b := AppendMasked(nil, ws.OpText, []byte(payload), [4]byte{0x37, 0xfa, 0x21, 0x3d})
	b[0] = first
	return b
}

// join strings frames together.
func join(frames ...[]byte) (all []byte) {
	for _, f := range frames {
		all = append(all, f...)
	}
	return all
}
