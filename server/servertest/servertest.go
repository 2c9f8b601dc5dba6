// Package servertest starts the reference server's gateway inside a test, as net/http/httptest does for HTTP servers. There is no
// supervisor, admin port or backplane: one process, one gateway, one free port on the loopback.
package servertest

import (
	"context"
	"testing"
	"time"

	"fanbench/server/internal/gateway"
)

// A Server is a running gateway.
type Server struct {
	URL     string // "ws://127.0.0.1:port", without a path
	Addr    string // "127.0.0.1:port"
	gateway *gateway.Gateway
}

// An Option changes a server's configuration.
type Option func(*gateway.Config)

// Loops sets the number of event loops; without it there is one per processor.
func Loops(n int) Option { return func(c *gateway.Config) { c.Loops = n } }

// MaxMessage limits messages to n payload bytes.
func MaxMessage(n int64) Option { return func(c *gateway.Config) { c.MaxMessage = n } }

// MaxBacklog limits to n how many bytes a connection may fall behind before it is closed.
func MaxBacklog(n int64) Option { return func(c *gateway.Config) { c.MaxBacklog = n } }

// SndBuf sets the kernel's send buffer per connection, in bytes.
func SndBuf(n int) Option { return func(c *gateway.Config) { c.SndBuf = n } }

// PingInterval sets the time between pings; a negative one turns them off.
func PingInterval(d time.Duration) Option { return func(c *gateway.Config) { c.PingInterval = d } }

// Deflate has permessage-deflate accepted.
func Deflate() Option { return func(c *gateway.Config) { c.Deflate = true } }

// Start serves until the test ends.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	config := gateway.Config{Listen: "127.0.0.1:0", CloseTimeout: time.Second}
	for _, option := range options {
		option(&config)
	}
	g, err := gateway.Start(config)
	if err != nil {
		t.Fatalf("start server: %v", err)
	}
	s := &Server{URL: "ws://" + g.Addr().String(), Addr: g.Addr().String(), gateway: g}
	t.Cleanup(s.Close)
	return s
}

// Close ends the server at once, as if it had crashed: its connections see the end of the stream without a close frame.
func (s *Server) Close() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.gateway.Drain(now, 0)
}

// Drain closes every connection with 1001, waits for the answers at most until ctx ends, and ends the server.
func (s *Server) Drain(ctx context.Context) error { return s.gateway.Drain(ctx, 0) }

// Connections is the number of sockets open now.
func (s *Server) Connections() int { return int(s.gateway.Stats().Connections) }

// Deliveries is the number of publications taken whole by the kernel, over all members, since the start.
func (s *Server) Deliveries() uint64 { return s.gateway.Stats().Deliveries }
