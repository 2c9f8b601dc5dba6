package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/stamp"
	"fanbench/server/frame"
)

const (
	glued = 100  // frames in one read
	flood = 2000 // publications in all
)

// idleReceiver is a receiver whose thread has ended, so that a test may drive
// it, with all of its connections open as far as it knows.
func idleReceiver(t testing.TB, connections int) *receiver {
	t.Helper()
	s := scenarioOf(t, "workload", "fanout", "connections", fmt.Sprint(connections), "rooms", "1", "publishers", "1",
		"rate", "1000/s", "size", "128B")
	s.Phases.WarmUp, s.Phases.Measure = 0, flood*time.Millisecond
	e := startEngine(t, configOf(t, s, 0, refusedAddress(t)))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r := e.receivers[0]
	for i := range r.conns {
		r.conns[i].state = open
	}
	return r
}

// reads are the plan's publications as glued frames.
func reads(r *receiver, perRead int) [][]byte {
	payload := make([]byte, 128)
	stamp.Padding(payload[stamp.Size:])
	var reads [][]byte
	var b []byte
	for sequence := range flood {
		stamp.Encode(payload, stamp.Stamp{Run: r.reader.run, Sequence: uint64(sequence), Due: int64(sequence) * int64(time.Millisecond), Lag: 1000})
		b = frame.AppendFrame(b, ws.OpText, payload)
		if (sequence+1)%perRead == 0 {
			reads = append(reads, b)
			b = nil
		}
	}
	return reads
}

// arrive stands for a read at the receiver.
func (r *receiver) arrive(c *conn, b []byte) {
	r.readAt = clock.Now()
	r.at, r.stamped = r.readAt-1000, own
	r.parse(c, b)
}

func TestReceivingDoesNotAllocate(t *testing.T) {
	r := idleReceiver(t, 10)
	batches := reads(r, glued)
	next := 0
	if n := testing.AllocsPerRun(len(batches)-1, func() { // and once more to warm up
		for i := range 10 {
			r.arrive(&r.conns[i], batches[next])
		}
		next++
	}); n != 0 {
		t.Errorf("%v allocations for %d deliveries", n, 10*glued)
	}
	if got := r.account.Counts(); got.Delivered != 10*flood || r.counts.measured != 10*flood {
		t.Errorf("counts %+v, measured %d", got, r.counts.measured)
	}
}

// TestCutFrames cuts a stream of frames everywhere: the account is the same.
func TestCutFrames(t *testing.T) {
	r := idleReceiver(t, 1)
	stream := reads(r, 3)[0]
	ping := frame.AppendFrame(nil, ws.OpPong, []byte("x"))
	fragments := append([]byte{0x01, 2, 'a', 'b'}, ping...)
	fragments = append(fragments, 0x80, 1, 'c')
	stream = append(stream, fragments...)
	for cut := range len(stream) {
		r.account, r.counts = ledger.New(1), arrivals{}
		r.arrive(&r.conns[0], stream[:cut])
		r.arrive(&r.conns[0], stream[cut:])
		if got := r.account.Counts(); got.Delivered != 3 || r.counts.unknown != 1 || r.conns[0].parser != nil {
			t.Fatalf("cut at %d: %+v, %d unknown", cut, got, r.counts.unknown)
		}
	}
}

// TestStampsByPlace: the last frame of a read has its own kernel stamp, an
// earlier one or one before a cut frame shares it, and one of a read that
// filled the buffer shares it with what is still to be read.
func TestStampsByPlace(t *testing.T) {
	r := idleReceiver(t, 1)
	stream := reads(r, 4)[0]
	one := len(stream) / 4
	r.arrive(&r.conns[0], stream[:2*one+5])
	r.arrive(&r.conns[0], stream[2*one+5:3*one])
	r.stamped = shared
	r.parse(&r.conns[0], stream[3*one:])
	if r.counts.exact != 1 || r.counts.bound != 3 {
		t.Errorf("%d exact and %d bound stamps, want 1 and 3", r.counts.exact, r.counts.bound)
	}
}

// TestInletStamps reads a real socket: TCP's time stamps of the kernel lie
// between its write and its read.
func TestInletStamps(t *testing.T) {
	here, there := socketPair(t)
	in := newInlet(4096)
	wall := clock.NewWall()
	// The kernel turns stamping on by a task of its own when the first socket
	// asks for it: segments before that carry none.
	eventually(t, "a stamp", func() bool {
		before := clock.Now()
		if _, errno := send(there, []byte("hello")); errno != 0 {
			t.Fatal(errno)
		}
		var n int
		var realtime int64
		eventually(t, "bytes", func() bool {
			var errno unix.Errno
			n, realtime, errno = in.receive(here)
			return errno == 0
		})
		read := clock.Now()
		wall.Refresh(read)
		if n != 5 {
			t.Fatalf("%d bytes, want 5", n)
		}
		if realtime == 0 {
			return false
		}
		if at := wall.Mono(realtime, read); at < before-int64(time.Millisecond) || at > read+int64(time.Millisecond) {
			t.Errorf("arrived %d ns after the write began and %d before the read ended", at-before, read-at)
		}
		return true
	})
	if _, _, errno := in.receive(here); errno != unix.EAGAIN {
		t.Errorf("empty socket: %v", errno)
	}
}

