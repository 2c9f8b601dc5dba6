//go:build linux

package gateway

import (
	"fmt"
	"io"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/server/deflate"
	"fanbench/server/frame"
)

// echoRound sends one message and reads the answer, without allocating.
func echoRound(t testing.TB, c *raw, out, in []byte) {
	if _, err := c.Conn.Write(out); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c.Conn, in); err != nil {
		t.Fatal(err)
	}
}

func TestEchoDoesNotAllocate(t *testing.T) {
	g := start(t, Config{Loops: 1})
	c := upgrade(t, g, "/echo")
	out := []byte(masked(ws.OpText, payloadOf(128)))
	in := make([]byte, frame.HeaderLen(128)+128)
	if got := testing.AllocsPerRun(200, func() { echoRound(t, c, out, in) }); got > 0 {
		t.Errorf("%v allocations per echo, want none", got)
	}
}

// A publication costs a few allocations, for waking the loop and a share of a chunk; its deliveries cost none.
func TestDeliveriesDoNotAllocate(t *testing.T) {
	for _, members := range []int{1, 100} {
		t.Run(fmt.Sprintf("%d members", members), func(t *testing.T) {
			g := start(t, Config{Loops: 1})
			room := newBenchRoom(t, g, members)
			if got := testing.AllocsPerRun(100, func() { room.round(t) }); got > 5 {
				t.Errorf("%v allocations per publication, want 5 at most", got)
			}
		})
	}
}

// benchRoom is a room whose first member publishes what all read.
type benchRoom struct {
	members []*raw
	out, in []byte
}

func newBenchRoom(t testing.TB, g *Gateway, members int) *benchRoom {
	r := &benchRoom{out: []byte(masked(ws.OpText, payloadOf(128))), in: make([]byte, frame.HeaderLen(128)+128)}
	for range members {
		r.members = append(r.members, upgrade(t, g, "/rooms/r"))
	}
	return r
}

func (r *benchRoom) round(t testing.TB) {
	if _, err := r.members[0].Conn.Write(r.out); err != nil {
		t.Fatal(err)
	}
	for _, m := range r.members {
		if _, err := io.ReadFull(m.Conn, r.in); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	g := start(b, Config{Loops: 1})
	c := upgrade(b, g, "/echo")
	out := []byte(masked(ws.OpText, payloadOf(128)))
	in := make([]byte, frame.HeaderLen(128)+128)
	b.ReportAllocs()
	for b.Loop() {
		echoRound(b, c, out, in)
	}
}

// BenchmarkRoom is one publication, its deliveries over TCP, and their reading.
func BenchmarkRoom(b *testing.B) {
	for _, members := range []int{10, 1000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			g := start(b, Config{Loops: 1})
			room := newBenchRoom(b, g, members)
			b.ReportAllocs()
			for b.Loop() {
				room.round(b)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(members), "ns/delivery")
		})
	}
}

// BenchmarkRoomDeflate is BenchmarkRoom with JSON of 1 KiB, as it is and compressed once for all members.
func BenchmarkRoomDeflate(b *testing.B) {
	const members = 1000
	message := []byte(`{"room":"r","items":[`)
	for i := 0; len(message) < 1<<10; i++ {
		message = fmt.Appendf(message, `{"id":%d,"name":"item %d","price":%d.%02d},`, i*7919, i, i*31%97, i*17%100)
	}
	for _, compress := range []bool{false, true} {
		b.Run(fmt.Sprintf("deflate=%v", compress), func(b *testing.B) {
			g := start(b, Config{Loops: 1, Deflate: true})
			room := &benchRoom{out: []byte(masked(ws.OpText, string(message)))}
			room.in = frame.AppendFrame(nil, ws.OpText, message)
			for range members {
				if compress {
					room.members = append(room.members, upgradeDeflating(b, g, "/rooms/r", 0).raw)
				} else {
					room.members = append(room.members, upgrade(b, g, "/rooms/r"))
				}
			}
			if compress {
				room.in = appendCompressed(nil, ws.OpText, message, deflate.MaxWindowBits)
			}
			b.ReportAllocs()
			for b.Loop() {
				room.round(b)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/members, "ns/delivery")
			b.ReportMetric(float64(len(room.in)), "bytes/delivery")
		})
	}
}

func BenchmarkHandshake(b *testing.B) {
	g := start(b, Config{Loops: 1})
	b.ReportAllocs()
	for b.Loop() {
		c := connect(b, g)
		c.write(request("/rooms/r"))
		c.switched()
		_ = c.Close()
	}
}
