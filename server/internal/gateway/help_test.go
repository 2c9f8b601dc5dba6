//go:build linux

package gateway

import (
	"context"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
)

// roomOnTwoLoops is a small room with members on both loops, and how many the second one has.
func roomOnTwoLoops(t *testing.T) (first, second *loop, members []*raw, onSecond int) {
	g := start(t, Config{Loops: 2})
	first, second = g.loops()[0], g.loops()[1]
	for len(members) < 8 || first.upgraded.Load() == 0 || second.upgraded.Load() == 0 {
		if len(members) == helpful {
			t.Fatalf("%d connections, and a loop without one", helpful)
		}
		members = append(members, upgrade(t, g, "/rooms/r"))
	}
	return first, second, members, int(second.upgraded.Load())
}

// publishAll has every member publish once.
func publishAll(members []*raw) {
	for _, m := range members {
		m.write(masked(ws.OpText, "x"))
	}
}

// While a loop does nothing at all, its members of a small room get what the other loop's publish.
func TestLoopHelpsAnother(t *testing.T) {
	first, _, members, onSecond := roomOnTwoLoops(t)
	held, release := make(chan struct{}), make(chan struct{})
	first.schedule(gnet.RunnableFunc(func(context.Context) error {
		close(held)
		<-release
		return nil
	}))
	<-held
	let := sync.OnceFunc(func() { close(release) })
	defer let()
	publishAll(members)
	for _, m := range members {
		for range onSecond {
			m.expect(ws.OpText, "x")
		}
	}
	let()
	for _, m := range members {
		for range len(members) - onSecond {
			m.expect(ws.OpText, "x")
		}
	}
}

// Nobody waits for a loop that is busy: it is woken, and delivers when it can.
func TestLoopDoesNotWaitToHelp(t *testing.T) {
	first, second, members, onSecond := roomOnTwoLoops(t)
	first.helm.Lock()
	publishAll(members)
	eventually(t, "the second loop has read and delivered what it could", func() bool {
		return second.messages.Load() == uint64(onSecond) && second.fan.Counts().Deliveries == uint64(onSecond*onSecond)
	})
	if got := first.fan.Counts().Deliveries; got != 0 {
		t.Errorf("%d deliveries of a loop whose helm is held", got)
	}
	first.helm.Unlock()
	for _, m := range members {
		for range members {
			m.expect(ws.OpText, "x")
		}
	}
}

// A publication for more members than are worth helping wakes the other loop.
func TestHelpIsLimited(t *testing.T) {
	var a, b loop
	for range helpful / 10 {
		if !a.owe(&b, 10) {
			t.Fatal("refused within the limit")
		}
	}
	if a.owe(&b, 10) {
		t.Error("accepted beyond the limit")
	}
	if len(a.owed.loops) != 1 {
		t.Errorf("%d loops are owed, want one", len(a.owed.loops))
	}
}
