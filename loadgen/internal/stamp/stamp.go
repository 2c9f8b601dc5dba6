// Package stamp holds the token that opens every publication's payload, by
// which a receiver knows what it received, when it was due, and that it is
// whole.
//
// The token is of fixed width and plain ASCII, so that it needs no escaping in
// JSON and survives inside any protocol's message. What a stamp means for the
// account is package ledger's.
//
//	|marker |size   |run      |room   |publisher|sequence   |due              |lag        |checksum   | padding …
//	|  4    |  4    |  5      |  4    |  4      |  6        |  9              |  6        |  6        | size − 48
//
// The marker is "~fb1". Every other field is a number in base 64, most
// significant digit first, in the URL-safe alphabet of RFC 4648 §5, to which
// '~' does not belong. The checksum is the CRC-32C (RFC 3720 §B.4) of
// everything from the marker to the end of the padding but itself.
package stamp

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
)

// Size is a stamp's length and with it the least size of a payload, in bytes.
const Size = 48

const (
	marker   = "~fb1"
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

	checksumAt = 42 // what precedes it and what follows the stamp is summed
)

// Limits of the fields. What is greater does not fit; Encode says what becomes
// of it.
const (
	MaxSize      = 1<<24 - 1 // bytes
	MaxRun       = 1<<30 - 1
	MaxRoom      = 1<<24 - 1
	MaxPublisher = 1<<24 - 1
	MaxSequence  = 1<<36 - 1
	MaxDue       = 1<<54 - 1 // nanoseconds, 208 days
	MaxLag       = 1<<36 - 1 // nanoseconds, 68 s
)

// Stamp is what a publication says of itself.
type Stamp struct {
	Size      int    // of the whole payload, in bytes
	Run       uint32 // lowest 30 bits of the run's number
	Room      int
	Publisher int
	Sequence  uint64
	Due       int64 // nanoseconds since the run's epoch
	Lag       int64 // first attempt to write − Due, in nanoseconds
}

// Verdict says what Find found.
type Verdict uint8

const (
	// Absent: the message carries no stamp.
	Absent Verdict = iota
	// Corrupt: a stamp that is damaged or cut short, or whose padding is.
	Corrupt
	// Sound: the payload arrived as it was sent.
	Sound
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	digits     = invert(alphabet)
)

// invalid is a bit that no digit has.
const invalid = 0x80

func invert(alphabet string) (digits [256]byte) {
	for i := range digits {
		digits[i] = invalid
	}
	for value, char := range []byte(alphabet) {
		digits[char] = byte(value)
	}
	return digits
}

// Padding fills p with digits of a fixed sequence, for a payload's rest behind
// the stamp. They are as random as plain ASCII gets, so that no compression
// flatters a server, and the same in every process.
func Padding(p []byte) {
	source := rand.New(rand.NewPCG(1, 2))
	for i := range p {
		p[i] = alphabet[source.IntN(len(alphabet))]
	}
}

// Encode writes s to the first [Size] bytes of payload, whose rest is the
// padding and stays as it is. The size is len(payload), whatever s says; a lag
// beyond [MaxLag] saturates, a negative one is 0. Other fields must be within
// their limits: of greater values the lowest bits are written. It panics if the
// payload is shorter than Size or longer than MaxSize.
func Encode(payload []byte, s Stamp) {
	if len(payload) < Size || len(payload) > MaxSize {
		panic("stamp: payload's size is out of range")
	}
	b := payload[:Size]
	copy(b, marker)
	put(b[4:8], uint64(len(payload)))
	put(b[8:13], uint64(s.Run))
	put(b[13:17], uint64(s.Room))
	put(b[17:21], uint64(s.Publisher))
	put(b[21:27], s.Sequence)
	put(b[27:36], uint64(s.Due))
	put(b[36:42], uint64(min(max(s.Lag, 0), MaxLag)))
	put(b[checksumAt:], uint64(checksum(payload)))
}

// put writes the lowest 6 × len(field) bits of v.
func put(field []byte, v uint64) {
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = alphabet[v&63]
		v >>= 6
	}
}

func checksum(payload []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, payload[:checksumAt]), castagnoli, payload[Size:])
}

// Index returns where in message a stamp's marker is, -1 if nowhere.
func Index(message []byte) int { return bytes.Index(message, []byte(marker)) }

// At reports whether a stamp's marker is at offset.
func At(message []byte, offset int) bool {
	return offset >= 0 && offset+len(marker) <= len(message) && string(message[offset:offset+len(marker)]) == marker
}

// Find returns the stamp in message, wherever it is. A message that begins with
// a marker of which one byte is damaged holds a Corrupt stamp; deeper inside a
// message a damaged marker cannot be told from other text.
func Find(message []byte) (Stamp, Verdict) { return FindBehind(nil, message) }

// FindBehind is Find for a payload that has something before its stamp, which
// no checksum covers: where it is damaged the stamp is Corrupt too, and a
// marker that is nearly there is looked for behind it. What stands before the
// payload is its bearer's, and not looked at.
func FindBehind(before, message []byte) (Stamp, Verdict) {
	at := len(before)
	if !At(message, at) {
		if at = Index(message); at < 0 {
			if len(message) >= len(before)+Size && nearly(message[len(before):]) {
				return Stamp{}, Corrupt
			}
			return Stamp{}, Absent
		}
	}
	if !bytes.HasSuffix(message[:at], before) {
		return Stamp{}, Corrupt
	}
	return Decode(message[at:])
}

// nearly says that all of the marker but one byte is there.
func nearly(message []byte) bool {
	same := 0
	for i := range len(marker) {
		if message[i] == marker[i] {
			same++
		}
	}
	return same == len(marker)-1
}

// Decode reads the stamp that b begins with, marker included. What follows the
// payload in b is ignored. A damaged one is Corrupt and its fields are zero.
func Decode(b []byte) (Stamp, Verdict) {
	if len(b) < Size {
		return Stamp{}, Corrupt
	}
	var d decoder
	s := Stamp{
		Size:      int(d.take(b[4:8])),
		Run:       uint32(d.take(b[8:13])),
		Room:      int(d.take(b[13:17])),
		Publisher: int(d.take(b[17:21])),
		Sequence:  d.take(b[21:27]),
		Due:       int64(d.take(b[27:36])),
		Lag:       int64(d.take(b[36:42])),
	}
	sum := d.take(b[checksumAt:Size])
	if d.bad&invalid != 0 || s.Size < Size || s.Size > len(b) || sum != uint64(checksum(b[:s.Size])) {
		return Stamp{}, Corrupt
	}
	return s, Sound
}

// decoder reads numbers and remembers whether all characters were digits.
type decoder struct{ bad byte }

func (d *decoder) take(field []byte) (v uint64) {
	for _, char := range field {
		digit := digits[char]
		d.bad |= digit
		v = v<<6 | uint64(digit&63)
	}
	return v
}
