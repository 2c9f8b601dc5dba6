package fanout

import (
	"encoding/binary"
	"sort"
	"sync/atomic"
)

const (
	minChunk = 1 << 10   // bytes; the first chunk of a log
	maxChunk = 256 << 10 // bytes; only a larger frame gets a larger chunk
	perFrame = 8         // bytes of an index entry: where the frame ends, and the id of the member that published it
)

// A chunk is one stretch of a log: contiguous bytes of whole frames, and where each of them ends. One publisher at a time
// fills it, under the room's lock; loops read what is committed without a lock. The garbage collector frees it when the log has
// moved on and no cursor is left in it.
type chunk struct {
	// commit is frames<<32 | bytes in one word, so that no reader sees bytes without the index entries that describe them.
	commit atomic.Uint64
	next   atomic.Pointer[chunk] // set when this chunk gets no more: commit is final then
	base   int64                 // the first byte's position in the log
	first  uint64                // the number of frames in the log before the first one
	// data is frames from the front and their index from the back, so that frames of any size fill it.
	data []byte
	then *detour // of a chunk that belongs to one member (see there)
}

func newChunk(base int64, first uint64, bytes int) *chunk {
	return &chunk{base: base, first: first, data: make([]byte, bytes)}
}

// committed is how many frames and bytes readers may see.
func (c *chunk) committed() (frames int, bytes uint32) {
	w := c.commit.Load()
	return int(w >> 32), uint32(w)
}

// entry is frame i's place in the index.
func (c *chunk) entry(i int) []byte {
	at := len(c.data) - (i+1)*perFrame
	return c.data[at : at+perFrame]
}

// end is the offset of the byte after frame i.
func (c *chunk) end(i int) uint32 { return binary.LittleEndian.Uint32(c.entry(i)) }

// sender is the id of the member that published frame i; 0 is nobody here.
func (c *chunk) sender(i int) uint32 { return binary.LittleEndian.Uint32(c.entry(i)[4:]) }

// frameAt is the index of the frame that holds the byte at off; it is the number of frames that end at or before off.
func (c *chunk) frameAt(off uint32) int {
	n, _ := c.committed()
	return sort.Search(n, func(i int) bool { return c.end(i) > off })
}

// start is the offset of frame i's first byte.
func (c *chunk) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return c.end(i - 1)
}

// log is a stream's frames in the order in which they were published. The room's lock guards it, but for what chunk, age and the atomics say.
type log struct {
	head   atomic.Int64  // bytes ever appended
	frames atomic.Uint64 // likewise
	age
	tail *chunk
	// passes counts the passes that appends to tail have asked for: how the size of the next chunk is chosen.
	passes int
}

// append adds one frame, given in two parts so that a payload is copied once only.
func (l *log) append(sender uint32, header, payload []byte) {
	size := len(header) + len(payload)
	n, used := l.tail.committed()
	if int(used)+size+(n+1)*perFrame > len(l.tail.data) {
		l.roll(size)
		n, used = 0, 0
	}
	t := l.tail
	end := int(used) + size
	copy(t.data[used:], header)
	copy(t.data[int(used)+len(header):end], payload)
	binary.LittleEndian.PutUint64(t.entry(n), uint64(sender)<<32|uint64(end))
	t.commit.Store(uint64(n+1)<<32 | uint64(end))
	l.frames.Store(t.first + uint64(n) + 1)
	l.head.Store(t.base + int64(end))
}

// roll starts a new chunk that holds at least a frame of size bytes. Chunks grow only while publications are coalesced: where
// each pass takes a single frame, members cross from chunk to chunk between two writes, and a small chunk costs nothing.
func (l *log) roll(size int) {
	n, _ := l.tail.committed()
	next := min(len(l.tail.data), maxChunk)
	switch coalesced := 2*n >= 3*l.passes; {
	case coalesced && l.passes < 32:
		next *= 2
	case !coalesced || l.passes > 128:
		next /= 2
	}
	next = max(minChunk, min(next, maxChunk))
	l.extend(max(next, size+perFrame))
}

// extend starts a new chunk.
func (l *log) extend(bytes int) {
	n, used := l.tail.committed()
	c := newChunk(l.tail.base+int64(used), l.tail.first+uint64(n), bytes)
	l.tail.next.Store(c)
	l.tail, l.passes = c, 0
}
