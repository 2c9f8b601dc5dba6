package floor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// populate makes a loop with a room of n members, whose peers read nothing, and
// a publisher that is none of them.
func populate(tb testing.TB, n int) (*loop, *conn) {
	tb.Helper()
	listener, _, err := listen("127.0.0.1:0", false)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := newLoop(listener)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for _, fd := range []int{l.listener, l.wake, l.epoll} {
			if err := unix.Close(fd); err != nil {
				tb.Error(err)
			}
		}
	})
	for range n {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			tb.Fatal(err)
		}
		c := &conn{fd: pair[0], open: true}
		tb.Cleanup(func() {
			_ = unix.Close(pair[1])
			if !c.gone { // else its descriptor may be another's by now
				_ = unix.Close(c.fd)
			}
		})
		l.conns = append(l.conns, make([]*conn, max(0, c.fd+1-len(l.conns)))...)
		l.conns[c.fd] = c
		l.join(c, "room")
	}
	return l, &conn{open: true, room: l.rooms["room"]}
}

const opBinary = 0x2

// The floor must not pay for garbage.
func TestFanOutDoesNotAllocate(t *testing.T) {
	l, publisher := populate(t, 10)
	payload := make([]byte, 128)
	if n := testing.AllocsPerRun(100, func() { l.handle(publisher, fin|opBinary, payload) }); n != 0 {
		t.Errorf("%v allocations for a publication to 10 members, want 0", n)
	}
	for _, m := range l.rooms["room"].members {
		if len(m.unsent) > 0 {
			t.Fatal("the kernel did not take everything: this measured something else")
		}
	}
}

// Whom the kernel will not write to leaves the room during the pass, and nobody
// is passed over for it.
func TestFanOutDropsTheDead(t *testing.T) {
	l, publisher := populate(t, 5)
	members := l.rooms["room"].members
	alive := []*conn{members[0], members[3]}
	for _, i := range []int{1, 2, 4} {
		if err := unix.Shutdown(members[i].fd, unix.SHUT_WR); err != nil { // EPIPE from here on
			t.Fatal(err)
		}
	}
	l.handle(publisher, fin|opBinary, make([]byte, 128))
	left := l.rooms["room"].members
	if len(left) != 2 {
		t.Fatalf("%d members are left, want 2", len(left))
	}
	for i, m := range left {
		if m.index != i || m.gone || m != alive[0] && m != alive[1] {
			t.Errorf("place %d holds %+v", i, *m)
		}
	}
}

func TestUnmask(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for n := range 40 {
		got, want := make([]byte, n), make([]byte, n)
		for i := range n {
			got[i] = byte(i * 7)
			want[i] = got[i] ^ key[i%4]
		}
		unmask(got, key)
		if string(got) != string(want) {
			t.Errorf("%d bytes: got %x, want %x", n, got, want)
		}
	}
}
