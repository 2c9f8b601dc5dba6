package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/result"
	"fanbench/server/frame"
)

// TestPerturbedDeliveries has the peer do each wrong exactly k times: the
// account must say exactly that.
func TestPerturbedDeliveries(t *testing.T) {
	const members, publications = 10, 150
	for _, k := range []int{0, 1, 60} {
		// On one member each: one of two publications from the 11th on is hit
		// until k are.
		hit := func(n, member int) bool { return member == 3 && n > 10 && n%2 == 0 && (n-10)/2 <= k }
		for _, c := range []struct {
			name    string
			script  script
			settled func(Tick) bool
			want    result.Ledger
		}{
			{"dropped", script{deliver: func(n, member int, m []byte) [][]byte {
				if hit(n, member) {
					return nil
				}
				return [][]byte{m}
			}}, func(s Tick) bool { return s.Delivered+uint64(k) == s.Expected },
				result.Ledger{Lost: uint64(k), LostUp: uint64(k)}},
			{"doubled", script{deliver: func(n, member int, m []byte) [][]byte {
				if hit(n, member) {
					return [][]byte{m, m}
				}
				return [][]byte{m}
			}}, func(s Tick) bool { return allDelivered(s) && s.Duplicated == uint64(k) },
				result.Ledger{Duplicated: uint64(k)}},
			{"swapped", script{deliver: swap(hit)}, allDelivered,
				result.Ledger{Reordered: uint64(k)}},
			{"stamp corrupted", script{deliver: func(n, member int, m []byte) [][]byte {
				if hit(n, member) {
					m[30] ^= 1
				}
				return [][]byte{m}
			}}, func(s Tick) bool { return s.Corrupt == uint64(k) && s.Delivered+s.Corrupt == s.Expected },
				result.Ledger{Corrupt: uint64(k), Lost: uint64(k), LostUp: uint64(k)}},
			{"padding corrupted", script{deliver: func(n, member int, m []byte) [][]byte {
				if hit(n, member) {
					m[len(m)-1] ^= 1
				}
				return [][]byte{m}
			}}, func(s Tick) bool { return s.Corrupt == uint64(k) && s.Delivered+s.Corrupt == s.Expected },
				result.Ledger{Corrupt: uint64(k), Lost: uint64(k), LostUp: uint64(k)}},
			{"wrapped in an envelope", script{deliver: func(n, member int, m []byte) [][]byte {
				return [][]byte{fmt.Appendf(nil, `{"member":%d,"data":"%s"}`, member, m)}
			}}, allDelivered, result.Ledger{}},
			{"among other messages", script{deliver: func(n, member int, m []byte) [][]byte {
				if hit(n, member) {
					return [][]byte{[]byte("welcome"), m}
				}
				return [][]byte{m}
			}}, allDelivered, result.Ledger{Unknown: uint64(k)}},
		} {
			t.Run(fmt.Sprintf("%d %s", k, c.name), func(t *testing.T) {
				e := startEngine(t, configOf(t, fanoutOf(t, members, 1, 1), 0, startPeer(t, c.script).address()))
				ramped(t, e)
				phase(t, plan.WarmUp, func(Tick) bool { return true }, e)
				phase(t, plan.Measure, c.settled, e)
				a := settle(e)[0]
				balanced(t, a)
				c.want.Expected = members * publications
				c.want.Delivered = c.want.Expected - c.want.Lost
				same(t, a.Ledger, c.want)
			})
		}
	}
}

// swap holds back each publication that is hit and delivers it after the next.
func swap(hit func(n, member int) bool) func(n, member int, m []byte) [][]byte {
	held := map[int][]byte{}
	return func(n, member int, m []byte) [][]byte {
		if hit(n, member) {
			held[member] = m
			return nil
		}
		if before := held[member]; before != nil {
			delete(held, member)
			return [][]byte{m, before}
		}
		return [][]byte{m}
	}
}

// same compares what receivers account for.
func same(t *testing.T, got, want result.Ledger) {
	t.Helper()
	got.Planned, got.Sent, got.Unsent = want.Planned, want.Sent, want.Unsent
	got.MeasuredPlanned, got.MeasuredSent, got.MeasuredDelivered = 0, 0, 0
	got.GapsAgree = want.GapsAgree
	if got != want {
		t.Errorf("ledger\n%+v, want\n%+v", got, want)
	}
}

// TestMisrouted sends some of room 0's publications to room 1.
func TestMisrouted(t *testing.T) {
	const k = 20
	misrouted := 0
	target := startPeer(t, script{route: func(_ int, room string) string {
		if room == "0" && misrouted < k {
			misrouted++
			return "1"
		}
		return room
	}})
	e := startEngine(t, configOf(t, fanoutOf(t, 10, 2, 2), 0, target.address()))
	ramped(t, e)
	phase(t, plan.WarmUp, func(Tick) bool { return true }, e)
	phase(t, plan.Measure, func(s Tick) bool { return s.Delivered+5*k == s.Expected && s.Misrouted == 5*k }, e)
	a := settle(e)[0]
	balanced(t, a)
	same(t, a.Ledger, result.Ledger{Expected: 750, Delivered: 650, Lost: 100, LostUp: 100, Misrouted: 100})
}

