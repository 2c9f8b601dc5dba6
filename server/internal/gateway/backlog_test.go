//go:build linux

package gateway

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/server/internal/fanout"
)

// stuff fills c's buffers with pongs that nobody reads, until its connection lags with nothing of its room before it.
func stuff(t *testing.T, g *Gateway, c *raw) {
	t.Helper()
	pings := strings.Repeat(masked(ws.OpPing, payloadOf(125)), 100)
	eventually(t, "lagging", func() bool {
		c.write(pings)
		return g.Stats().Lagging == 1
	})
}

// reviewed has the loop look at its lagging members.
func reviewed(g *Gateway) {
	done := make(chan bool)
	l := g.loops()[0]
	l.execute(func() { l.review(); close(done) })
	<-done
}

// A publication may wait for any time, if so configured.
func TestAgeWithoutLimit(t *testing.T) {
	g := start(t, Config{Loops: 1, SndBuf: 8 << 10, MaxBacklogAge: -1})
	c := upgradeWith(t, g, "/rooms/r", 4<<10)
	stuff(t, g, c)
	g.Publish("r", ws.OpText, []byte("waits"))
	e := events{g: g}
	for range 3 * fanout.Ages {
		e.age()
	}
	reviewed(g)
	if s := g.Stats(); s.Rejected["slow"] != 0 || s.Upgraded != 1 {
		t.Errorf("%d open, rejected %v; want it open", s.Upgraded, s.Rejected)
	}
}

// A connection that was up to date may wait for one message of any size, its header included, even if the largest message is all that
// the backlog holds.
func TestBacklogOfOneMessage(t *testing.T) {
	const largest = 70_000
	for _, policy := range []fanout.Policy{fanout.Close, fanout.DropOldest, fanout.DropNewest} {
		t.Run(policy.String(), func(t *testing.T) {
			g := start(t, Config{Loops: 1, SndBuf: 8 << 10, Slow: policy, MaxMessage: largest, MaxBacklog: largest})
			c := upgradeWith(t, g, "/rooms/r", 4<<10)
			stuff(t, g, c)
			g.Publish("r", ws.OpBinary, []byte(payloadOf(largest)))
			reviewed(g)
			if s := g.Stats(); s.Upgraded != 1 || s.Dropped[policy.String()] != 0 {
				t.Fatalf("with one message waiting: %d open, rejected %v, dropped %v; want it open", s.Upgraded, s.Rejected, s.Dropped)
			}
			g.Publish("r", ws.OpBinary, []byte("x"))
			reviewed(g)
			if s := g.Stats(); s.Rejected["slow"]+s.Dropped[policy.String()] != 1 {
				t.Errorf("with two: rejected %v, dropped %v; want it too slow", s.Rejected, s.Dropped)
			}
		})
	}
}

// Answers may be far longer than what they answer: these messages repeat themselves only beyond the server's window. What waits of them
// is limited even if one read brought them all.
func TestBacklogOfEchoes(t *testing.T) {
	const messages, size, backlog = 150, 64 << 10, 256 << 10
	g := start(t, Config{Loops: 1, SndBuf: 8 << 10, Deflate: true, MaxBacklog: backlog})
	c := upgradeDeflating(t, g, "/echo", 8)
	block := make([]byte, 300)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(block)
	message := packed(ws.OpBinary, compress(strings.Repeat(string(block), size/len(block))))
	c.write(strings.Repeat(message, messages))
	eventually(t, "as many handled as are to be", func() bool {
		s := g.Stats()
		return s.Rejected["slow"] == 1 || s.Messages == messages
	})
	held := make(chan int, 1)
	l := g.loops()[0]
	l.execute(func() { l.wheel.each(func(c *conn) { held <- len(c.held) }) })
	if got := <-held; got > backlog+len("a close frame") {
		t.Errorf("%d bytes of echoes wait, want %d at most", got, backlog)
	}
	if got := g.Stats().Rejected["slow"]; got != 1 {
		t.Errorf("%d closed as slow, want 1", got)
	}
}

// A ping by which the answers before it go over the limit is not answered: the close frame is the last thing that is said.
func TestNoPongAfterClose(t *testing.T) {
	g := start(t, Config{Loops: 1, SndBuf: 8 << 10})
	c := upgradeWith(t, g, "/echo", 4<<10)
	asked := strings.Repeat(masked(ws.OpBinary, payloadOf(1000))+masked(ws.OpPing, ""), 100)
	eventually(t, "closed as slow", func() bool {
		c.write(asked)
		return g.Stats().Rejected["slow"] == 1
	})
	for op := ws.OpContinuation; op != ws.OpClose; {
		var err error
		if op, _, err = c.next(); err != nil {
			t.Fatal(err)
		}
	}
	c.write(masked(ws.OpClose, "\x03\xf0"))
	c.expectEnd()
}

// The publication that a slow reader was closed within is counted like the others when it has been read.
func TestLastDeliveryIsCounted(t *testing.T) {
	const size, frame = 40_000, 40_004
	g := start(t, Config{Loops: 1, SndBuf: 8 << 10, MaxBacklog: size})
	c := upgradeWith(t, g, "/rooms/r", 4<<10)
	for g.Stats().Rejected["slow"] == 0 {
		g.Publish("r", ws.OpBinary, []byte(payloadOf(size)))
	}
	if got := g.Stats().DeliveredBytes % frame; got == 0 {
		t.Fatal("closed between two publications, want within one")
	}
	var publications uint64
	for {
		op, _, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if op == ws.OpClose {
			break
		}
		publications++
	}
	c.write(masked(ws.OpClose, "\x03\xf0"))
	c.expectEnd()
	if s := g.Stats(); s.Deliveries != publications || s.DeliveredBytes != publications*frame {
		t.Errorf("%d deliveries of %d bytes counted, %d of %d read", s.Deliveries, s.DeliveredBytes, publications, publications*frame)
	}
}
