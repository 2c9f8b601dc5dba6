//go:build linux

package uring

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// pair is two connected sockets that do not block.
func pair(t testing.TB) (near, far int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	return fds[0], fds[1]
}

func open(t testing.TB, size int) *Ring {
	t.Helper()
	r, err := New(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func arrived(t testing.TB, fd int) string {
	t.Helper()
	b := make([]byte, 1<<20)
	n, err := unix.Read(fd, b)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(b[:n])
}

// What became of a send, by the state of its socket.
func TestSend(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, near, far int)
		bytes   int
		want    func(Result) bool
	}{
		{"room for all", func(*testing.T, int, int) {}, 100, func(r Result) bool { return r == Result{N: 100} }},
		{"room for some", func(*testing.T, int, int) {}, 16 << 20, func(r Result) bool { return r.Err == 0 && r.N > 0 && r.N < 16<<20 }},
		{"full", fill, 100, func(r Result) bool { return r == Result{Err: unix.EAGAIN} }},
		{"ended here", func(t *testing.T, near, _ int) { shut(t, near) }, 100, func(r Result) bool { return r == Result{Err: unix.EPIPE} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			near, far := pair(t)
			test.prepare(t, near, far)
			ring := open(t, 4)
			ring.Queue(near, make([]byte, test.bytes))
			if got := ring.Submit(); len(got) != 1 || !test.want(got[0]) {
				t.Errorf("got %+v", got)
			}
		})
	}
	ring := open(t, 4)
	ring.Queue(-1, []byte("nobody"))
	if got := ring.Submit(); !slices.Equal(got, []Result{{Err: unix.EBADF}}) {
		t.Errorf("a descriptor that is none: got %+v", got)
	}
}

func fill(t *testing.T, near, _ int) {
	t.Helper()
	for b := make([]byte, 64<<10); ; {
		if _, err := unix.Write(near, b); err == unix.EAGAIN && len(b) == 1 {
			return
		} else if err == unix.EAGAIN {
			b = b[:len(b)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func shut(t *testing.T, fd int) {
	t.Helper()
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
}

// Each result is that of its own send, round after round, over the ends of both queues; a failure between two others stays alone.
func TestResultsBelongToTheirSends(t *testing.T) {
	const size = 8
	ring := open(t, size)
	if ring.Size() != size {
		t.Fatalf("size %d, want %d", ring.Size(), size)
	}
	type ends struct{ near, far int }
	var all [size]ends
	for i := range all {
		all[i].near, all[i].far = pair(t)
	}
	for round := range 5 * size {
		n, broken := 1+round%size, round%3
		for i := range n {
			fd := all[i].near
			if i == broken {
				fd = -1
			}
			ring.Queue(fd, bytes.Repeat([]byte{'a' + byte(i)}, round+i+1))
		}
		got := ring.Submit()
		if len(got) != n {
			t.Fatalf("round %d: %d results of %d sends", round, len(got), n)
		}
		for i, r := range got {
			want := Result{N: round + i + 1}
			if i == broken {
				want = Result{Err: unix.EBADF}
			} else if text := arrived(t, all[i].far); text != string(bytes.Repeat([]byte{'a' + byte(i)}, round+i+1)) {
				t.Fatalf("round %d: %q arrived at %d", round, text, i)
			}
			if r != want {
				t.Fatalf("round %d, send %d: got %+v, want %+v", round, i, r, want)
			}
		}
	}
}

// What the kernel does not take is said to be left over, and is not sent by a later call.
func TestWhatIsNotTakenIsLeftOver(t *testing.T) {
	near, far := pair(t)
	ring := open(t, 4)
	fd := ring.fd
	ring.fd = -1
	for range 3 {
		ring.Queue(near, []byte("lost"))
	}
	if got := ring.Submit(); len(got) != 0 {
		t.Fatalf("got %+v from no ring", got)
	}
	ring.fd = fd
	ring.Queue(near, []byte("sent"))
	if got := ring.Submit(); !slices.Equal(got, []Result{{N: 4}}) {
		t.Fatalf("got %+v", got)
	}
	if got := arrived(t, far); got != "sent" {
		t.Errorf("%q arrived", got)
	}
}

func TestNewSaysWhyNot(t *testing.T) {
	if r, err := New(0); err == nil {
		r.Close()
		t.Error("a ring of no entries")
	}
}

func TestSendDoesNotAllocate(t *testing.T) {
	near, far := pair(t)
	ring := open(t, 4)
	out, in := make([]byte, 128), make([]byte, 1024)
	if got := testing.AllocsPerRun(100, func() { send(t, ring, near, far, out, in) }); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// send makes four sends in one call and reads them.
func send(t testing.TB, ring *Ring, near, far int, out, in []byte) {
	for range 4 {
		ring.Queue(near, out)
	}
	ring.Submit()
	if n, err := unix.Read(far, in); err != nil || n != 4*len(out) {
		t.Fatalf("read %d bytes, %v", n, err)
	}
}

func BenchmarkSend(b *testing.B) {
	near, far := pair(b)
	ring := open(b, 4)
	out, in := make([]byte, 128), make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		send(b, ring, near, far, out, in)
	}
}