// TestForeign replays another run's publications.
func TestForeign(t *testing.T) {
	target := startPeer(t, script{})
	s := fanoutOf(t, 4, 1, 1)
	other := configOf(t, s, 0, target.address())
	other.RunID++
	mine, theirs := startEngine(t, configOf(t, s, 0, target.address())), startEngine(t, other)
	ramped(t, mine)
	ramped(t, theirs)
	phase(t, plan.WarmUp, allDelivered, theirs)
	var last Account
	eventually(t, "the other run's publications", func() bool {
		last = settle(mine)[0]
		return last.Ledger.Foreign == 200
	})
	if last.Ledger.Delivered != 0 || last.Ledger.Lost != 0 {
		t.Errorf("ledger %+v", last.Ledger)
	}
}

// TestTargetCloses ends connections in each way in the middle of a run.
func TestTargetCloses(t *testing.T) {
	reset := func(c *peerConn) {
		if tcp, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
			_ = tcp.SetLinger(0)
		}
		c.Close()
	}
	for _, c := range []struct {
		name    string
		leave   func(*peerConn)
		bucket  string
		example string
	}{
		{"without a word", func(c *peerConn) { c.Close() }, "closed", "without a Close frame"},
		{"with a code", func(c *peerConn) {
			_, _ = c.Write(frame.AppendClose(nil, ws.StatusGoingAway, "drain"))
		}, "closed-1001", "close code 1001: drain"},
		{"without a code", func(c *peerConn) {
			_, _ = c.Write(frame.AppendClose(nil, 0, ""))
		}, "closed-without-code", "close without a code"},
		{"by a reset", reset, "reset", "connection reset by peer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			const leaving, members, at, publications = 4, 10, 99, 150
			target := startPeer(t, script{published: func(p *peer, n int) {
				if n != at {
					return
				}
				p.mu.Lock()
				defer p.mu.Unlock()
				for _, member := range p.rooms["0"][:leaving] {
					c.leave(member)
				}
				p.rooms["0"] = p.rooms["0"][leaving:]
			}})
			e := startEngine(t, configOf(t, fanoutOf(t, members, 1, 1), 0, target.address()))
			ramped(t, e)
			phase(t, plan.WarmUp, func(Tick) bool { return true }, e)
			phase(t, plan.Measure, func(s Tick) bool {
				return s.Delivered >= (members-leaving)*publications && s.Open == members-leaving+1
			}, e)
			a := settle(e)[0]
			balanced(t, a)
			if a.Ledger.Expected != members*publications || a.Ledger.LostUp != 0 || a.Ledger.LostDown < leaving*(publications-at-1) {
				t.Errorf("ledger %+v", a.Ledger)
			}
			if a.ClosedByTarget != leaving {
				t.Errorf("%d connections closed by the target, want %d", a.ClosedByTarget, leaving)
			}
			wantFailure(t, a.Failures, c.bucket, leaving, c.example)
		})
	}
}

// wantFailure checks that there is one bucket, with its count and example.
func wantFailure(t *testing.T, failures []result.Failure, bucket string, count uint64, example string) {
	t.Helper()
	if len(failures) != 1 || failures[0].Bucket != bucket || failures[0].Count != count || !strings.Contains(failures[0].First, example) {
		t.Errorf("failures %+v, want %d of %s with %q", failures, count, bucket, example)
	}
}

// TestPublisherCloses: what a publisher without a connection does not send is
// unsent, and nobody waits for it.
func TestPublisherCloses(t *testing.T) {
	target := startPeer(t, script{published: func(p *peer, n int) {
		if n == 99 {
			p.each(func(c *peerConn) {
				if !isMember(p, c) {
					c.Close()
				}
			})
		}
	}})
	scenario := fanoutOf(t, 5, 1, 1)
	scenario.Phases.Measure = time.Minute
	e := startEngine(t, configOf(t, scenario, 0, target.address()))
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	e.Begin(plan.Measure, clock.Now())
	eventually(t, "something unsent", func() bool { return e.Tick().Unsent > 0 })
	e.StopSending()
	a := settle(e)[0]
	balanced(t, a)
	if a.Ledger.Sent < 100 || a.Ledger.Unsent == 0 || a.ClosedByTarget != 1 || len(a.Failures) != 1 {
		t.Errorf("ledger %+v, failures %+v", a.Ledger, a.Failures)
	}
}

func isMember(p *peer, c *peerConn) bool {
	for _, member := range p.rooms[c.room] {
		if member == c {
			return true
		}
	}
	return false
}

