package deflate

import "math/bits"

const (
	maxCode    = 15 // bits of the longest code, RFC 1951 §3.2.7
	lookupBits = 9  // codes of up to so many bits are found in one step
	noSymbol   = 1<<12 - 1
)

// A huffman is a code of RFC 1951 §3.2.2, built from the lengths of its
// symbols' codes.
type huffman struct {
	// lookup has, by the next bits of input under mask, the code that they begin
	// with; 0 where there is none so short. mask is no longer than the longest
	// code: a short message may bring three codes, and should not fill three
	// tables.
	lookup [1 << lookupBits]entry
	mask   uint64
	// count has the number of codes by their length, and sorted the symbols in
	// the order of their codes.
	count  [maxCode + 1]uint16
	sorted [288]uint16
}

// build makes h the code with these lengths, 0 for an unused symbol. It says
// whether they make one: complete, or of one code of one bit, or empty, which
// is a code that decodes nothing (RFC 1951 §3.2.7 has both for distances).
func (h *huffman) build(lengths []uint8) bool {
	h.count = [maxCode + 1]uint16{}
	for _, length := range lengths {
		h.count[length]++
	}
	used := len(lengths) - int(h.count[0])
	h.count[0] = 0
	free := 1
	longest := 0
	var next [maxCode + 2]uint16 // where the symbols of a length start in sorted
	for length := 1; length <= maxCode; length++ {
		free = free<<1 - int(h.count[length])
		if free < 0 {
			return false
		}
		if h.count[length] > 0 {
			longest = length
		}
		next[length+1] = next[length] + h.count[length]
	}
	if free > 0 && used > 0 && (used > 1 || h.count[1] != 1) {
		return false
	}
	for symbol, length := range lengths {
		if length > 0 {
			h.sorted[next[length]] = uint16(symbol)
			next[length]++
		}
	}
	h.fill(min(longest, lookupBits))
	return true
}

func (h *huffman) fill(longest int) {
	h.mask = 1<<longest - 1
	lookup := h.lookup[:1<<longest]
	clear(lookup)
	code, index := uint16(0), 0
	for length := 1; length <= longest; length++ {
		for range h.count[length] {
			found := newEntry(h.sorted[index], length)
			// Codes are packed from their most significant bit, RFC 1951 §3.1.1.
			first := int(bits.Reverse16(code) >> (16 - length))
			for i := first; i < len(lookup); i += 1 << length {
				lookup[i] = found
			}
			code++
			index++
		}
		code <<= 1
	}
}

// decode finds the code that the input begins with.
func (h *huffman) decode(input uint64) entry {
	if found := h.lookup[input&h.mask&(1<<lookupBits-1)]; found != 0 {
		return found
	}
	return h.decodeLong(input)
}

// decodeLong is decode for codes of more than lookupBits bits: it goes through
// the lengths, each of which has its codes in one run.
func (h *huffman) decodeLong(input uint64) entry {
	code, first, index := 0, 0, 0
	for length := 1; length <= maxCode; length++ {
		code |= int(input & 1)
		input >>= 1
		count := int(h.count[length])
		if code-first < count {
			return newEntry(h.sorted[index+code-first], length)
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return newEntry(noSymbol, 0)
}

// An entry is a symbol and the length of its code in bits.
type entry uint16

func newEntry(symbol uint16, length int) entry { return entry(symbol<<4 | uint16(length)) }

func (e entry) symbol() int  { return int(e >> 4) }
func (e entry) length() uint { return uint(e & 15) }

// The code of RFC 1951 §3.2.6.
var fixedLiterals, fixedDistances = fixedCode()

func fixedCode() (literals, distances *huffman) {
	var lengths [288]uint8
	for symbol := range lengths {
		switch {
		case symbol < 144:
			lengths[symbol] = 8
		case symbol < 256:
			lengths[symbol] = 9
		case symbol < 280:
			lengths[symbol] = 7
		default:
			lengths[symbol] = 8
		}
	}
	literals, distances = new(huffman), new(huffman)
	literals.build(lengths[:])
	for symbol := range 32 {
		lengths[symbol] = 5
	}
	distances.build(lengths[:32])
	return literals, distances
}
