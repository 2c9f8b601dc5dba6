//go:build linux

package gateway

import (
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
