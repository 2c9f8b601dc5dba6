//go:build linux

package gateway

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"fanbench/server/frame"
)

func TestDrain(t *testing.T) {
	g := start(t, Config{Loops: 2})
	conns := []*websocket.Conn{dial(t, g, "/echo"), dial(t, g, "/rooms/r"), dial(t, g, "/rooms/r")}
	waiting := connect(t, g) // has not asked for anything yet
	eventually(t, "all accepted", func() bool { return g.Stats().Connections == 4 })
	send(t, conns[0], "x")
	expect(t, conns[0], "x")
	g.Publish("r", ws.OpText, []byte("last"))

	drained := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		drained <- g.Drain(ctx, 0)
	}()
	for i, c := range conns {
		if i > 0 {
			expect(t, c, "last") // nothing published before is lost
		}
		expectClose(t, c, websocket.CloseGoingAway, "") // and gorilla answers it
		_ = c.Close()
	}
	if answer, err := io.ReadAll(waiting.r); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503 ") {
		t.Errorf("the one without a request read %.40q, %v, want 503", answer, err)
	}
	_ = waiting.Close()
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	if c, err := net.Dial("tcp", g.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("still listening after the drain")
	}
	select {
	case err := <-g.Done():
		t.Errorf("the engine ended unasked: %v", err)
	default:
	}
}

// A drain that interrupts a pass first gives every member what was published before.
func TestDrainDuringPass(t *testing.T) {
	const members = 3 * slice
	var gateway atomic.Pointer[Gateway]
	var before atomic.Uint64 // deliveries when the drain began
	g := start(t, Config{Loops: 1, beforeMessage: func(payload []byte) {
		g := gateway.Load()
		g.Publish("r", ws.OpText, payload) // whose pass is scheduled now, and the drain after its first slice
		l := g.loops()[0]
		l.execute(func() {
			before.Store(l.fan.Counts().Deliveries)
			l.drain(1)
		})
	}})
	gateway.Store(g)
	var all []*raw
	for range members {
		all = append(all, upgrade(t, g, "/rooms/r"))
	}
	trigger := upgrade(t, g, "/echo")
	trigger.write(masked(ws.OpText, "last"))
	for _, c := range all {
		c.expect(ws.OpText, "last")
		c.expect(ws.OpClose, string(frame.AppendClosePayload(nil, ws.StatusGoingAway, "")))
	}
	if got := before.Load(); got == 0 || got >= members {
		t.Errorf("the drain began after %d of %d deliveries, want some", got, members)
	}
}

// Fault 6: connections are closed a share after the other while publishing goes on. Each gets everything that was published before
// its close, and nothing of what came later.
func TestDrainIsSpread(t *testing.T) {
	const members, shares = 40, 4
	g := start(t, Config{Loops: 1})
	var all []*raw
	for range members {
		all = append(all, upgrade(t, g, "/rooms/r"))
	}
	l := g.loops()[0]
	for share := range shares {
		g.Publish("r", ws.OpText, []byte(numbered(share, 3)))
		l.execute(func() { l.drain(float64(share+1) / shares) })
		eventually(t, "another share closed", func() bool {
			return g.Stats().Upgraded == int64(members-members/shares*(share+1))
		})
	}
	closed := map[int]int{} // connections by the publications they got
	for _, c := range all {
		for got := 0; ; got++ {
			op, payload, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			if op == ws.OpClose {
				if string(payload) != "\x03\xe9" {
					t.Fatalf("closed with %q, want 1001", payload)
				}
				closed[got]++
				break
			}
			if string(payload) != numbered(got, 3) {
				t.Fatalf("message %d is %q", got, payload)
			}
		}
	}
	for got := 1; got <= shares; got++ {
		if closed[got] != members/shares {
			t.Errorf("connections by the publications they got before they were closed: %v, want %d each", closed, members/shares)
		}
	}
}

// A member that lags within the limits when it is to be closed gets what it is owed first.
func TestDrainOfLaggingMember(t *testing.T) {
	const size, publications = 3000, 200
	g := start(t, Config{Loops: 1, SndBuf: 8 << 10})
	c := upgradeWith(t, g, "/rooms/r", 8<<10)
	for i := range publications {
		g.Publish("r", ws.OpBinary, []byte(numbered(i, size)))
	}
	eventually(t, "lagging", func() bool { return g.Stats().Lagging == 1 })
	drained := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		drained <- g.Drain(ctx, 0)
	}()
	eventually(t, "asked to go", func() bool {
		asked := make(chan bool, 1)
		l := g.loops()[0]
		l.execute(func() { asked <- l.left == 1 })
		return <-asked
	})
	for i := range publications {
		c.expect(ws.OpBinary, numbered(i, size))
	}
	c.expect(ws.OpClose, "\x03\xe9")
	c.write(masked(ws.OpClose, "\x03\xe9"))
	c.expectEnd()
	_ = c.Close()
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestDrainDeadline(t *testing.T) {
	g := start(t, Config{Loops: 1, CloseTimeout: time.Hour})
	mute := upgrade(t, g, "/rooms/r")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := g.Drain(ctx, 0); err == nil || !strings.Contains(err.Error(), "1 left") {
		t.Errorf("drain: %v, want 1 left", err)
	}
	mute.expectClose(ws.StatusGoingAway, "")
}
