package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/payload"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/stamp"
	"fanbench/loadgen/scenario"
	"fanbench/server/deflate"
	"fanbench/server/frame"
)

// A writer encodes publications, writes them and counts what left. It belongs
// to one thread: the sender's, or in a closed loop the receiver's.
type writer struct {
	plan   *plan.Plan
	epoch  int64
	run    uint32
	op     ws.OpCode
	fanout bool // a publication has its room's subscribers, not only its publisher

	payloads   payload.Set
	compressed []byte
	frame      []byte // payload or what it was compressed to, masked, behind its header
	masks      *rand.PCG

	sent     []Closing // by publisher
	next     []uint32  // by publisher: one more than the last sequence that left
	counts   departures
	waiting  int // publications in outboxes
	recorded *histograms
	stopped  bool // nothing leaves any more

	// idle: the phase's publications have left or are unsent. Read by others.
	idle atomic.Bool
}

// departures counts publications by what became of them.
type departures struct {
	sent         uint64
	unsent       uint64
	expected     uint64 // deliveries of what was sent, over all workers
	measuredSent uint64
}

func newWriter(c Config) *writer {
	s := c.Plan.Scenario()
	w := &writer{
		plan: c.Plan, epoch: c.Epoch, run: c.RunID & stamp.MaxRun,
		op:       ws.OpText,
		fanout:   s.Workload == scenario.Fanout,
		masks:    rand.NewPCG(rand.Uint64(), rand.Uint64()),
		sent:     make([]Closing, c.Plan.Publishers()),
		next:     make([]uint32, c.Plan.Publishers()),
		recorded: newHistograms(sendLag, blocked),
	}
	if s.Binary {
		w.op = ws.OpBinary
	}
	if s.Workload != scenario.Connect {
		w.payloads = payload.NewSet(s)
		w.frame = make([]byte, 0, ws.MaxHeaderSize+int(s.LargestSize()))
	}
	w.idle.Store(true)
	return w
}

// mask draws a frame's masking key; see newKey for why from this source.
func mask(source *rand.PCG) (key [4]byte) {
	binary.NativeEndian.PutUint32(key[:], uint32(source.Uint64()))
	return key
}

// publish makes the first attempt to write a publication. What the socket does
// not take waits in the outbox.
func (w *writer) publish(o *outbox, d departure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fd == gone || o.over || w.stopped {
		w.counts.unsent++
		return
	}
	d.first = clock.Now()
	if d.phase == plan.Measure {
		w.recorded.record(sendLag, d.first-d.due)
	}
	if o.blocked() {
		o.queue = append(o.queue, d)
		w.waiting++
		return
	}
	w.encode(d, o.deflate)
	sealed, ok := o.seal(w.frame)
	if !ok {
		w.counts.unsent++
		return
	}
	n, errno := send(o.fd, sealed)
	if errno != 0 && errno != unix.EAGAIN {
		w.counts.unsent++ // the reader will see the end
		return
	}
	if n == len(sealed) {
		w.left(d)
		return
	}
	o.bytes = append(o.bytes, sealed[n:]...)
	o.cut, o.cutLeft = d, len(o.bytes)
	w.waiting++
	o.wait()
}

// flush writes what waits in an outbox, as far as the socket takes it.
func (w *writer) flush(o *outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for turn := 1; o.fd != gone && o.blocked(); turn++ {
		if turn > politeness && o.watcher != nil {
			o.again()
			return
		}
		if len(o.bytes) == 0 {
			d := o.queue[0]
			if o.queue = o.queue[1:]; len(o.queue) == 0 {
				o.queue = nil
			}
			w.encode(d, o.deflate)
			sealed, ok := o.seal(w.frame)
			if !ok {
				w.drop(o.forget() + 1)
				return
			}
			o.bytes = append(o.bytes, sealed...)
			o.cut, o.cutLeft = d, len(o.bytes)
		}
		d, whole, errno := o.push()
		if whole {
			w.waiting--
			w.left(d)
		}
		if errno == unix.EAGAIN {
			o.wait()
			return
		}
		if errno != 0 {
			w.drop(o.forget())
			return
		}
	}
}

// clear forgets the publications that wait in an outbox.
func (w *writer) clear(o *outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w.drop(o.forget())
}

func (w *writer) drop(waiting int) {
	w.waiting -= waiting
	w.counts.unsent += uint64(waiting)
}

// left counts a publication that the kernel has accepted whole.
func (w *writer) left(d departure) {
	w.counts.sent++
	w.noteHole(d)
	members := 1
	if w.fanout {
		members = w.plan.RoomReaders(d.room)
	}
	w.counts.expected += uint64(members)
	if d.phase == plan.WarmUp {
		w.sent[d.publisher].WarmUp++
		return
	}
	w.sent[d.publisher].Measure++
	w.counts.measuredSent++
	w.recorded.record(blocked, clock.Now()-d.first)
}

// noteHole notes the publications before one that left which stayed unsent: they
// leave in their order.
func (w *writer) noteHole(d departure) {
	next := &w.next[d.publisher]
	if first := *next; uint32(d.sequence) > first {
		c := &w.sent[d.publisher]
		c.Holes = append(c.Holes, ledger.Span{First: first, End: uint32(d.sequence)})
	}
	*next = uint32(d.sequence) + 1
}

// encode writes a publication's frame, compressed for a window of so many bits
// unless they are 0. Its compression falls behind the first attempt to write,
// as its masking does: the stamp inside it says when that was.
func (w *writer) encode(d departure, bits uint8) {
	message, at := w.payloads.Of(w.plan.Size(d.publisher, d.sequence))
	stamp.Encode(message[at:], stamp.Stamp{
		Run: w.run, Room: d.room, Publisher: d.publisher, Sequence: d.sequence,
		Due: d.due - w.epoch, Lag: d.first - d.due,
	})
	w.frame = appendMessage(w.frame[:0], &w.compressed, w.op, message, bits, mask(w.masks))
}

// appendMessage appends a message's frame. Its payload is compressed for a
// window of so many bits, with the help of scratch, unless bits are 0 or it
// would not get shorter.
func appendMessage(dst []byte, scratch *[]byte, op ws.OpCode, payload []byte, bits uint8, key [4]byte) []byte {
	if bits == 0 {
		return frame.AppendMasked(dst, op, payload, key)
	}
	var shorter bool
	*scratch, shorter = deflate.Shrink((*scratch)[:0], payload, int(bits))
	start := len(dst)
	dst = frame.AppendMasked(dst, op, *scratch, key)
	if shorter {
		dst[start] |= rsv1
	}
	return dst
}
