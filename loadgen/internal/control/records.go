package control

import (
	"encoding/base64"
	"encoding/binary"
	"errors"

	"fanbench/loadgen/internal/engine"
)

// Records answers Recall. There are millions in a long run, so they travel as
// base64 of varints: in a third of the bytes that numbers in JSON take, and a
// fraction of the time.
type Records []engine.PublicationRecord

// MarshalText writes first, middle, last and count of each.
func (r Records) MarshalText() ([]byte, error) {
	var b []byte
	for _, one := range r {
		for _, n := range [...]int64{one.First, one.Middle, one.Last, int64(one.Count)} {
			b = binary.AppendVarint(b, n)
		}
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText is the reverse.
func (r *Records) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	*r = nil
	for len(b) > 0 {
		var numbers [4]int64
		for i := range numbers {
			n, length := binary.Varint(b)
			if length <= 0 {
				return errors.New("a record is cut")
			}
			numbers[i], b = n, b[length:]
		}
		*r = append(*r, engine.PublicationRecord{First: numbers[0], Middle: numbers[1], Last: numbers[2], Count: uint32(numbers[3])})
	}
	return nil
}
