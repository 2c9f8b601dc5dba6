package frame

import "sync"

// classes are the capacities of pooled buffers, in bytes. A buffer moves up as
// bytes arrive and is never more than four times what it holds (or 512 bytes),
// so that ten thousand connections which each sent a little of a message hold
// a little each. Above the largest class buffers double and are not kept.
var classes = [...]int{512, 2 << 10, 8 << 10, 32 << 10, 128 << 10}

var pools [len(classes)]sync.Pool

// A buffer gathers a payload that arrives in pieces.
type buffer struct {
	bytes []byte
	class int // index in classes; len(classes) is none
}

// append returns b with part added, as append does for slices: the receiver,
// which may be nil, is not to be used again.
func (b *buffer) append(part []byte) *buffer {
	if len(part) == 0 {
		return b
	}
	need := len(part)
	if b != nil {
		need += len(b.bytes)
		if need <= cap(b.bytes) {
			b.bytes = append(b.bytes, part...)
			return b
		}
	}
	grown := newBuffer(need)
	if b != nil {
		grown.bytes = append(grown.bytes, b.bytes...)
		b.release()
	}
	grown.bytes = append(grown.bytes, part...)
	return grown
}

// size is the number of bytes held, of a nil buffer too.
func (b *buffer) size() int64 {
	if b == nil {
		return 0
	}
	return int64(len(b.bytes))
}

func (b *buffer) release() {
	if b.class < len(classes) {
		b.bytes = b.bytes[:0]
		pools[b.class].Put(b)
	}
}

// newBuffer returns an empty buffer with a capacity of need bytes or more.
func newBuffer(need int) *buffer {
	for class, capacity := range classes {
		if need > capacity {
			continue
		}
		if b, ok := pools[class].Get().(*buffer); ok {
			return b
		}
		return &buffer{bytes: make([]byte, 0, capacity), class: class}
	}
	return &buffer{bytes: make([]byte, 0, 2*need), class: len(classes)}
}
