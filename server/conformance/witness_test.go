package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A witness watches a room that a row's connection is in, and another: every publication must come, in order, while the row runs.
type witness struct {
	room   string
	before map[string]int // why connections had ended
	stop   chan struct{}
	result chan error
	heard  []string // in the row's room, by others than the witness
	conns  []*websocket.Conn
}

const witnessPrefix = "witness "

// connectionsOfWitness are a publisher and a subscriber in each of the two rooms.
const connectionsOfWitness = 4

// attend begins to watch, with a publication to each room every interval.
func attend(t testing.TB, s *program, room string, interval time.Duration) *witness {
	t.Helper()
	w := &witness{room: room, stop: make(chan struct{}), result: make(chan error, 1)}
	var publishers, subscribers []*websocket.Conn
	for _, name := range []string{room, room + "-other"} {
		subscribers = append(subscribers, dialGorilla(t, s, "/rooms/"+name))
		publisher := dialGorilla(t, s, "/rooms/"+name+"?self=0")
		publishers = append(publishers, publisher)
		w.conns = append(w.conns, publisher, subscribers[len(subscribers)-1])
		go func() {
			for { // pings are answered while reading
				if _, _, err := publisher.NextReader(); err != nil {
					return
				}
			}
		}()
	}
	_, w.before = s.metrics(t)
	round := func(n int) error {
		for i := range publishers {
			if err := publishers[i].WriteMessage(websocket.TextMessage, fmt.Append(nil, witnessPrefix, n)); err != nil {
				return fmt.Errorf("publication %d: %w", n, err)
			}
		}
		for i := range subscribers {
			if err := w.hear(subscribers[i], i == 0, n); err != nil {
				return fmt.Errorf("publication %d in room %d: %w", n, i, err)
			}
		}
		return nil
	}
	if err := round(0); err != nil {
		t.Fatal(err)
	}
	go func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for n, stopped := 1, false; ; n++ {
			if err := round(n); err != nil || stopped { // the last round begins after the row has ended
				w.result <- err
				return
			}
			select {
			case <-w.stop:
				stopped = true
			case <-ticker.C:
			}
		}
	}()
	return w
}

// hear reads up to publication n, past what the row's connection had to say in its own room.
func (w *witness) hear(c *websocket.Conn, own bool, n int) error {
	for {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, message, err := c.ReadMessage()
		switch {
		case err != nil:
			return err
		case string(message) == fmt.Sprint(witnessPrefix, n):
			return nil
		case !own || strings.HasPrefix(string(message), witnessPrefix):
			return fmt.Errorf("%.60q came instead", message)
		}
		w.heard = append(w.heard, string(message))
	}
}

// leave ends the watch and says what was wrong, and what the room heard of the row's connection.
func (w *witness) leave() (heard []string, err error) {
	close(w.stop)
	err = <-w.result
	return w.heard, err
}

// close ends the witness's connections.
func (w *witness) close() {
	for _, c := range w.conns {
		_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
		_ = c.Close()
	}
}

func dialGorilla(t testing.TB, s *program, path string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+s.listen+path, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", path, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// foreign are a witness's publications.
func foreign(m Message) bool {
	return m.Op == opText && strings.HasPrefix(string(m.Payload), witnessPrefix)
}
