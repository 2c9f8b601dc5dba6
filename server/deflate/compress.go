package deflate

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/flate"
)

// tail is the end of a flushed stream that no message carries: the lengths of
// an empty stored block (RFC 7692 §7.2.1).
const tail = "\x00\x00\xff\xff"

// Compress appends to dst the compressed payload of a message, to be sent with
// RSV1 set. References back reach at most 1<<windowBits bytes, windowBits being
// MinWindowBits to MaxWindowBits, and nothing of another message.
//
// There is one level: the compressor that keeps to a window has no other, and
// for a message of 1 KiB the fastest one takes a fifth less time and 5 % more
// bytes, which a single compression for all subscribers does not notice.
func Compress(dst, payload []byte, windowBits int) []byte {
	if len(payload) == 0 {
		return append(dst, 0) // RFC 7692 §7.2.3.6
	}
	pool := &compressors[windowBits-MinWindowBits]
	c, ok := pool.Get().(*compressor)
	if !ok {
		c = newCompressor(windowBits)
	}
	defer pool.Put(c)
	return c.compress(dst, payload)
}

// incompressible is the size, in bytes, up to which the compressor only stores,
// which adds bytes.
const incompressible = 32

// Shrink appends to dst what to send for a message, and whether that is
// compressed: Compress's result if it is shorter, else the payload as it is,
// to be sent with RSV1 clear (RFC 7692 §6).
func Shrink(dst, payload []byte, windowBits int) (out []byte, compressed bool) {
	if len(payload) > incompressible {
		out = Compress(dst, payload, windowBits)
		if len(out)-len(dst) < len(payload) {
			return out, true
		}
		dst = out[:len(dst)]
	}
	return append(dst, payload...), false
}

// compressors are pooled by their window, as one weighs almost a megabyte and
// is only in use during one call.
var compressors [MaxWindowBits - MinWindowBits + 1]sync.Pool

type compressor struct {
	writer *flate.Writer
	out    []byte
}

// newCompressor makes a compressor for a window of every size that RFC 7692
// knows. That includes 256 bytes, of which zlib's own compressor is not capable
// (it takes 8 for 9, or refuses): what counts is how far references reach.
func newCompressor(windowBits int) *compressor {
	c := new(compressor)
	var err error
	if c.writer, err = flate.NewWriterWindow(c, 1<<windowBits); err != nil {
		panic(fmt.Sprintf("deflate: window of %d bits: %v", windowBits, err))
	}
	return c
}

func (c *compressor) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

// compress cannot fail: only the compressor's own Write could.
func (c *compressor) compress(dst, payload []byte) []byte {
	c.out = dst
	c.writer.Reset(c)
	c.writer.Write(payload)
	c.writer.Flush()
	out := c.out[:len(c.out)-len(tail)]
	c.out = nil
	return out
}
