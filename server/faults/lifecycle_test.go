//go:build faults

package faults

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"fanbench/server/servertest/namespace"
)

// SIGTERM comes while publishing goes on: nobody new is served, everybody is closed with 1001, not at the same publication and each
// without a gap before it.
func TestFault06Drain(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const members, window = 2000, 2 * time.Second
	s := start(t, "--drain", window.String())
	c := newCrowd(t)
	all := c.join(members, whence{path: "/rooms/r"})
	var publishers []*publisher
	for _, p := range all[:4] { // members too: the last of them to be closed publishes almost to the end
		publishers = append(publishers, c.publisher(p))
	}
	publishUntil(t, 100, 100, publishers, func() {
		within(t, patience, "some publications", func() bool { return publishers[0].sent() > 20 })
		s.terminate()
		within(t, patience, "the server says that it is not ready", func() bool {
			status, _, err := ask("/readyz")
			return err != nil || status != http.StatusOK
		})
		late := c.dial(10, whence{})
		c.await(late, "newcomers refused", isEnded)
		s.drained(window + time.Second)
	})
	c.await(all, "everybody told", closedWith(ws.StatusGoingAway, ""))
	c.gapless(all)
	last := map[int]int{} // how many received so many publications
	c.each(c.peers, func(*peer) { t.Error("a connection is left") })
	for _, p := range all {
		last[p.received]++
	}
	if len(last) < 10 {
		t.Errorf("closed at only %d different publications: %v", len(last), last)
	}
}

// A handler panics: its connection is closed with 1011, and that is all.
func TestFault07Panic(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const members, panics = 500, 50
	s := startProgram(t, program(panicker), filepath.Join(t.TempDir(), "log"), nil)
	c := newCrowd(t)
	others := c.join(members, whence{path: "/rooms/r"})
	bad := c.join(panics, whence{path: "/rooms/r"})
	publishers := []*publisher{c.publisher(others[0])}
	publishUntil(t, 100, 50, publishers, func() {
		within(t, patience, "publications before", func() bool { return publishers[0].sent() > 10 })
		panicAll(c, bad)
		c.await(bad, "those that panicked closed", isEnded)
		from := publishers[0].sent()
		within(t, patience, "publications after", func() bool { return publishers[0].sent() > from+10 })
	})
	c.gotAll(others, publishers...)
	c.gapless(bad)
	if n := c.count(bad, closedWith(ws.StatusInternalServerError, "panic")); n != panics {
		t.Errorf("%d of %d closed with 1011", n, panics)
	}
	if n := s.metric("panics_total"); n != panics {
		t.Errorf("%d panics counted, want %d", n, panics)
	}
	s.lives()
}

func panicAll(c *crowd, peers []*peer) {
	c.each(peers, func(p *peer) { p.write(masked(ws.OpText, []byte("panic, please"))) })
}

// The disk that the log is on fills up: serving goes on, and each line is either on the disk, whole, or counted as lost. When there
// is room again, the log goes on.
func TestFault13LogDiskFull(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const members, panics, rounds = 100, 100, 10
	disk := namespace.Disk(t, 1<<20)
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startProgram(t, program(panicker), filepath.Join(disk, "log"), nil)
	c := newCrowd(t)
	others := c.join(members, whence{path: "/rooms/r"})
	publishers := []*publisher{c.publisher(others[0])}
	written := func() int {
		b, err := os.ReadFile(s.log)
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for line := range bytes.Lines(b) {
			if bytes.Contains(line, []byte("msg=panic")) && bytes.HasSuffix(line, []byte("\"\n")) {
				whole++
			}
		}
		return whole
	}
	total := 0
	logPanics := func() {
		bad := c.join(panics, whence{path: "/rooms/r"})
		total += panics
		panicAll(c, bad)
		c.await(bad, "those that panicked closed", isEnded)
	}
	publishUntil(t, 100, 50, publishers, func() {
		for range rounds {
			logPanics()
		}
		lost := s.metric("log_lines_dropped_total")
		if whole := written(); lost == 0 || whole == 0 || whole+lost != total {
			t.Errorf("%d lines on the disk and %d counted as lost, want %d in all and some of both", whole, lost, total)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		before := written()
		logPanics()
		if whole, now := written(), s.metric("log_lines_dropped_total"); whole != before+panics || now != lost {
			t.Errorf("with room again %d lines were added and %d lost, want %d and none", whole-before, now-lost, panics)
		}
	})
	c.gotAll(others, publishers...)
	s.lives()
	s.terminate()
	s.drained(patience)
}

// One of two workers is killed: the other one's members miss nothing, the supervisor starts it again, and the members that come
// back are counted where they are.
func TestFault14WorkerKilled(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const members, victim = 400, 0
	s := start(t, "--workers", "2")
	c := newCrowd(t)
	all := c.join(members, whence{path: "/rooms/r"})
	var publishers []*publisher
	for _, p := range all[:16] { // all on one worker once in 32,768 times
		publishers = append(publishers, c.publisher(p))
	}
	upgraded := func(worker int) int {
		return s.metric(fmt.Sprintf(`connections_upgraded{worker="%d"}`, worker))
	}
	theirs := upgraded(victim)
	if other := upgraded(1 - victim); theirs+other != members {
		t.Fatalf("the workers count %d and %d connections, want %d in all", theirs, other, members)
	}
	killed := s.vitals().PIDs[1+victim]
	var stayed []*peer
	var living []*publisher
	publishUntil(t, 100, 20, publishers, func() {
		within(t, patience, "some publications", func() bool { return publishers[0].sent() > 20 })
		if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		within(t, patience, "the killed worker's connections ended", func() bool { return c.count(all, isEnded) == theirs })
		within(t, patience, "the worker serves again", func() bool {
			return s.metric(fmt.Sprintf(`worker_up{worker="%d"}`, victim)) == 1
		})
		back := c.join(theirs, whence{path: "/rooms/r", late: true})
		within(t, 2*time.Second, "the totals right", func() bool { return upgraded(0)+upgraded(1) == members })
		if upgraded(victim) == 0 {
			t.Error("nobody came back to the worker that was started again")
		}
		within(t, patience, "publications after it", func() bool {
			return c.count(back, func(p *peer) bool { return p.received > 0 }) == theirs
		})
		c.gapless(back)
	})
	for _, p := range all {
		if c.count([]*peer{p}, isOpen) == 1 {
			stayed = append(stayed, p)
		}
	}
	for _, q := range publishers {
		if slices.Contains(stayed, q.peer) {
			living = append(living, q)
		}
	}
	if len(stayed) != members-theirs || len(living) == 0 || len(living) == len(publishers) {
		t.Fatalf("%d of %d stayed, and of %d publishers %d; want %d and some of both", len(stayed), members, len(publishers), len(living), members-theirs)
	}
	c.gotAll(stayed, living...)
	if restarts := s.metric(fmt.Sprintf(`worker_restarts_total{worker="%d"}`, victim)); restarts != 1 {
		t.Errorf("%d restarts, want 1", restarts)
	}
	if pids := s.vitals().PIDs; len(pids) != 3 || slices.Contains(pids, killed) {
		t.Errorf("processes %v, want three without %d", pids, killed)
	}
	s.lives()
}
