package fanout

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{16, 128, 4096} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			hub := NewHub(Limits{Backlog: 1 << 20}, nil)
			loop := hub.NewLoop(discard{}, func(*Loop, int) {})
			joinAll(hub, loop, "r", 1)
			header, payload := []byte{0x82, 126, 0, 0}, make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				hub.Publish("r", header, payload)
			}
		})
	}
}

// BenchmarkPass is one publication and the pass that delivers it, without system calls.
func BenchmarkPass(b *testing.B) {
	for _, members := range []int{10, 1000, 18000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			hub := NewHub(Limits{Backlog: 1 << 20}, nil)
			loop := hub.NewLoop(discard{}, func(*Loop, int) {})
			joinAll(hub, loop, "r", members)
			benchmarkPass(b, hub, loop, members)
		})
	}
}

// sockets is a sink of real descriptors.
type sockets struct{}

func (sockets) Write(ops []Op) {
	for i := range ops {
		ops[i].N, ops[i].Err = unix.Write(ops[i].Member.Owner.(*socket).fd, ops[i].Bytes)
	}
}

type socket struct {
	member Member
	fd     int
}

// maxPairs bounds the descriptors that a benchmark opens; with more members than this, several share a socket.
const maxPairs = 4000

// socketRoom is a room whose members are socketpairs, with the far ends to read from.
type socketRoom struct {
	hub     *Hub
	loop    *Loop
	members int
	far     []int
	buffer  []byte
}

func newSocketRoom(t testing.TB, members int) *socketRoom {
	r := &socketRoom{hub: NewHub(Limits{Backlog: 1 << 20}, nil), members: members, buffer: make([]byte, 64<<10)}
	r.loop = r.hub.NewLoop(sockets{}, func(*Loop, int) {})
	var near []int
	for range min(members, maxPairs) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(pair[0]); _ = unix.Close(pair[1]) })
		near, r.far = append(near, pair[0]), append(r.far, pair[1])
	}
	for i := range members {
		s := &socket{fd: near[i%len(near)]}
		s.member.Owner = s
		r.hub.Join(r.loop, &s.member, "r", Plain, true)
	}
	return r
}

var benchHeader, benchPayload = []byte{0x82, 126}, make([]byte, 126)

// pass makes one publication and delivers it.
func (r *socketRoom) pass() {
	r.hub.Publish("r", benchHeader, benchPayload)
	for r.loop.Step(256).More {
	}
}

// drain reads everything and returns how many bytes that was.
func (r *socketRoom) drain(t testing.TB) (bytes int) {
	for _, fd := range r.far {
		n, err := unix.Read(fd, r.buffer)
		if err != nil {
			t.Fatal(err)
		}
		bytes += n
	}
	return bytes
}

// BenchmarkPassSocketpairs is BenchmarkPass with one write(2) per delivery. The bytes are read, and counted, while the clock stands.
func BenchmarkPassSocketpairs(b *testing.B) {
	for _, members := range []int{10, 1000, 18000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			r := newSocketRoom(b, members)
			b.ReportAllocs()
			for b.Loop() {
				r.pass()
				b.StopTimer()
				if got, want := r.drain(b), members*(len(benchHeader)+len(benchPayload)); got != want {
					b.Fatalf("%d bytes arrived, want %d", got, want)
				}
				b.StartTimer()
			}
			reportPerDelivery(b, members)
		})
	}
}

// TestPassSocketpairs is the benchmark at toy size.
func TestPassSocketpairs(t *testing.T) {
	r := newSocketRoom(t, 20)
	for range 3 {
		r.pass()
		if got, want := r.drain(t), 20*(len(benchHeader)+len(benchPayload)); got != want {
			t.Fatalf("%d bytes arrived, want %d", got, want)
		}
	}
}

// BenchmarkSmallRooms is one publication in each of 1,800 rooms of ten, and their passes, without system calls.
func BenchmarkSmallRooms(b *testing.B) {
	const rooms, members = 1800, 10
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(discard{}, func(*Loop, int) {})
	names := make([]string, rooms)
	for i := range names {
		names[i] = fmt.Sprintf("r%d", i)
		joinAll(hub, loop, names[i], members)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, name := range names {
			hub.Publish(name, benchHeader, benchPayload)
		}
		for loop.Step(256).More {
		}
	}
	reportPerDelivery(b, rooms*members)
}

// BenchmarkYield is one turn during passes over 18,000: a step of 256 members, and what a read between two steps may bring, a join,
// a publication in a small room, and a leave.
func BenchmarkYield(b *testing.B) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(discard{}, func(*Loop, int) {})
	joinAll(hub, loop, "large", 18000)
	joinAll(hub, loop, "small", 1)
	var newcomer Member
	b.ReportAllocs()
	for b.Loop() {
		if !loop.Step(256).More {
			hub.Publish("large", benchHeader, benchPayload)
		}
		hub.Join(loop, &newcomer, "small", Plain, true)
		hub.Publish("small", benchHeader, benchPayload)
		hub.Leave(&newcomer)
	}
}

// BenchmarkTick is the passage of time in 20,000 idle rooms.
func BenchmarkTick(b *testing.B) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(discard{}, func(*Loop, int) {})
	for i := range 20_000 {
		name := fmt.Sprintf("r%d", i)
		joinAll(hub, loop, name, 1)
		hub.Publish(name, benchHeader, benchPayload)
	}
	b.ReportAllocs()
	for b.Loop() {
		hub.Tick()
	}
}

func benchmarkPass(b *testing.B, hub *Hub, loop *Loop, members int) {
	b.ReportAllocs()
	for b.Loop() {
		hub.Publish("r", benchHeader, benchPayload)
		for loop.Step(256).More {
		}
	}
	reportPerDelivery(b, members)
}

func reportPerDelivery(b *testing.B, members int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/delivery")
}
