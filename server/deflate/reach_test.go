package deflate

import (
	"errors"
	"io"
	"slices"
)

// errEmptyCode is a symbol where the block declares that there is none to use.
var errEmptyCode = errors.New("empty code used")

// reach reads the blocks of a compressed payload and says how many bytes back
// its references reach, which no inflater tells. Codes are taken as they come:
// whether they are sound is for the inflaters to say.
func reach(payload []byte) (farthest int, err error) {
	r := &bitReader{in: payload}
	for r.err == nil {
		final, kind := r.take(1), r.take(2)
		switch kind {
		case 0:
			r.pos = (r.pos + 7) &^ 7
			if r.pos == 8*len(payload) {
				return farthest, r.err
			}
			length := r.take(16)
			r.pos += 16 + 8*length
		case 1:
			farthest = max(farthest, r.block(fixedLengths, slices.Repeat([]int{5}, 30)))
		case 2:
			literals, distances := r.lengths()
			farthest = max(farthest, r.block(literals, distances))
		default:
			return farthest, errors.New("reserved block type")
		}
		if final == 1 {
			r.pos = (r.pos + 7) &^ 7
		}
	}
	return farthest, r.err
}

// fixedLengths are those of RFC 1951 §3.2.6.
var fixedLengths = slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112), slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))

type bitReader struct {
	in  []byte
	pos int // of the next bit
	err error
}

// fail keeps the first error.
func (r *bitReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *bitReader) take(n int) (number int) {
	for i := range n {
		if r.pos >= 8*len(r.in) {
			r.fail(io.ErrUnexpectedEOF)
			return 0
		}
		number |= int(r.in[r.pos/8]>>(r.pos%8)&1) << i
		r.pos++
	}
	return number
}

// A code has its symbols in the order of their codes, and how many there are by
// length (RFC 1951 §3.2.2).
type code struct {
	counts [16]int
	sorted []int
}

func newCode(lengths []int) (c code) {
	for length := range c.counts {
		for symbol, l := range lengths {
			if l == length && l > 0 {
				c.counts[length]++
				c.sorted = append(c.sorted, symbol)
			}
		}
	}
	return c
}

func (r *bitReader) symbol(c code) int {
	if len(c.sorted) == 0 {
		r.fail(errEmptyCode)
		return 0
	}
	code, first, index := 0, 0, 0
	for _, count := range c.counts[1:] {
		code, first = code<<1|r.take(1), first<<1
		if code-first < count {
			return c.sorted[index+code-first]
		}
		first, index = first+count, index+count
	}
	r.fail(errors.New("no such code"))
	return 0
}

// lengths reads those of a block's codes (RFC 1951 §3.2.7).
func (r *bitReader) lengths() (literals, distances []int) {
	nliterals, ndistances, n := 257+r.take(5), 1+r.take(5), 4+r.take(4)
	var order [19]int
	for _, symbol := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
		order[symbol] = r.take(3)
	}
	code := newCode(order[:])
	var all []int
	for len(all) < nliterals+ndistances && r.err == nil {
		symbol, repeats := r.symbol(code), 1
		length := symbol
		switch symbol {
		case 16:
			length, repeats = all[len(all)-1], 3+r.take(2)
		case 17:
			length, repeats = 0, 3+r.take(3)
		case 18:
			length, repeats = 0, 11+r.take(7)
		}
		for range repeats {
			all = append(all, length)
		}
	}
	if r.err != nil {
		return nil, nil
	}
	return all[:nliterals], all[nliterals:]
}

// block reads a block's symbols (RFC 1951 §3.2.5).
func (r *bitReader) block(literalLengths, distanceLengths []int) (farthest int) {
	literals, distances := newCode(literalLengths), newCode(distanceLengths)
	for r.err == nil {
		symbol := r.symbol(literals)
		switch {
		case symbol < 256:
			continue
		case symbol == 256:
			return farthest
		case symbol > 264 && symbol < 285:
			r.take((symbol - 261) / 4)
		}
		distance := r.symbol(distances)
		if distance > 3 {
			extra := distance/2 - 1
			distance = (2+distance%2)<<extra + r.take(extra)
		}
		farthest = max(farthest, distance+1)
	}
	return farthest
}
