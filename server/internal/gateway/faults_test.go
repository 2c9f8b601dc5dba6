//go:build linux

package gateway

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/server/internal/fanout"
)

// During a pass that takes several slices, what other connections send is handled between two of them.
func TestReadsAreServedDuringPass(t *testing.T) {
	const members = 4 * slice
	var gateway atomic.Pointer[Gateway]
	var other atomic.Pointer[raw]
	var first atomic.Uint64 // deliveries when an echo was first handled after the pass began
	ask := func() { other.Load().write(masked(ws.OpText, "echo")) }
	g := start(t, Config{Loops: 1, beforeMessage: func(payload []byte) {
		switch string(payload) {
		case "publish":
			ask()
		case "echo":
			if first.CompareAndSwap(0, gateway.Load().Stats().Deliveries); first.Load() == 0 {
				ask() // another one, so that there is one whenever the pass begins
			}
		}
	}})
	gateway.Store(g)
	var all []*raw
	for range members {
		all = append(all, upgrade(t, g, "/rooms/r"))
	}
	other.Store(upgrade(t, g, "/echo"))
	all[0].write(masked(ws.OpText, "publish"))
	for _, c := range all {
		c.expect(ws.OpText, "publish")
	}
	eventually(t, "an echo handled after the pass began", func() bool { return first.Load() > 0 })
	if got := first.Load(); got > 2*slice {
		t.Errorf("an echo was handled only after %d of %d deliveries, want after a slice of %d or two", got, members, slice)
	}
}

// restless takes all that it is given, and has something published in every pass, as by another loop or worker.
type restless struct{ publish func() }

func (r restless) Write(ops []fanout.Op) {
	for i := range ops {
		ops[i].N = len(ops[i].Bytes)
	}
	published := make(chan struct{})
	go func() {
		defer close(published)
		r.publish()
	}()
	<-published
}

// Where every pass finds that more was published meanwhile, what other connections send is handled between two passes.
func TestReadsAreServedBetweenPasses(t *testing.T) {
	const echoes, enough = 20, 200_000
	var gateway atomic.Pointer[Gateway]
	var published atomic.Int64
	publish := func() {
		if published.Add(1) < enough { // or a failure would have no end
			gateway.Load().Publish("r", ws.OpText, []byte("x"))
		}
	}
	usual := handicap
	handicap = func(fanout.Sink) fanout.Sink { return restless{publish} }
	g := start(t, Config{Loops: 1})
	handicap = usual
	gateway.Store(g)
	upgrade(t, g, "/rooms/r")
	other := upgrade(t, g, "/echo")
	publish()
	for range echoes {
		other.write(masked(ws.OpText, "echo"))
		other.expect(ws.OpText, "echo")
	}
	if published.Swap(enough) >= enough {
		t.Errorf("%d echoes were handled only when nobody published any more", echoes)
	}
}

func TestPanicClosesOneConnection(t *testing.T) {
	g := start(t, Config{Loops: 1, beforeMessage: func(payload []byte) {
		if string(payload) == "boom" {
			panic("boom")
		}
	}})
	bad, good := upgrade(t, g, "/rooms/r"), dial(t, g, "/rooms/r")
	bad.write(masked(ws.OpText, "before") + masked(ws.OpText, "boom") + masked(ws.OpText, "after"))
	bad.expectClose(ws.StatusInternalServerError, "panic")
	expect(t, good, "before")
	send(t, good, "still there")
	expect(t, good, "still there")
	if s := g.Stats(); s.Panics != 1 || s.GivenUp["panic"] != 1 {
		t.Errorf("%d panics, closed %v", s.Panics, s.GivenUp)
	}
}

// Peers that vanish by reset leave nothing behind.
func TestResetsLeaveNothing(t *testing.T) {
	g := start(t, Config{Loops: 2})
	witness := dial(t, g, "/rooms/r")
	before := descriptors(t)
	for range 3 {
		var peers []*raw
		for i := range 100 {
			peers = append(peers, upgrade(t, g, fmt.Sprintf("/rooms/%d", i%10)))
			peers[i].write(masked(ws.OpText, "x")[:3]) // half a frame
		}
		for i, c := range peers {
			if i%2 == 0 {
				_ = c.Conn.(*net.TCPConn).SetLinger(0)
			}
			_ = c.Close()
		}
	}
	eventually(t, "one connection and room left", func() bool {
		s := g.Stats()
		return s.Connections == 1 && s.Upgraded == 1 && s.Rooms == 1
	})
	eventually(t, "descriptors as before", func() bool { return descriptors(t) == before })
	send(t, witness, "x")
	expect(t, witness, "x")
}

func TestStartRefuses(t *testing.T) {
	for _, test := range []struct{ name, listen, want string }{
		{"no port", "127.0.0.1", "missing port"},
		{"not our address", "192.0.2.1:0", "cannot assign"},
		{"no such port", "127.0.0.1:99999", "invalid port"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Start(Config{Listen: test.listen}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("start: %v, want %q", err, test.want)
			}
		})
	}
	if _, err := Start(Config{Listen: "127.0.0.1:0", Loops: -1}); err == nil {
		t.Error("started with -1 loops")
	}
}
