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
			loop := hub.NewLoop(discard{}, func() {})
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
			loop := hub.NewLoop(discard{}, func() {})
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

// BenchmarkPassSocketpairs is BenchmarkPass with one write(2) per delivery, to datagram sockets that are read in the same loop:
// most of the time is the kernel's.
func BenchmarkPassSocketpairs(b *testing.B) {
	const members = 64
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(sockets{}, func() {})
	var far []int
	for range members {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = unix.Close(pair[0]); _ = unix.Close(pair[1]) })
		s := &socket{fd: pair[0]}
		s.member.Owner = s
		hub.Join(loop, &s.member, "r", Plain, true)
		far = append(far, pair[1])
	}
	buffer := make([]byte, 1<<10)
	header, payload := []byte{0x82, 126}, make([]byte, 126)
	b.ReportAllocs()
	for b.Loop() {
		hub.Publish("r", header, payload)
		loop.Step(members)
		for _, fd := range far {
			if n, err := unix.Read(fd, buffer); n != len(header)+len(payload) || err != nil {
				b.Fatalf("read %d bytes: %v", n, err)
			}
		}
	}
	reportPerDelivery(b, members)
}

func benchmarkPass(b *testing.B, hub *Hub, loop *Loop, members int) {
	header, payload := []byte{0x82, 126}, make([]byte, 126)
	b.ReportAllocs()
	for b.Loop() {
		hub.Publish("r", header, payload)
		for loop.Step(256).More {
		}
	}
	reportPerDelivery(b, members)
}

func reportPerDelivery(b *testing.B, members int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/delivery")
}
