package deflate

// Symbols of RFC 1951 §3.2.5. The codes can name two lengths and two distances
// more, which mean nothing.
const (
	endOfBlock        = 256
	maxLengthSymbol   = 285
	maxDistanceSymbol = 29
)

// An extended code has a base and a number of extra bits that are added to it.
type extended struct {
	base  uint16
	extra uint8
}

// lengthCodes are those from the symbol after endOfBlock on, distanceCodes
// those from 0 on.
var (
	lengthCodes = [...]extended{
		{3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}, {8, 0}, {9, 0}, {10, 0},
		{11, 1}, {13, 1}, {15, 1}, {17, 1}, {19, 2}, {23, 2}, {27, 2}, {31, 2},
		{35, 3}, {43, 3}, {51, 3}, {59, 3}, {67, 4}, {83, 4}, {99, 4}, {115, 4},
		{131, 5}, {163, 5}, {195, 5}, {227, 5}, {258, 0},
	}
	distanceCodes = [...]extended{
		{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 1}, {7, 1}, {9, 2}, {13, 2},
		{17, 3}, {25, 3}, {33, 4}, {49, 4}, {65, 5}, {97, 5}, {129, 6}, {193, 6},
		{257, 7}, {385, 7}, {513, 8}, {769, 8}, {1025, 9}, {1537, 9}, {2049, 10}, {3073, 10},
		{4097, 11}, {6145, 11}, {8193, 12}, {12289, 12}, {16385, 13}, {24577, 13},
	}
)

// lengthOrder is the order in which a block states the lengths of the code
// that its code lengths are written in (RFC 1951 §3.2.7).
var lengthOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the codes that a block brings with it (RFC 1951 §3.2.7).
func (f *inflater) readCodes() bool {
	counts, ok := f.take(5 + 5 + 4)
	nliterals, ndistances, nlengths := counts&31+257, counts>>5&31+1, counts>>10+4
	if !ok || nliterals > maxLengthSymbol+1 || ndistances > maxDistanceSymbol+1 {
		return false
	}
	var order [len(lengthOrder)]uint8
	for _, symbol := range lengthOrder[:nlengths] {
		length, ok := f.take(3)
		if !ok {
			return false
		}
		order[symbol] = uint8(length)
	}
	if !f.literals.build(order[:]) {
		return false
	}
	var lengths [maxLengthSymbol + 1 + maxDistanceSymbol + 1]uint8
	all := lengths[:nliterals+ndistances]
	return f.readLengths(all) && f.literals.build(all[:nliterals]) && f.distances.build(all[nliterals:])
}

// readLengths reads code lengths, written in the code that f.literals is for
// the time being.
func (f *inflater) readLengths(lengths []uint8) bool {
	for i := 0; i < len(lengths); {
		f.refill()
		code := f.literals.decode(f.hold)
		symbol := code.symbol()
		if symbol == noSymbol || !f.drop(code.length()) {
			return false
		}
		if symbol <= maxCode {
			lengths[i] = uint8(symbol)
			i++
			continue
		}
		var repeated uint8
		var least, extra int
		switch symbol {
		case 16:
			if i == 0 {
				return false
			}
			repeated, least, extra = lengths[i-1], 3, 2
		case 17:
			least, extra = 3, 3
		case 18:
			least, extra = 11, 7
		}
		more, ok := f.take(uint(extra))
		end := i + least + more
		if !ok || end > len(lengths) {
			return false
		}
		for ; i < end; i++ {
			lengths[i] = repeated
		}
	}
	return true
}
