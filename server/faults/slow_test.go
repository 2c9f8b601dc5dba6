//go:build faults

package faults

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"fanbench/server/servertest/namespace"
)

var closedSlow = closedWith(ws.StatusPolicyViolation, "slow")

// One in a hundred stops reading: all of these are closed as slow, the others miss nothing, and the memory kept for the slow ones is
// what their limits say.
func TestFault01SlowReaders(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const (
		members, slow = 10_000, 100
		size, rate    = 1 << 10, 20
		backlog       = 64 << 10
	)
	s := start(t, "--max-backlog", "64KiB", "--sndbuf", "32KiB")
	c := newCrowd(t)
	others := c.join(members-slow, whence{path: "/rooms/r"})
	stopping := c.join(slow, whence{path: "/rooms/r", receive: 4 << 10})
	publishers := []*publisher{c.publisher(others[0])}

	base := s.watchMemory()
	publishUntil(t, size, rate, publishers, func() {
		// Asked for as often as below, since answering takes memory too.
		within(t, patience, "5 seconds' publications", func() bool { return s.rejected("slow") == 0 && publishers[0].sent() >= 5*rate })
	})
	c.gotAll(c.peers, publishers...)
	before, peak := base(), s.watchMemory()

	c.pause(stopping)
	publishUntil(t, size, rate, publishers, func() {
		within(t, 10*time.Second, "all slow readers closed", func() bool { return s.rejected("slow") == slow })
	})
	c.gotAll(others, publishers...)
	if most, want := peak(), before+slow*backlog; most > want {
		t.Errorf("%d bytes resident, want at most %d before and %d for each slow reader", most, before, backlog)
	}
	c.resume(stopping)
	c.await(stopping, "the slow readers see why they were closed", closedSlow)
	c.gapless(stopping)
	s.lives()
	if n := s.rejected("slow"); n != slow {
		t.Errorf("%d closed as slow, want %d", n, slow)
	}
}

// A link that carries less than one connection's publications costs those behind it their connections, and nobody else anything.
func TestFault10ThinLink(t *testing.T) {
	if !namespace.Isolate(t, "ip", "tc") {
		return
	}
	const members, behind = 200, 20
	s := start(t, "--max-backlog", "64KiB", "--sndbuf", "32KiB", "--close-timeout", "20s", "--listen", "0.0.0.0:9001", "--open")
	c := newCrowd(t)
	wide, thin := namespace.Connect(t), namespace.Connect(t)
	others := c.join(members, whence{path: "/rooms/r"})
	others = append(others, c.join(members, whence{path: "/rooms/r", to: wide.Here, network: wide})...)
	far := c.join(behind, whence{path: "/rooms/r", to: thin.Here, network: thin})
	publishers := []*publisher{c.publisher(others[0])}
	thin.Limit("1mbit")
	publishUntil(t, 1<<10, 200, publishers, func() {
		within(t, patience, "all behind the thin link closed", func() bool { return s.rejected("slow") >= behind })
	})
	c.gotAll(others, publishers...)
	thin.Limit("100mbit")
	c.await(far, "those behind the thin link see why they were closed", closedSlow)
	c.gapless(far)
	s.lives()
	if n := s.rejected("slow"); n != behind {
		t.Errorf("%d closed as slow, want the %d behind the thin link", n, behind)
	}
}

// Twice as much is published as the link to the members carries: the server sheds connections until the rest fits, in bounded
// memory, and those that stay miss nothing.
func TestFault12Overload(t *testing.T) {
	if !namespace.Isolate(t, "ip", "tc") {
		return
	}
	const (
		members    = 200
		size, rate = 1 << 10, 100 // 164 Mbit/s for all of them
		limit      = 64 << 20
	)
	s := startProgram(t, program(plain), filepath.Join(t.TempDir(), "log"), []string{"GOMEMLIMIT=64MiB"},
		"--max-backlog", "256KiB", "--sndbuf", "32KiB", "--close-timeout", "60s", "--listen", "0.0.0.0:9001", "--open")
	c := newCrowd(t)
	link := namespace.Connect(t)
	own := c.join(1, whence{path: "/rooms/r"})
	all := c.join(members, whence{path: "/rooms/r", to: link.Here, network: link})
	publishers := []*publisher{c.publisher(own[0])}
	peak := s.watchMemory()
	link.Limit("80mbit")
	publishUntil(t, size, rate, publishers, func() {
		// As many as do not fit, give or take what acknowledgements and headers take.
		within(t, 2*patience, "a third shed", func() bool { return s.rejected("slow") > members/3 })
		from := publishers[0].sent()
		within(t, patience, "5 seconds more", func() bool { return publishers[0].sent() > from+5*rate })
	})
	link.Limit("1gbit")
	s.lives()
	var stayed []*peer
	within(t, patience, "everybody either shed or up to date", func() bool {
		stayed = stayed[:0]
		c.each(all, func(p *peer) {
			if p.code == 0 && p.hasAll(publishers) {
				stayed = append(stayed, p)
			}
		})
		return len(stayed)+c.count(all, closedSlow) == members
	})
	c.gapless(all)
	c.gotAll(own, publishers...)
	if most := peak(); most > limit {
		t.Errorf("%d bytes resident, want at most %d", most, limit)
	}
	if shed := s.rejected("slow"); len(stayed) == 0 || shed+len(stayed) != members {
		t.Errorf("%d shed and %d stayed, want some to stay and %d in all", shed, len(stayed), members)
	}
}
