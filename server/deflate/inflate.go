package deflate

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"
)

// firstGrowth is how many bytes a message may make its buffer grow to before
// its size is known.
const firstGrowth = 256 << 10

// Inflate appends to dst the message whose compressed payload, without the tail
// of 00 00 FF FF, is compressed (RFC 7692 §7.2.2). References back reach at
// most 1<<windowBits bytes and no earlier message: the peer agreed not to take
// over its context. The error is ErrTooLarge for more than limit bytes, or
// ErrCorrupt; dst is then as long as it was.
//
// What is refused costs little memory, whatever the limit: where dst has no room
// for more than 256 KiB, the size of a larger message is counted first, and room
// made only if it is within the limit. It is inflated twice then.
//
// compress/flate does not do: it ends at the first final block, where RFC 7692
// §7.2.1 goes on; it takes the tail for content where the end of a stored block
// is missing; and it keeps a window where the output is one already.
func Inflate(dst, compressed []byte, windowBits int, limit int64) ([]byte, error) {
	f := inflaters.Get().(*inflater)
	defer f.release()
	f.window = 1 << windowBits
	f.start(dst, limit)
	if !f.message(compressed) {
		return dst, f.failure()
	}
	if f.counting {
		dst = slices.Grow(dst, f.n-len(dst))
		f.start(dst, limit)
		f.message(compressed)
	}
	return f.out[:f.n], nil
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// An inflater is the state of one Inflate.
type inflater struct {
	in   []byte
	pos  int    // of the next byte of in
	hold uint64 // the next bits of input, the first lowest
	held uint   // how many of them are accounted for in pos

	out    []byte // as far as it may be written
	base   int    // where the message starts in out
	n      int    // where it goes on
	most   int    // where it must have ended
	window int    // bytes

	counting bool // out is used up, or was never there: only n goes on
	tooLarge bool

	literals, distances huffman // of the block, where it brings its own
}

func (f *inflater) start(dst []byte, limit int64) {
	f.base, f.n = len(dst), len(dst)
	f.most = f.base + int(max(0, min(limit, int64(math.MaxInt-f.base))))
	f.out = dst[:min(cap(dst), f.most)]
	f.counting, f.tooLarge = false, false
}

// release forgets the message, so that the pool keeps no caller's buffer.
func (f *inflater) release() {
	f.in, f.out = nil, nil
	inflaters.Put(f)
}

func (f *inflater) failure() error {
	if f.tooLarge {
		return ErrTooLarge
	}
	return ErrCorrupt
}

// message inflates all of in, which must end where the header of an empty
// stored block does: the block's lengths are the tail that the sender took off.
func (f *inflater) message(in []byte) bool {
	f.in, f.pos, f.hold, f.held = in, 0, 0, 0
	for {
		header, ok := f.take(3)
		if !ok {
			return false
		}
		switch header >> 1 {
		case 0:
			f.align()
			if f.pos == len(f.in) {
				return true
			}
			ok = f.stored()
		case 1:
			ok = f.coded(fixedLiterals, fixedDistances)
		case 2:
			ok = f.readCodes() && f.coded(&f.literals, &f.distances)
		default:
			ok = false
		}
		if !ok {
			return false
		}
		// A final block is padded to a byte, and the next one follows (§7.2.1).
		if header&1 == 1 {
			f.align()
		}
	}
}

// refill makes at least 48 bits of input held, or all that are left. hold may
// have bits beyond the held ones; they are the next ones too.
func (f *inflater) refill() {
	if f.pos+8 <= len(f.in) {
		f.hold |= binary.LittleEndian.Uint64(f.in[f.pos:]) << f.held
		f.pos += int((63 - f.held) >> 3)
		f.held |= 56
		return
	}
	for f.held <= 56 && f.pos < len(f.in) {
		f.hold |= uint64(f.in[f.pos]) << f.held
		f.pos++
		f.held += 8
	}
}

// take takes n bits, at most 16.
func (f *inflater) take(n uint) (bits int, ok bool) {
	if f.held < n {
		f.refill()
	}
	bits = int(f.hold & (1<<n - 1))
	return bits, f.drop(n)
}

// drop takes n bits that have been looked at. Behind the end they looked like
// zeros: then it fails.
func (f *inflater) drop(n uint) bool {
	if f.held < n {
		return false
	}
	f.hold >>= n
	f.held -= n
	return true
}

// align drops what is left of a byte, and goes back to reading bytes.
func (f *inflater) align() {
	f.pos -= int(f.held >> 3)
	f.hold, f.held = 0, 0
}

// stored copies a block of RFC 1951 §3.2.4, from its lengths on.
func (f *inflater) stored() bool {
	block := f.in[f.pos:]
	if len(block) < 4 {
		return false
	}
	length := binary.LittleEndian.Uint16(block)
	if length != ^binary.LittleEndian.Uint16(block[2:]) {
		return false
	}
	block = block[4:]
	if int(length) > len(block) || !f.room(int(length)) {
		return false
	}
	if !f.counting {
		copy(f.out[f.n:], block[:length])
	}
	f.n += int(length)
	f.pos += 4 + int(length)
	return true
}

// coded inflates a block of RFC 1951 §3.2.5, from its first symbol on.
func (f *inflater) coded(literals, distances *huffman) bool {
	for {
		if f.held < 48 { // the longest length and distance: 15 + 5 + 15 + 13 bits
			f.refill()
		}
		code := literals.decode(f.hold)
		if !f.drop(code.length()) {
			return false
		}
		switch symbol := code.symbol(); {
		case symbol < endOfBlock:
			if f.n >= len(f.out) && !f.room(1) {
				return false
			}
			if !f.counting {
				f.out[f.n] = byte(symbol)
			}
			f.n++
		case symbol == endOfBlock:
			return true
		case symbol > maxLengthSymbol || !f.match(lengthCodes[symbol-endOfBlock-1], distances):
			return false
		}
	}
}

// match copies what a length and the distance that follows refer to.
func (f *inflater) match(code extended, distances *huffman) bool {
	length := int(code.base) + int(f.hold&(1<<code.extra-1))
	if !f.drop(uint(code.extra)) {
		return false
	}
	next := distances.decode(f.hold)
	if next.symbol() > maxDistanceSymbol || !f.drop(next.length()) {
		return false
	}
	code = distanceCodes[next.symbol()]
	distance := int(code.base) + int(f.hold&(1<<code.extra-1))
	if !f.drop(uint(code.extra)) || distance > f.n-f.base || distance > f.window || !f.room(length) {
		return false
	}
	from, end := f.n-distance, f.n+length
	if f.counting {
		f.n = end
		return true
	}
	// Where the two overlap, what is there already repeats: each copy doubles it.
	for f.n < end {
		f.n += copy(f.out[f.n:end], f.out[from:f.n])
	}
	return true
}

// room makes place for n bytes more, or turns to counting, or fails.
func (f *inflater) room(n int) bool {
	if n <= len(f.out)-f.n {
		return true
	}
	if n > f.most-f.n {
		f.tooLarge = true
		return false
	}
	if f.counting {
		return true
	}
	grown := min(f.most-f.base, max(2*(f.n-f.base), f.n-f.base+n, 4*len(f.in), 512), firstGrowth)
	if f.n-f.base+n > grown {
		f.counting, f.out = true, nil
		return true
	}
	out := make([]byte, f.base+grown)
	copy(out, f.out[:f.n])
	f.out = out
	return true
}
