package deflate

import (
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

const (
	// firstGrowth is how many bytes a message may make its buffer grow to before
	// its size is known.
	firstGrowth = 256 << 10
	// maxFinalBlocks is how many final blocks a message may go on after. RFC 7692
	// has no bound, but two bytes of input would each time cost the copying of a
	// window.
	maxFinalBlocks = 1 << 10
)

// Inflate appends to dst the message whose compressed payload, without the tail
// of 00 00 FF FF, is compressed (RFC 7692 §7.2.2). References reach no earlier
// message: the peer agreed not to take over its context. The error is
// ErrTooLarge for more than limit bytes, or ErrCorrupt; dst is then as long as
// it was.
//
// What is refused costs little memory, whatever the limit: where dst has no room
// for more than 256 KiB, the size of a larger message is counted first, and room
// made only if it is within the limit. It is inflated twice then.
//
// Two things that a peer must not send go unnoticed. References further back
// than windowBits allow are followed up to the 32 KiB that the reader holds. And
// a block that uses a code it declares to be empty may be read by the code of an
// earlier block, as the reader does not clear its tables; what comes out still
// consists of the message alone.
func Inflate(dst, compressed []byte, windowBits int, limit int64) ([]byte, error) {
	f := inflaters.Get().(*inflater)
	defer f.release()
	f.limit = limit
	if err := f.inflate(dst, compressed); err != nil {
		return dst, err
	}
	if f.slid {
		f.limit = f.size // the room that there is then
		if err := f.inflate(slices.Grow(dst, int(f.size)), compressed); err != nil {
			return dst, err
		}
	}
	return f.out, nil
}

var inflaters = sync.Pool{New: func() any {
	f := new(inflater)
	f.reader = flate.NewReader(&f.in).(reader)
	return f
}}

type reader interface {
	flate.Resetter
	io.WriterTo
}

// An inflater is the state of one Inflate.
type inflater struct {
	reader reader
	in     source
	limit  int64

	out  []byte
	base int   // where the message starts in out
	size int64 // of the message so far, in bytes
	slid bool  // out has only the message's end
}

// release forgets the message, so that the pool keeps no caller's buffer.
func (f *inflater) release() {
	f.in, f.out = source{}, nil
	inflaters.Put(f)
}

// inflate reads a message once. The reader stops behind each final block; the
// next one has the same window (RFC 7692 §7.2.3.4).
func (f *inflater) inflate(dst, compressed []byte) error {
	f.in = source{message: compressed}
	f.out, f.base, f.size, f.slid = dst, len(dst), 0, false
	for range maxFinalBlocks + 1 {
		if err := f.reader.Reset(&f.in, f.window()); err != nil {
			return ErrCorrupt
		}
		switch _, err := f.reader.WriteTo(f); {
		case err == ErrTooLarge:
			return ErrTooLarge
		case err != nil:
			return ErrCorrupt
		case f.in.ended:
			return nil
		}
	}
	return ErrCorrupt
}

// window is what the next block may refer to.
func (f *inflater) window() []byte {
	return f.out[max(f.base, len(f.out)-1<<MaxWindowBits):]
}

// Write takes what the reader has inflated, at most a window at a time.
func (f *inflater) Write(p []byte) (int, error) {
	if f.size += int64(len(p)); f.size > f.limit {
		return 0, ErrTooLarge
	}
	if len(p) > cap(f.out)-len(f.out) {
		f.makeRoom(len(p))
	}
	f.out = append(f.out, p...)
	return len(p), nil
}

// makeRoom makes place for n bytes more: by growth, or else by keeping only the
// window.
func (f *inflater) makeRoom(n int) {
	used := len(f.out) - f.base
	if used+n > firstGrowth {
		f.slid, f.out = true, append(f.out[:f.base], f.window()...)
		return
	}
	out := make([]byte, len(f.out), f.base+min(max(2*used, used+n), firstGrowth))
	copy(out, f.out)
	f.out = out
}

// A source is a message with what its sender took off, the tail, and a final
// empty block for the reader to stop at.
//
// It has to see whether the tail is taken for what it is: a message that ends
// too early would find there the rest of a stored block's content, or the end of
// a compressed block. The calls tell: the reader takes bits by ReadByte, and a
// stored block's bytes by Read, its four bytes of lengths first.
type source struct {
	message []byte
	pos     int  // of the next byte; goes on into the ending
	bits    bool // the last call took bits
	ended   bool // the tail was read as the lengths of a stored block
}

const ending = tail + "\x01" + tail

func (s *source) ReadByte() (byte, error) {
	s.bits = true
	at := s.pos
	s.pos++
	if at < len(s.message) {
		return s.message[at], nil
	}
	if at -= len(s.message); at < len(ending) {
		return ending[at], nil
	}
	return 0, io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	// The first of the lengths may be among the bits that were taken already.
	if s.bits && s.pos+len(p) == len(s.message)+len(tail) {
		s.ended = true
	}
	s.bits = false
	n := copy(p, s.message[min(s.pos, len(s.message)):])
	past := max(0, s.pos+n-len(s.message))
	n += copy(p[n:], ending[min(past, len(ending)):])
	s.pos += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
