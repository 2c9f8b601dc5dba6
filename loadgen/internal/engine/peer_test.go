package engine

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/server/deflate"
	"fanbench/server/frame"
)

// peer is the target of the tests: plain blocking sockets, one goroutine a
// connection, and a script for whatever it is to do wrong. Paths are
// /room/{name}, /publish/{name} and /echo.
type peer struct {
	listener net.Listener
	script   script
	wait     sync.WaitGroup

	mu      sync.Mutex
	rooms   map[string][]*peerConn
	conns   []*peerConn
	publics int // publications so far
}

// script is how a peer deviates. Its zero value is a correct server.
type script struct {
	// answer replaces the 101 answer; returning nil leaves the handshake
	// unanswered.
	answer func(key string) []byte
	// deflate is what the peer agrees to, if that is not empty: it then sends
	// every message compressed for a window of 9 bits, and insists on it for
	// those it receives.
	deflate string
	// tls makes it a peer of wss.
	tls *tls.Config
	// requested sees each request.
	requested func(*http.Request)
	// glue is written in one piece with the 101 answer.
	glue []byte
	// deliver says what a member gets of the n-th publication, by default the
	// publication. It runs under the peer's lock.
	deliver func(n, member int, message []byte) [][]byte
	// swallow says which messages a member never gets. It runs under the peer's
	// lock.
	swallow func(member *peerConn, message []byte) bool
	// route says which room a publication goes to, by default its own.
	route func(n int, room string) string
	// stall keeps the peer from reading what is published, in an echo too, until
	// it is closed.
	stall chan struct{}
	// published runs after the n-th publication was delivered.
	published func(p *peer, n int)
}

type peerConn struct {
	net.Conn
	room   string
	id     string // from the query
	mu     sync.Mutex
	closes []ws.StatusCode // codes of Close frames received
	pongs  int

	messages atomic.Int64 // that arrived whole
	over     atomic.Bool  // nothing is read any more
}

func startPeer(t *testing.T, s script) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.tls != nil {
		listener = tls.NewListener(listener, s.tls)
	}
	p := &peer{listener: listener, script: s, rooms: map[string][]*peerConn{}}
	p.wait.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

func (p *peer) address() netip.AddrPort { return netip.MustParseAddrPort(p.listener.Addr().String()) }

// stop ends the peer and all its connections.
func (p *peer) stop() {
	p.listener.Close()
	p.each(func(c *peerConn) { c.Close() })
	p.wait.Wait()
}

func (p *peer) each(f func(*peerConn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		f(c)
	}
}

func (p *peer) accept() {
	for {
		raw, err := p.listener.Accept()
		if err != nil {
			return
		}
		c := &peerConn{Conn: raw}
		p.mu.Lock()
		p.conns = append(p.conns, c)
		p.mu.Unlock()
		p.wait.Go(func() {
			defer c.Close()
			p.serve(c)
			c.over.Store(true)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.rooms[c.room] = slices.DeleteFunc(p.rooms[c.room], func(member *peerConn) bool { return member == c && len(c.closes) > 0 })
		})
	}
}

func (p *peer) serve(c *peerConn) {
	in := bufio.NewReader(c)
	request, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	if p.script.requested != nil {
		p.script.requested(request)
	}
	answer := switching(request.Header.Get("Sec-WebSocket-Key"))
	if p.script.deflate != "" {
		answer = switching(request.Header.Get("Sec-WebSocket-Key"), p.script.deflate)
	}
	if p.script.answer != nil {
		answer = p.script.answer(request.Header.Get("Sec-WebSocket-Key"))
	}
	var room, kind string
	if _, err := fmt.Sscanf(request.URL.Path, "/room/%s", &room); err == nil {
		kind = "subscribe"
	} else if _, err := fmt.Sscanf(request.URL.Path, "/publish/%s", &room); err == nil {
		kind = "publish"
	}
	c.room, c.id = room, request.URL.Query().Get("id")
	p.mu.Lock()
	if kind == "subscribe" {
		p.rooms[room] = append(p.rooms[room], c)
	}
	_, err = c.Write(append(answer, p.script.glue...))
	p.mu.Unlock()
	if err != nil {
		return
	}
	if kind != "subscribe" && p.script.stall != nil {
		<-p.script.stall
	}
	var parser frame.Parser
	config := &frame.Config{MaxMessage: 1 << 20, CheckUTF8: true, Compression: p.script.deflate != ""}
	buffer := make([]byte, 64<<10)
	for {
		n, err := in.Read(buffer)
		if err != nil {
			return
		}
		for b := buffer[:n]; ; {
			m, used, ok, err := parser.Next(config, b)
			if err != nil || !ok {
				if err != nil {
					return
				}
				break
			}
			b = b[used:]
			if !p.take(c, kind, room, m) {
				return
			}
		}
	}
}

func (p *peer) take(c *peerConn, kind, room string, m frame.Message) (goOn bool) {
	switch m.Op {
	case ws.OpClose:
		code, _, _ := frame.ParseClose(m.Payload)
		c.mu.Lock()
		c.closes = append(c.closes, code)
		c.mu.Unlock()
		_, _ = c.Write(frame.AppendClose(nil, frame.ReplyCode(code), ""))
		return false
	case ws.OpPong:
		c.mu.Lock()
		c.pongs++
		c.mu.Unlock()
		return true
	}
	c.messages.Add(1)
	if p.script.deflate != "" {
		var err error
		if m.Payload, err = deflate.Inflate(nil, m.Payload, peerWindow, 1<<20); err != nil || !m.Compressed {
			return false
		}
	}
	if kind == "publish" {
		p.publish(room, m)
		return true
	}
	_, err := c.Write(p.frame(m.Op, m.Payload))
	return err == nil
}

// peerWindow is the size, in bits, of the window in both directions.
const peerWindow = 9

// frame is a message as the peer sends it.
func (p *peer) frame(op ws.OpCode, message []byte) []byte {
	if p.script.deflate == "" {
		return frame.AppendFrame(nil, op, message)
	}
	return compressedFrame(op, deflate.Compress(nil, message, peerWindow))
}

func compressedFrame(op ws.OpCode, payload []byte) []byte {
	return append(frame.AppendHeader(nil, op, true, true, len(payload)), payload...)
}

func (p *peer) publish(room string, m frame.Message) {
	p.mu.Lock()
	n := p.publics
	p.publics++
	if p.script.route != nil {
		room = p.script.route(n, room)
	}
	for i, member := range p.rooms[room] {
		messages := [][]byte{m.Payload}
		if p.script.deliver != nil {
			messages = p.script.deliver(n, i, slices.Clone(m.Payload))
		}
		for _, message := range messages {
			if p.script.swallow != nil && p.script.swallow(member, message) {
				continue
			}
			// A member that has gone has lost it, as the engine will say.
			_, _ = member.Write(p.frame(m.Op, message))
		}
	}
	p.mu.Unlock()
	if p.script.published != nil {
		p.script.published(p, n)
	}
}

// switching is the right answer to a handshake, with the extensions that it
// agrees to.
func switching(key string, extensions ...string) []byte {
	accept := acceptKey([]byte(key))
	head := fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", accept[:])
	for _, e := range extensions {
		head = fmt.Appendf(head, "Sec-WebSocket-Extensions: %s\r\n", e)
	}
	return append(head, "\r\n"...)
}

// refusedAddress is an address that nobody listens on.
func refusedAddress(t testing.TB) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return netip.MustParseAddrPort(listener.Addr().String())
}