// TestStopSending stops a phase that would last for a minute.
func TestStopSending(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := fanoutOf(t, 3, 1, 1)
		if closed {
			s = closedLoopOf(t, 3, 1)
		}
		s.Phases.WarmUp, s.Phases.Measure = 0, time.Minute
		target := startPeer(t, script{})
		e := startEngine(t, configOf(t, s, 0, target.address()))
		ramped(t, e)
		e.Begin(plan.Measure, e.config.Epoch)
		eventually(t, "a publication", func() bool { return e.Tick().Sent > 0 })
		if e.Sent() {
			t.Error("sent before its time")
		}
		e.StopSending()
		if !e.Sent() {
			t.Error("stopped and not sent")
		}
		eventually(t, "deliveries", func() bool { return allDelivered(e.Tick()) })
		a := settle(e)[0]
		balanced(t, a)
		if !closed && a.Ledger.MeasuredPlanned != 60*1000 {
			t.Errorf("ledger %+v", a.Ledger)
		}
	}
}

// TestLostWorker settles without the closing counts of a worker that is gone.
func TestLostWorker(t *testing.T) {
	s := fanoutOf(t, 6, 1, 2)
	s.Workers = 2
	target := startPeer(t, script{})
	var engines []*Engine
	for worker := range 2 {
		e := startEngine(t, configOf(t, s, worker, target.address()))
		ramped(t, e)
		engines = append(engines, e)
	}
	engines[0].config.Epoch = engines[1].config.Epoch
	phase(t, plan.WarmUp, allDelivered, engines...)
	a := engines[0].Settle(engines[0].Closing())
	if a.Ledger.Expected != a.Ledger.Delivered || a.Ledger.Expected != 3*50 || !a.Ledger.GapsAgree {
		t.Errorf("ledger %+v", a.Ledger)
	}
}

// TestTargetBreaksProtocol: the mirrored faults of a hostile server.
func TestTargetBreaksProtocol(t *testing.T) {
	for _, c := range []struct {
		name   string
		bytes  []byte
		reason string
		code   ws.StatusCode
	}{
		{"masked frame, large", append([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0}, make([]byte, 4096)...), "masked", 1002},
		{"masked frame", frame.AppendMasked(nil, ws.OpText, []byte("hello"), [4]byte{1, 2, 3, 4}), "masked", 1002},
		{"RSV1", []byte{0xc1, 1, 'a'}, "rsv", 1002},
		{"RSV2", []byte{0xa1, 1, 'a'}, "rsv", 1002},
		{"RSV3", []byte{0x91, 1, 'a'}, "rsv", 1002},
		{"RSV1 on a control frame", []byte{0xc9, 0}, "rsv", 1002},
		{"reserved opcode", []byte{0x83, 0}, "opcode", 1002},
		{"reserved control opcode", []byte{0x8b, 0}, "opcode", 1002},
		{"64-bit length, top bit set", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, "length", 1002},
		{"length not minimal", []byte{0x81, 126, 0, 1, 'a'}, "length", 1002},
		{"limit + 1 declared", []byte{0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1}, "too-large", 1009},
		{"2^63-1 bytes declared", []byte{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "too-large", 1009},
		{"2^40 bytes declared", []byte{0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0}, "too-large", 1009},
		{"fragmented ping", []byte{0x09, 0}, "control", 1002},
		{"fragmented close", []byte{0x08, 0}, "control", 1002},
		{"ping of 126 bytes", []byte{0x89, 126, 0, 126}, "control", 1002},
		{"continuation of nothing", []byte{0x80, 0}, "fragment", 1002},
		{"text that is not UTF-8", []byte{0x81, 1, 0xff}, "utf8", 1007},
		{"close code 1005", []byte{0x88, 2, 0x03, 0xed}, "close-code", 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := startPeer(t, script{glue: c.bytes})
			e := startEngine(t, configOf(t, scenarioOf(t, "workload", "connect", "connections", "2"), 0, target.address()))
			e.Ramp(context.Background())
			eventually(t, "connections to be failed", func() bool { return e.Tick().Closed == 2 })
			a := settle(e)[0]
			wantFailure(t, a.Failures, "protocol-"+c.reason, 2, c.reason)
			eventually(t, "Close frames", func() bool {
				answered := 0
				target.each(func(peer *peerConn) {
					peer.mu.Lock()
					defer peer.mu.Unlock()
					for _, code := range peer.closes {
						if code == c.code {
							answered++
						}
					}
				})
				return answered == 2
			})
		})
	}
}

// TestPings are answered, whether they come with the 101 or later, on a
// connection that publishes too.
func TestPings(t *testing.T) {
	ping := frame.AppendFrame(nil, ws.OpPing, []byte("are you there"))
	target := startPeer(t, script{glue: ping})
	e := startEngine(t, configOf(t, echoOf(t, 3), 0, target.address()))
	ramped(t, e)
	target.each(func(c *peerConn) { _, _ = c.Write(append(ping, ping...)) })
	phase(t, plan.WarmUp, allDelivered, e)
	eventually(t, "pongs", func() bool {
		answered := 0
		target.each(func(c *peerConn) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.pongs == 3 {
				answered++
			}
		})
		return answered == 3
	})
}
