package backplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats.go"
)

const (
	subject    = "fanbench.publications"
	batchBytes = 64 << 10 // batches are cut at this size; a larger publication is a batch of its own
	queueBytes = 64 << 20 // what may wait for the broker, beside one publication of any size; beyond it publications are dropped
	keepBytes  = 1 << 20  // a queue buffer larger than this is not kept for reuse
	quiet      = time.Second
)

// Link carries a worker's publications to the other workers, over NATS. Publish only appends to a queue; one goroutine sends what has gathered there,
// so batches grow with load and an event loop never waits for the broker's socket.
type Link struct {
	conn    *nats.Conn
	deliver Deliver
	log     *slog.Logger
	origin  uint64
	max     int // bytes of payload

	mu     sync.Mutex
	queue  []byte // whole publications, encoded
	closed bool

	wake    chan struct{} // holds a token while the queue may hold something
	stop    chan struct{}
	stopped chan struct{}
	heard   sequences // only the subscription's goroutine touches it

	published, dropped, received, lost, reconnects, errors atomic.Uint64
	dropLog, lossLog                                       rarely
}

// Connect links this worker to the broker under the given name. When it returns, publications of other workers reach
// deliver. The link comes back by itself whenever it breaks.
func Connect(to Address, name string, deliver Deliver, log *slog.Logger) (*Link, error) {
	l := &Link{
		deliver: deliver, log: log, origin: rand.Uint64(), max: to.MaxPayload,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
		heard: sequences{},
	}
	conn, err := nats.Connect(to.URL, nats.Name(name), nats.Token(to.Token),
		nats.NoEcho(), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			l.errors.Add(1)
			log.Error("backplane", "error", err)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { l.disconnected(err) }),
		nats.ReconnectHandler(func(*nats.Conn) {
			l.reconnects.Add(1)
			log.Info("backplane reconnected")
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to backplane: %w", err)
	}
	sub, err := conn.Subscribe(subject, func(m *nats.Msg) { l.receive(m.Data) })
	if err == nil {
		err = sub.SetPendingLimits(1<<20, pendingBytes)
	}
	if err == nil {
		err = conn.FlushTimeout(5 * time.Second) // answered only after the broker has taken the subscription
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe to backplane: %w", err)
	}
	l.conn = conn
	log.Debug("backplane connected")
	go l.send()
	return l, nil
}

// Publish queues a copy of the publication for the other workers. It does not wait for the network, so an event loop may call it. The
// errors are ErrQueueFull, ErrClosed, ErrRoomName and ErrTooLarge; each is counted in Stats.Dropped.
func (l *Link) Publish(room string, op ws.OpCode, payload []byte) error {
	err := l.enqueue(room, op, payload)
	if err != nil {
		l.drop(1, err)
		return fmt.Errorf("publish to other workers: %w", err)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

func (l *Link) enqueue(room string, op ws.OpCode, payload []byte) error {
	if len(room) > maxRoomName {
		return ErrRoomName
	}
	if len(payload) > l.max {
		return ErrTooLarge
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if len(l.queue)+publicationSize(room, payload) > queueBytes+l.max {
		return ErrQueueFull
	}
	l.queue = appendPublication(l.queue, room, op, payload)
	return nil
}

// send hands what has gathered in the queue to the broker until the link is closed.
func (l *Link) send() {
	defer close(l.stopped)
	var gathered, batch []byte
	var next uint64 // number of the publication to send next
	silence := time.NewTimer(quiet)
	silence.Stop() // until something was sent there is no sequence to confirm
	defer silence.Stop()
	for open := true; open; {
		select {
		case <-l.wake:
			silence.Reset(quiet)
		case <-silence.C:
			batch = appendBatchHeader(batch[:0], l.origin, next)
			l.handOver(batch, 0)
			continue
		case <-l.stop:
			open = false
		}
		l.mu.Lock()
		gathered, l.queue = l.queue, gathered[:0]
		l.mu.Unlock()
		for rest := gathered; len(rest) > 0; {
			size, n := cut(rest, batchBytes-batchHeader)
			batch = append(appendBatchHeader(batch[:0], l.origin, next), rest[:size]...)
			if l.handOver(batch, n) {
				next += uint64(n)
			}
			rest = rest[size:]
		}
		gathered, batch = reusable(gathered), reusable(batch)
	}
}

// handOver gives one batch of n publications to the broker's library. Publications that it refuses get no sequence
// number: they are counted here, once, and not again by every receiver.
func (l *Link) handOver(batch []byte, n int) bool {
	if err := l.conn.Publish(subject, batch); err != nil {
		l.drop(n, err)
		return false
	}
	l.published.Add(uint64(n))
	return true
}

func reusable(b []byte) []byte {
	if cap(b) > keepBytes {
		return nil
	}
	return b
}

// receive delivers the publications of one batch.
func (l *Link) receive(batch []byte) {
	n, err := l.take(batch)
	l.received.Add(uint64(n))
	if err != nil {
		l.errors.Add(1)
		l.log.Error("backplane", "error", err)
	}
}

func (l *Link) take(batch []byte) (n int, err error) {
	if len(batch) < batchHeader {
		return 0, fmt.Errorf("%w: %d bytes, the header alone has %d", errBatch, len(batch), batchHeader)
	}
	origin, first := binary.BigEndian.Uint64(batch), binary.BigEndian.Uint64(batch[8:])
	var name string
	for rest := batch[batchHeader:]; len(rest) > 0; {
		var room, payload []byte
		var op ws.OpCode
		if room, op, payload, rest, err = takePublication(rest); err != nil {
			break
		}
		if string(room) != name { // a batch is often of one room: one string serves all of it
			name = string(room)
		}
		l.deliver(name, op, payload)
		n++
	}
	if missed := l.heard.arrive(origin, first, n); missed > 0 {
		l.lost.Add(missed)
		if l.lossLog.now() {
			l.log.Error("backplane lost publications of another worker: its members here have a gap",
				"lost", missed, "lost_in_all", l.lost.Load())
		}
	}
	return n, err
}

func (l *Link) drop(n int, err error) {
	if n == 0 {
		return
	}
	dropped := l.dropped.Add(uint64(n))
	if l.dropLog.now() {
		l.log.Error("backplane dropped publications: members on other workers have a gap",
			"error", err, "dropped_in_all", dropped)
	}
}

func (l *Link) disconnected(err error) {
	if err == nil && l.isClosed() {
		return
	}
	l.log.Error("backplane disconnected", "error", err)
}

func (l *Link) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// Stats is a snapshot of the link's counters; any goroutine may ask.
func (l *Link) Stats() Stats {
	l.mu.Lock()
	queued := int64(len(l.queue))
	l.mu.Unlock()
	return Stats{
		Published: l.published.Load(), Dropped: l.dropped.Load(),
		Received: l.received.Load(), Lost: l.lost.Load(),
		Reconnects: l.reconnects.Load(), Errors: l.errors.Load(),
		QueuedBytes: queued, Connected: l.conn.IsConnected(),
	}
}

// Close sends what is queued, within a second, and ends the link. A second Close does nothing.
func (l *Link) Close() {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return
	}
	close(l.stop)
	<-l.stopped
	if err := l.conn.FlushTimeout(time.Second); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		l.log.Error("backplane closed before all was sent", "error", err)
	}
	l.conn.Close()
}

// rarely lets a log line through once a second: a loss under overload is news once, not a million times.
type rarely struct{ last atomic.Int64 }

func (r *rarely) now() bool {
	now, last := time.Now().UnixNano(), r.last.Load()
	return now-last >= int64(time.Second) && r.last.CompareAndSwap(last, now)
}
