// Package gorilla serves echo and rooms with gorilla/websocket in its best
// idiom: a publication is encoded once as a prepared message, and every
// connection has a goroutine that reads and one that writes.
//
// Unlike the library's chat example, which drops a connection whose queue of 256
// is full, queues here grow: under overload the servers must do equal work.
package gorilla

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"fanbench/bench/peers/internal/room"
)

// New returns the endpoints.
func New() http.Handler {
	s := &server{upgrader: websocket.Upgrader{
		// Buffers of connections that write nothing are shared.
		ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{},
		CheckOrigin: func(*http.Request) bool { return true },
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /echo", s.echo)
	mux.HandleFunc("GET /rooms/{room}", s.join)
	return mux
}

type server struct {
	upgrader websocket.Upgrader
	hall     room.Hall[*pump]
}

func (s *server) echo(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the peer has been answered
	}
	// A goroutine of its own lets go of the request and its buffers.
	go func() {
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	}()
}

func (s *server) join(w http.ResponseWriter, r *http.Request) {
	// A member before the 101 answer: who has it misses nothing from then on.
	p := &pump{wake: make(chan struct{}, 1)}
	member := s.hall.Join(r.PathValue("room"), r.URL.Query().Get("self") != "0", p)
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		member.Leave()
		return
	}
	go func() {
		defer conn.Close() // and with it the reader
		p.write(conn)
	}()
	go func() {
		defer conn.Close() // a writer that waits for the peer as well
		defer p.end()
		defer member.Leave()
		publish(conn, member)
	}()
}

// publish fans out what the connection sends, until it ends.
func publish(conn *websocket.Conn, member *room.Member[*pump]) {
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		prepared, err := websocket.NewPreparedMessage(kind, message)
		if err != nil {
			return
		}
		member.Each(func(p *pump) { p.push(prepared) })
	}
}

// pump is a connection's queue of deliveries.
type pump struct {
	mu    sync.Mutex
	queue []*websocket.PreparedMessage
	ended bool
	wake  chan struct{} // holds one token: there is something to do
}

func (p *pump) push(m *websocket.PreparedMessage) {
	p.mu.Lock()
	p.queue = append(p.queue, m)
	p.mu.Unlock()
	p.signal()
}

func (p *pump) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.signal()
}

func (p *pump) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// write writes the queue, until the pump or the connection ends.
func (p *pump) write(conn *websocket.Conn) {
	var taken []*websocket.PreparedMessage
	for range p.wake {
		p.mu.Lock()
		taken, p.queue = p.queue, taken[:0] // the two take turns
		ended := p.ended
		p.mu.Unlock()
		for i, m := range taken {
			if ended || conn.WritePreparedMessage(m) != nil {
				return
			}
			taken[i] = nil
		}
		if ended {
			return
		}
	}
}
