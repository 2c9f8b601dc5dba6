//go:build faults

package faults

import (
	"os/exec"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/server/servertest/namespace"
)

// Everybody connects at the same moment: everybody is served.
func TestFault02ConnectStorm(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const members = 18_000
	s := start(t)
	c := newCrowd(t)
	all := c.dial(members, whence{path: "/rooms/r"})
	within(t, 10*time.Second, "all connections open", func() bool { return c.count(all, isOpen) == members })
	s.lives()
	if n := s.metric("connections_upgraded"); n != members {
		t.Errorf("the server counts %d connections, want %d", n, members)
	}
	one := c.publisher(all[0])
	one.publish(100)
	c.gotAll(all, one)
}

// The descriptor limit falls while the server runs: newcomers are refused, those who are connected notice nothing, and newcomers are
// served again when there is room.
func TestFault03DescriptorsExhausted(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const members, extra = 200, 200
	s := start(t)
	c := newCrowd(t)
	all := c.join(members, whence{path: "/rooms/r"})
	publishers := []*publisher{c.publisher(all[0])}
	publishUntil(t, 100, 50, publishers, func() {
		for _, descriptors := range []uint64{256, 128} { // more than are in use, and fewer
			before := limitDescriptors(t, s, descriptors)
			more := c.dial(extra, whence{})
			refused := func(p *peer) bool { return p.state == ended && p.status == 0 || p.status == 503 }
			within(t, patience, "newcomers refused", func() bool {
				return c.count(more, refused)+c.count(more, isOpen) == extra
			})
			if n := c.count(more, isOpen); n > int(descriptors)-min(members, int(descriptors)) {
				t.Errorf("%d newcomers served with %d descriptors and %d members", n, descriptors, members)
			}
			c.reset(more)
			limitDescriptors(t, s, before)
			within(t, time.Second, "a newcomer served when there is room", func() bool {
				again := c.dial(1, whence{})
				defer c.reset(again)
				within(t, time.Second, "a newcomer answered", func() bool { return c.count(again, func(p *peer) bool { return p.state >= open }) == 1 })
				return c.count(again, isOpen) == 1
			})
		}
	})
	c.gotAll(all, publishers...)
	s.lives()
}

// limitDescriptors changes the running server's limit, and returns what it was.
func limitDescriptors(t *testing.T, s *server, to uint64) (was uint64) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Prlimit(s.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(s.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: to, Max: before.Max}, nil); err != nil {
		t.Fatal(err)
	}
	return before.Cur
}

// Half of the connections are reset at once: what the server holds is what it held before they came.
func TestFault08ResetStorm(t *testing.T) {
	if !namespace.Isolate(t, "ss") {
		return
	}
	const members = 4000
	s := start(t)
	c := newCrowd(t)
	stay := c.join(members, whence{path: "/rooms/r"})
	publishers := []*publisher{c.publisher(stay[0])}
	descriptors, goroutines := s.descriptors(), s.metric("go_goroutines")
	leave := c.join(members, whence{path: "/rooms/r", from: "127.0.0.2"})
	publishUntil(t, 100, 20, publishers, func() {
		if out, err := exec.Command("ss", "--kill", "--tcp", "--numeric", "src", "127.0.0.2").CombinedOutput(); err != nil {
			t.Fatalf("ss: %v\n%s", err, out)
		}
		c.await(leave, "connections reset", isEnded)
		within(t, time.Second, "those that are left counted", func() bool {
			return s.metric("connections") == members && s.metric("connections_upgraded") == members
		})
	})
	c.gotAll(stay, publishers...)
	within(t, patience, "descriptors as before", func() bool { return s.descriptors() == descriptors })
	within(t, patience, "goroutines as before", func() bool { return s.metric("go_goroutines") <= goroutines })
	s.lives()
}

// A network goes away with everybody in it, and nobody says so: silence tells, and nothing is kept of them.
func TestFault09PeersVanish(t *testing.T) {
	if !namespace.Isolate(t, "ip") {
		return
	}
	const members, vanishing = 1000, 8000
	s := start(t, "--ping-interval", "1s", "--listen", "0.0.0.0:9001", "--open")
	c := newCrowd(t)
	link := namespace.Connect(t)
	stay := c.join(members, whence{path: "/rooms/r"})
	publishers := []*publisher{c.publisher(stay[0])}
	here := whence{path: "/rooms/r", to: link.Here, network: link}
	c.reset(c.join(vanishing, here)) // as many come and go first, so that what the server keeps for the next ones is there
	within(t, patience, "nobody else", func() bool { return s.metric("connections") == members })
	descriptors, heap := s.descriptors(), s.liveHeap()
	vanish := c.join(vanishing, here)
	held := s.liveHeap() - heap
	publishUntil(t, 100, 10, publishers, func() {
		link.Cut()
		within(t, 60*time.Second, "those that vanished noticed", func() bool { return s.rejected("silent") >= vanishing })
	})
	c.gotAll(stay, publishers...)
	if n := c.count(vanish, isOpen); n != vanishing {
		t.Errorf("%d of %d connections that vanished heard of their end", vanishing-n, vanishing)
	}
	if silent, left := s.rejected("silent"), s.metric("connections"); silent != vanishing || left != members {
		t.Errorf("%d closed as silent and %d left, want %d and %d", silent, left, vanishing, members)
	}
	within(t, patience, "descriptors as before", func() bool { return s.descriptors() == descriptors })
	// A chunk of the room's log more or less is no sign of what is kept of connections.
	if now := s.liveHeap(); now > heap+held/4 {
		t.Errorf("%d bytes of live heap: %d before those that vanished came, who held %d", now, heap, held)
	}
	s.lives()
}

// A hundred thousand connections come and go, in order and by reset: nothing grows.
func TestFault15ConnectClose(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const rounds, each = 200, 500
	s := start(t)
	c := newCrowd(t)
	var descriptors, heap, before int
	peak := s.watchMemory()
	for i := range rounds {
		if i == rounds/2 { // the memory that as many connections take is there by now
			descriptors, heap, before = s.descriptors(), s.liveHeap(), peak()
			peak = s.watchMemory()
		}
		some := c.join(each, whence{path: "/rooms/r"})
		c.each(some[each/2:], func(p *peer) { p.write(masked(ws.OpClose, []byte{3, 232})) })
		c.reset(some[:each/2])
		c.await(some, "connections closed", isEnded)
		if n := c.count(some[each/2:], closedWith(ws.StatusNormalClosure, "")); n != each/2 {
			t.Fatalf("round %d: %d of %d closed in order", i, n, each/2)
		}
		within(t, patience, "nobody left", func() bool { return s.metric("connections") == 0 })
		c.mu.Lock()
		c.peers = nil
		c.mu.Unlock()
	}
	if n := s.descriptors(); n != descriptors {
		t.Errorf("%d descriptors, %d half way", n, descriptors)
	}
	// Two bytes for each connection of the second half.
	if now := s.liveHeap(); now > heap+rounds/2*each*2 {
		t.Errorf("%d bytes of live heap, %d half way", now, heap)
	}
	// When the collector happens to run moves the peak by up to 6 %. 10 % are 46 bytes for each connection.
	if most := peak(); most > before+before/10 {
		t.Errorf("%d bytes resident, %d until half way: more than 10 %% added", most, before)
	}
	if n := s.metric("connections_opened_total"); n != rounds*each {
		t.Errorf("the server counts %d connections, want %d", n, rounds*each)
	}
	s.lives()
}
