//go:build linux

package gateway

import (
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"fanbench/server/internal/fanout"
)

// A member that stops reading is closed as slow. The others get everything meanwhile, and what it got has no gap.
func TestSlowReader(t *testing.T) {
	const size, publications = 40_000, 1000 // large enough for a full buffer to cut them
	g := start(t, Config{Loops: 1, MaxBacklog: 200_000, SndBuf: 32 << 10})
	slow := upgradeWith(t, g, "/rooms/r", 64<<10)
	others := []*websocket.Conn{dial(t, g, "/rooms/r"), dial(t, g, "/rooms/r")}
	sent := 0
	for sent < publications && g.Stats().Rejected["slow"] == 0 {
		g.Publish("r", ws.OpText, []byte(numbered(sent, size)))
		for _, c := range others { // in step: they are never behind
			expect(t, c, numbered(sent, size))
		}
		sent++
	}
	if s := g.Stats(); s.Rejected["slow"] != 1 || s.Lags == 0 {
		t.Fatalf("after %d publications: rejected %v, %d lags; want the slow reader closed", sent, s.Rejected, s.Lags)
	}
	for i := 0; ; i++ {
		op, payload, err := slow.next()
		if err != nil {
			t.Fatalf("after %d messages: %v", i, err)
		}
		if op == ws.OpClose {
			if got := string(payload[2:]); got != "slow" || i >= sent {
				t.Fatalf("closed for %q after %d messages of %d", got, i, sent)
			}
			break
		}
		if string(payload) != numbered(i, size) {
			t.Fatalf("message %d is %.5q, want %.5q", i, payload, numbered(i, size))
		}
	}
	slow.write(masked(ws.OpClose, "\x03\xf0"))
	slow.expectEnd()
	_ = slow.Close()
	g.Publish("r", ws.OpText, []byte("still there"))
	for _, c := range others {
		expect(t, c, "still there")
	}
	eventually(t, "slow reader gone and nobody lagging", func() bool { s := g.Stats(); return s.Connections == 2 && s.Lagging == 0 })
}

// Under the policies that drop, a member that stops reading stays: it gets whole publications in order, and each one that it misses
// is counted. The others miss nothing.
func TestSlowReaderMisses(t *testing.T) {
	const size, publications = 40_000, 300
	for _, policy := range []fanout.Policy{fanout.DropOldest, fanout.DropNewest} {
		t.Run(policy.String(), func(t *testing.T) {
			g := start(t, Config{Loops: 1, Slow: policy, MaxBacklog: 200_000, SndBuf: 32 << 10})
			slow := upgradeWith(t, g, "/rooms/r", 64<<10)
			other := dial(t, g, "/rooms/r")
			publish := func(i int) {
				g.Publish("r", ws.OpText, []byte(numbered(i, size)))
				expect(t, other, numbered(i, size))
			}
			for i := range publications {
				publish(i)
			}
			eventually(t, "publications dropped", func() bool { return g.Stats().Dropped[policy.String()] > 0 })
			read := make(chan string, publications+1)
			go func() {
				defer close(read)
				for {
					_, payload, err := slow.next()
					if err != nil {
						return
					}
					read <- string(payload)
				}
			}()
			eventually(t, "caught up", func() bool { return g.Stats().Lagging == 0 })
			publish(publications)
			var got []string
			for message := range read {
				if got = append(got, message); message == numbered(publications, size) {
					break
				}
			}
			_ = slow.Close()
			next := 0
			for _, message := range got {
				for next <= publications && message != numbered(next, size) {
					next++
				}
				if next++; next > publications+1 {
					t.Fatalf("%.5q is not a publication, or not in order", message)
				}
			}
			s := g.Stats()
			if dropped := s.Dropped[policy.String()]; dropped != uint64(publications+1-len(got)) {
				t.Errorf("%d counted as dropped, %d of %d got", dropped, len(got), publications+1)
			}
			if s.Rejected["slow"] != 0 {
				t.Errorf("rejected %v, want nobody", s.Rejected)
			}
			if newest := got[len(got)-2] == numbered(publications-1, size); newest != (policy == fanout.DropOldest) {
				t.Errorf("before it had caught up it got the newest one: %v", newest)
			}
		})
	}
}

// What has waited too long makes a member slow, though it is little and nothing more is published.
func TestSlowReaderByAge(t *testing.T) {
	g := start(t, Config{Loops: 1, SndBuf: 8 << 10, MaxBacklog: 1 << 30, MaxBacklogAge: 20 * time.Millisecond})
	upgradeWith(t, g, "/rooms/r", 4<<10)
	for g.Stats().Lags == 0 {
		g.Publish("r", ws.OpBinary, []byte(payloadOf(10_000)))
	}
	eventually(t, "closed as slow", func() bool { return g.Stats().Rejected["slow"] == 1 })
}

// One that never reads again is given up when the close handshake has taken too long, and nothing is kept of it.
func TestSlowReaderNeverReads(t *testing.T) {
	g := start(t, Config{Loops: 1, MaxBacklog: 10_000, SndBuf: 8 << 10, CloseTimeout: 20 * time.Millisecond})
	upgradeWith(t, g, "/rooms/r", 4<<10)
	for s := g.Stats(); s.Rejected["slow"] == 0; s = g.Stats() {
		g.Publish("r", ws.OpBinary, []byte(payloadOf(10_000)))
	}
	eventually(t, "given up", func() bool {
		s := g.Stats()
		return s.Rejected["close-timeout"] == 1 && s.Connections == 0 && s.Lagging == 0 && s.Rooms == 0
	})
	g.watch.mu.Lock()
	defer g.watch.mu.Unlock()
	if n := len(g.watch.armed); n != 0 {
		t.Errorf("the watcher still knows %d connections", n)
	}
}

// A reader that pauses within the limit gets everything, with pongs between the publications and never within one.
func TestPausedReader(t *testing.T) {
	const size, publications = 3000, 300
	g := start(t, Config{Loops: 1, SndBuf: 8 << 10})
	c := upgradeWith(t, g, "/rooms/r?self=0", 64<<10)
	for i := range publications {
		g.Publish("r", ws.OpBinary, []byte(numbered(i, size)))
	}
	eventually(t, "lagging", func() bool { return g.Stats().Lagging == 1 })
	c.write(masked(ws.OpPing, "pause") + masked(ws.OpText, "own, to be left out"))
	eventually(t, "own message published", func() bool { return g.Stats().Messages == 1 })
	pongs := 0
	for i := 0; i < publications; {
		op, payload, err := c.next()
		switch {
		case err != nil:
			t.Fatal(err)
		case op == ws.OpPong:
			pongs++
		case string(payload) != numbered(i, size):
			t.Fatalf("message %d is %.5q, want %.5q", i, payload, numbered(i, size))
		default:
			i++
		}
	}
	g.Publish("r", ws.OpText, []byte("end"))
	c.expect(ws.OpText, "end")
	if pongs != 1 {
		t.Errorf("%d pongs, want 1", pongs)
	}
}
