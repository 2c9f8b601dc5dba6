package fanout

import "sync"

// A Variant is a form in which members are sent a room's publications: a compressed one, say. Members of one room may take
// different variants. Each variant that a member takes has a log of its own, to which every publication is appended in the same
// order, so that a publication is encoded once for all members that take the variant, and never for a variant that nobody takes.
type Variant uint8

const (
	Plain    Variant = 0  // header and payload as they were published
	Variants Variant = 16 // one more than the largest
)

// An Encoder appends to dst a publication's frame in a variant other than Plain. Any goroutine may be the caller, several at once.
type Encoder func(dst []byte, v Variant, header, payload []byte) []byte

// frames are one publication's frames in variants other than Plain, each made when it is first asked for.
type frames struct {
	made  uint32 // a bit for each
	bytes [Variants][]byte
}

var framesPool = sync.Pool{New: func() any { return new(frames) }}

func newFrames() *frames { return framesPool.Get().(*frames) }

func (f *frames) in(hub *Hub, v Variant, header, payload []byte) []byte {
	if f.made&(1<<v) == 0 {
		f.made |= 1 << v
		f.bytes[v] = hub.encoder(f.bytes[v][:0], v, header, payload)
		hub.encodings.Add(1)
	}
	return f.bytes[v]
}

// release gives f back, with its buffers unless they are large. f may be nil.
func (f *frames) release() {
	if f == nil {
		return
	}
	f.made = 0
	for v, b := range f.bytes {
		if cap(b) > maxChunk {
			f.bytes[v] = nil
		}
	}
	framesPool.Put(f)
}
