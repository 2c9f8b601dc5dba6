//go:build linux

package gateway

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gorilla/websocket"
)

func TestRooms(t *testing.T) {
	var mu sync.Mutex
	var forwarded []string
	g := start(t, Config{Loops: 2, Forward: func(room string, op ws.OpCode, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		forwarded = append(forwarded, fmt.Sprintf("%s %d %s", room, op, payload))
	}})
	inA := []*websocket.Conn{dial(t, g, "/rooms/a"), dial(t, g, "/rooms/a?self=1"), dial(t, g, "/rooms/a?self=0")}
	inB := dial(t, g, "/rooms/%C3%A4%20b")

	send(t, inA[0], "from 0")
	send(t, inB, "in b")
	for _, c := range inA {
		expect(t, c, "from 0")
	}
	expect(t, inB, "in b")

	send(t, inA[2], "from 2") // which leaves itself out
	for _, c := range inA[:2] {
		expect(t, c, "from 2")
	}
	g.Publish("a", ws.OpText, []byte("from outside")) // is nobody's own
	for _, c := range inA {
		expect(t, c, "from outside")
	}
	g.Publish("ä b", ws.OpText, []byte("last"))
	expect(t, inB, "last")
	g.Publish("nobody", ws.OpText, []byte("lost"))

	mu.Lock()
	defer mu.Unlock()
	if len(forwarded) != 3 || !contains(forwarded, "a 1 from 0") || !contains(forwarded, "ä b 1 in b") || !contains(forwarded, "a 1 from 2") {
		t.Errorf("forwarded %q, want what members sent", forwarded)
	}
	eventually(t, "all deliveries counted", func() bool { return g.Stats().Deliveries == 3+1+2+3+1 })
	s := g.Stats()
	if s.Publications != 5 || s.Rooms != 2 || s.Messages != 3 || s.Upgraded != 4 || s.Connections != 4 || s.Opened != 4 {
		t.Errorf("stats %+v", s)
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// Several publishers, several loops: every member sees each publisher's messages whole, once and in order.
func TestFanOut(t *testing.T) {
	const members, publishers, each = 50, 4, 100
	g := start(t, Config{Loops: 2})
	var done sync.WaitGroup
	failures := make(chan string, members+publishers*(each+2))
	var ready []*websocket.Conn
	for range members {
		ready = append(ready, dial(t, g, "/rooms/r"))
	}
	for _, c := range ready {
		done.Go(func() {
			next := make([]int, publishers)
			for range publishers * each {
				_, message, err := c.ReadMessage()
				var publisher, sequence int
				if err == nil {
					_, err = fmt.Sscanf(string(message), "%d %d", &publisher, &sequence)
				}
				if err != nil || sequence != next[publisher] {
					failures <- fmt.Sprintf("publisher %d: %d instead of %d, %v", publisher, sequence, next[publisher], err)
					return
				}
				next[publisher]++
			}
		})
	}
	var senders []*websocket.Conn
	for p := range publishers {
		senders = append(senders, dial(t, g, []string{"/rooms/r", "/rooms/r?self=0"}[p%2]))
	}
	for p, c := range senders {
		done.Go(func() {
			for i := range each {
				if err := c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%d %d %s", p, i, payloadOf(i))); err != nil {
					failures <- err.Error()
				}
			}
		})
		done.Go(func() { // a publisher gets its own, unless it asked not to
			got, own := 0, fmt.Sprintf("%d ", p)
			for range publishers*each - p%2*each {
				_, message, err := c.ReadMessage()
				if err != nil {
					failures <- err.Error()
					return
				}
				if strings.HasPrefix(string(message), own) {
					got++
				}
			}
			if want := each - p%2*each; got != want {
				failures <- fmt.Sprintf("publisher %d got %d of its own, want %d", p, got, want)
			}
		})
	}
	done.Wait()
	close(failures)
	for f := range failures {
		t.Error(f)
	}
}

// A peer that sends for echo without reading cannot make the server hold more than the limit.
func TestEchoNonReader(t *testing.T) {
	g := start(t, Config{Loops: 1, MaxMessage: 4 << 10, MaxBacklog: 32 << 10, SndBuf: 8 << 10})
	c := upgrade(t, g, "/echo")
	message := masked(ws.OpText, payloadOf(4<<10))
	written := make(chan int)
	stop := make(chan struct{})
	go func() {
		n := 0
		defer func() { written <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := c.Conn.Write([]byte(message)); err != nil {
				return
			}
			n++
		}
	}()
	eventually(t, "closed as slow", func() bool { return g.Stats().Rejected["slow"] == 1 })
	close(stop)
	n := <-written
	for i := 0; ; i++ {
		op, payload, err := c.next()
		if err != nil {
			t.Fatalf("after %d of %d echoes: %v", i, n, err)
		}
		if op == ws.OpClose {
			if got := string(payload[2:]); got != "slow" {
				t.Fatalf("closed for %q", got)
			}
			return
		}
		if string(payload) != payloadOf(4<<10) {
			t.Fatalf("echo %d has %d bytes", i, len(payload))
		}
	}
}