// socketPair is a TCP connection over loopback, both ends non-blocking.
func socketPair(t testing.TB) (here, there int32) {
	t.Helper()
	here, there, err := connected()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(int(here)); unix.Close(int(there)) })
	return here, there
}

func connected() (here, there int32, err error) {
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, 0, err
	}
	if err := unix.Listen(listener, 1); err != nil {
		return 0, 0, err
	}
	name, err := unix.Getsockname(listener)
	if err != nil {
		return 0, 0, err
	}
	fd, err := openSocket(unix.AF_INET, nil, 0)
	if err != nil {
		return 0, 0, err
	}
	if err := unix.Connect(fd, name); err != nil && err != unix.EINPROGRESS {
		return 0, 0, err
	}
	other, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	return int32(fd), int32(other), err
}

// awaitStamps has the kernel stamp what arrives, and keeps it doing so: it
// begins some time after the first socket that asks for it, and ends with the
// last (net_enable_timestamp, Linux 6.18).
func awaitStamps() error {
	here, there, err := connected() // for as long as the tests run
	if err != nil {
		return err
	}
	in := newInlet(1)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, errno := send(there, []byte{0}); errno != 0 {
			return errno
		}
		if n, stamp, _ := in.receive(here); n > 0 && stamp != 0 {
			return nil
		}
	}
	return errors.New("the kernel stamps no arrivals")
}

// BenchmarkReceive is the receive path without the kernel: scanner, stamp,
// ledger and histograms, one operation a delivery.
func BenchmarkReceive(b *testing.B) {
	for _, perRead := range []int{1, glued} {
		for _, connections := range []int{100, 5000} {
			b.Run(fmt.Sprintf("%d-glued/%d-connections", perRead, connections), func(b *testing.B) {
				r := idleReceiver(b, connections)
				batches := reads(r, perRead)
				b.ReportAllocs()
				b.ResetTimer()
				for done := 0; done < b.N; {
					for _, batch := range batches {
						for i := range r.conns {
							r.arrive(&r.conns[i], batch)
						}
						if done += perRead * connections; done >= b.N {
							break
						}
					}
					b.StopTimer()
					r.account = ledger.New(connections)
					b.StartTimer()
				}
				b.StopTimer()
				if counts := r.account.Counts(); counts.Duplicated+counts.Reordered+r.counts.corrupt+r.counts.unknown != 0 {
					b.Fatalf("%+v", r.counts)
				}
			})
		}
	}
}

// BenchmarkFresh is a delivery whose publication was not seen before.
func BenchmarkFresh(b *testing.B) {
	r := idleReceiver(b, 1)
	messages := reads(r, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		message := messages[i%flood][2:]
		if said, _ := r.reader.read(message); said.class != sound {
			b.Fatal(said.class)
		}
		if i%flood == flood-1 {
			clear(r.reader.caches[0].entries)
		}
	}
}

// BenchmarkSocket is the receive path with the kernel's part: glued frames
// through a TCP connection, write included, one operation a delivery.
func BenchmarkSocket(b *testing.B) {
	r := idleReceiver(b, 1)
	here, there := socketPair(b)
	c := &r.conns[0]
	c.fd = here
	batches := reads(r, glued)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		for _, batch := range batches {
			if n, errno := send(there, batch); n != len(batch) {
				b.Fatal(errno)
			}
			r.drain(c, false)
			if done += glued; done >= b.N {
				break
			}
		}
		r.account = ledger.New(1)
	}
}

// freeWriter is a writer without a thread and an outbox on a connection that
// drain empties.
func freeWriter(t testing.TB) (w *writer, o *outbox, drain func()) {
	t.Helper()
	w = newWriter(configOf(t, scenarioOf(t, "workload", "fanout", "connections", "1", "size", "128B"), 0, refusedAddress(t)))
	here, there := socketPair(t)
	buffer := make([]byte, 4096)
	return w, &outbox{fd: here}, func() {
		for {
			if _, err := unix.Read(int(there), buffer); err != nil {
				return
			}
		}
	}
}

func TestPublishingDoesNotAllocate(t *testing.T) {
	w, o, drain := freeWriter(t)
	d := departure{phase: plan.Measure}
	if n := testing.AllocsPerRun(100, func() {
		d.due = clock.Now()
		w.publish(o, d)
		d.sequence++
		drain()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if w.counts.sent != 101 || w.sent[0].Measure != 101 {
		t.Errorf("sent %+v", w.counts)
	}
}

// BenchmarkPublish is one publication, its write and its read at the other end.
func BenchmarkPublish(b *testing.B) {
	w, o, drain := freeWriter(b)
	b.ReportAllocs()
	for b.Loop() {
		w.publish(o, departure{due: clock.Now(), phase: plan.Measure})
		drain()
	}
}
