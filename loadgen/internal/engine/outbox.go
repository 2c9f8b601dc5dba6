package engine

import (
	"sync"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/plan"
)

const (
	gone = -1 // in place of a descriptor: not open yet, or no longer

	// maxControl bounds the control frames that wait behind a cut frame, in
	// bytes. A target that floods pings and reads nothing gets no more pongs.
	maxControl = 16 << 10
)

// departure is one publication on its way out.
type departure struct {
	publisher int
	room      int
	sequence  uint64
	due       int64 // CLOCK_MONOTONIC, nanoseconds
	first     int64 // first attempt to write
	phase     plan.Phase
}

// An outbox orders the writes to one connection, so that publications and
// pongs, which come from different threads, never meet inside a frame. It
// holds what the kernel did not take: memory grows by a few bytes for each
// publication that waits, never by their payloads.
type outbox struct {
	mu sync.Mutex
	fd int32 // or gone
	// tls is under the frames, nil for ws: what waits in bytes is ciphertext.
	tls *tlsLayer

	bytes   []byte    // to be written before all else: the tail of a cut frame, then control frames
	cut     departure // whose tail bytes begins with, as long as cutLeft > 0
	cutLeft int       // bytes
	queue   []departure
	over    bool  // nothing follows what waits: the Close frame was the last, or a frame stays cut
	deflate uint8 // bits of the window to compress messages for; 0 for none

	// watcher is whom to ask for writability, nil if its events come anyway.
	watcher *thread
	tag     int // of those events
	armed   bool
}

func (o *outbox) blocked() bool { return len(o.bytes) > 0 || len(o.queue) > 0 && !o.over }

// wait asks for an event when the socket takes more. The lock is held.
func (o *outbox) wait() {
	if o.watcher == nil || o.armed {
		return
	}
	// It fails for want of memory only; the connection then stays blocked,
	// which is what its account says.
	o.armed = o.watcher.watch(int(o.fd), o.tag, unix.EPOLLOUT) == nil
}

// again asks for an event even if the socket takes more already. The lock is
// held.
func (o *outbox) again() {
	if !o.armed {
		o.wait()
		return
	}
	// It fails for want of memory only, see wait.
	_ = o.watcher.rewatch(int(o.fd), o.tag, unix.EPOLLOUT)
}

// control writes a control frame, or keeps it until the socket takes it.
func (o *outbox) control(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.bytes) < o.cutLeft+maxControl {
		o.write(frame)
	}
}

// message writes a message's frame, or keeps it, however much waits already.
func (o *outbox) message(frame []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.write(frame)
}

// last writes a Close frame, or keeps it behind what waits. Nothing follows it:
// the publications that wait are dropped. It returns how many those were.
func (o *outbox) last(frame []byte) (dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	dropped = o.forget()
	if o.over && o.fd != gone {
		// Behind the half of a frame the stream's end says what the Close frame
		// cannot. Of an error the next read tells more.
		_ = unix.Shutdown(int(o.fd), unix.SHUT_WR)
	}
	o.write(frame)
	o.over = true
	return dropped
}

// write writes a frame, or keeps what the socket does not take. The lock is
// held.
func (o *outbox) write(frame []byte) {
	if o.fd == gone || o.over {
		return
	}
	if sealed, ok := o.seal(frame); ok {
		o.put(sealed)
	}
}

// seal returns what goes to the socket for a frame, until the next seal.
// Without ok the connection is at its end, as the reader will see. The lock is
// held.
func (o *outbox) seal(frame []byte) (sealed []byte, ok bool) {
	if o.tls == nil {
		return frame, true
	}
	return o.tls.seal(frame)
}

// put writes bytes of the wire behind what waits. The lock is held.
func (o *outbox) put(b []byte) {
	if len(o.bytes) > 0 {
		o.bytes = append(o.bytes, b...)
		return
	}
	n, errno := send(o.fd, b)
	if errno != 0 && errno != unix.EAGAIN {
		return // the reader will see the end
	}
	if n < len(b) {
		o.bytes = append(o.bytes, b[n:]...)
		o.wait()
	}
}

// relay writes what the TLS layer has made on its own.
func (o *outbox) relay() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fd != gone && o.tls != nil {
		o.put(o.tls.take())
	}
}

// push writes bytes until the socket takes no more. It returns the publication
// that thereby left whole, if one did. The lock is held.
func (o *outbox) push() (left departure, whole bool, errno unix.Errno) {
	n, errno := send(o.fd, o.bytes)
	if errno != 0 {
		return departure{}, false, errno
	}
	o.bytes = o.bytes[:copy(o.bytes, o.bytes[n:])]
	if o.cutLeft > 0 {
		o.cutLeft = max(0, o.cutLeft-n)
		whole = o.cutLeft == 0
	}
	return o.cut, whole, 0
}

// close ends the outbox and the descriptor under one lock, so that nobody
// writes to the descriptor's number when it is another's. It returns how many
// publications it dropped.
func (o *outbox) close() (dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fd == gone {
		return 0
	}
	dropped = o.forget()
	if o.tls != nil {
		o.put(o.tls.farewell())
		o.tls = nil
	}
	unix.Close(int(o.fd))
	o.fd = gone
	return dropped
}

// reopen makes the outbox a new descriptor's. Nothing of an old one's is left.
func (o *outbox) reopen(fd int32, deflate uint8, layer *tlsLayer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fd, o.deflate, o.tls = fd, deflate, layer
	o.bytes, o.queue, o.cutLeft = o.bytes[:0], nil, 0
	o.over, o.armed = false, false
}

// forget drops the publications that wait. They are unsent, so the rest of one
// that was cut must never leave, and nothing can follow the half of a frame: no
// pong and no Close frame, nor under TLS another record. The lock is held.
func (o *outbox) forget() (waiting int) {
	waiting = len(o.queue)
	if o.cutLeft > 0 {
		waiting++
		o.bytes, o.tls, o.over = nil, nil, true
	}
	o.queue, o.cutLeft = nil, 0
	return waiting
}
