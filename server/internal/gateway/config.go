//go:build linux

package gateway

import (
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"time"

	"github.com/gobwas/ws"

	"fanbench/server/internal/fanout"
	"fanbench/server/internal/http1"
	"fanbench/server/internal/uring"
)

// Config says where a gateway listens and what it allows. Zero values mean the defaults named below.
type Config struct {
	// Listen is host:port; port 0 takes a free one, which [Gateway.Addr] then names.
	Listen string
	// Loops is the number of event loops; 0 is one per processor that the Go scheduler may use. On two processors shared with the
	// generator, two loops delivered an overload (5,000 members, 200 publications/s) at the rate of one loop, with a p99 of
	// 100–120 instead of 150–370 ms, for 20–90 % more CPU; without overload the CPU was equal.
	Loops int
	// MaxMessage is the largest message accepted, in payload bytes, before and after inflation; default 64 KiB. Over it the
	// connection is closed with 1009.
	MaxMessage int64
	// MaxFragments is the largest number of frames in one message; default MaxMessage/64, but 1024 at least. Over it the connection
	// is closed with 1008.
	MaxFragments int
	// Slow is what happens to a connection that is further behind its room than MaxBacklog or MaxBacklogAge; default fanout.Close,
	// with 1008 "slow".
	Slow fanout.Policy
	// MaxBacklog is how many bytes a connection that stopped reading may fall behind; default 1 MiB, and one message with its header
	// at the least. What the kernel's send buffer holds is not counted (see SndBuf). Over twice MaxMessage, it also limits the
	// answers that wait for one connection, which is closed with 1008 "slow" under any policy: answers are never dropped.
	MaxBacklog int64
	// MaxBacklogAge is how long a publication may wait for a connection; default 5 s, give or take a quarter. Negative: any
	// time.
	MaxBacklogAge time.Duration
	// SndBuf is the kernel's send buffer per connection in bytes (it doubles the figure); 0 leaves the kernel to tune it. If
	// net.core.wmem_max grants less, that is logged.
	SndBuf int
	// FanoutIO is how publications are written to members; default FanoutUring, and FanoutWrite where the kernel does not allow it,
	// which is logged, and told by [Stats].
	FanoutIO FanoutIO
	// MaxConnections is how many connections are served at once; 0 is as many as there are descriptors. Others are answered 503.
	MaxConnections int
	// MaxPerAddress is how many of them may come from one address (of IPv6: from one /64); 0 is any number. Others are answered 429.
	MaxPerAddress int
	// HandshakeRate is how many connections one such address may begin per second, and at once; 0 is any number. Others are
	// answered 429.
	HandshakeRate int
	// MessageRate is how many messages and control frames one connection may send per second, and at once; 0 is any number. Over
	// it the connection is closed with 1008.
	MessageRate int
	// Origins are the web origins that may connect. Others are answered 403.
	Origins http1.Origins
	// Subprotocols are those that are accepted, should a peer offer them.
	Subprotocols []string
	// Deflate has permessage-deflate (RFC 7692) accepted, should a peer offer it.
	Deflate bool
	// HandshakeTimeout is how long a request head may take; default 5 s.
	HandshakeTimeout time.Duration
	// MessageTimeout is how long a started message may take to end; default 30 s.
	MessageTimeout time.Duration
	// CloseTimeout is how long the peer may take to answer a close frame, or our FIN, before the socket is closed; default 5 s.
	CloseTimeout time.Duration
	// PingInterval is the time between two pings to one connection, and half of the silence that a connection is allowed;
	// default 25 s, below the 60 s after which common proxies cut. Negative: no pings, and silence is allowed.
	PingInterval time.Duration
	// Forward is told each publication of this gateway's own connections, so that other workers deliver it too; nil when alone.
	// It runs on an event loop: it must not block, nor keep payload after it returned.
	Forward func(room string, op ws.OpCode, payload []byte)
	// Log receives what an operator should know; nil discards it.
	Log *slog.Logger

	// beforeMessage runs before each message is handled; tests make it panic.
	beforeMessage func(payload []byte)
	// newRing makes a loop's ring; tests make it fail.
	newRing func(size int) (*uring.Ring, error)
}

// testHook is beforeMessage where a Config has none: nothing, but in a build with the tag faults (panics.go).
var testHook func(payload []byte)

// Defaults of [Config].
const (
	DefaultMaxMessage       = 64 << 10
	DefaultMaxBacklog       = 1 << 20
	DefaultMaxBacklogAge    = 5 * time.Second
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultMessageTimeout   = 30 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultPingInterval     = 25 * time.Second
)

// resolved returns c with every default filled in.
func (c Config) resolved() (Config, error) {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return c, fmt.Errorf("read listening address %q: %w", c.Listen, err)
	}
	if c.Loops < 0 || c.Loops > maxLoops {
		return c, fmt.Errorf("read loops %d: want 0 (one per processor) to %d", c.Loops, maxLoops)
	}
	if c.Loops == 0 {
		c.Loops = min(runtime.GOMAXPROCS(0), maxLoops)
	}
	defaultTo(&c.MaxMessage, DefaultMaxMessage)
	defaultTo(&c.MaxBacklog, DefaultMaxBacklog)
	defaultTo(&c.FanoutIO, FanoutUring)
	defaultTo(&c.MaxBacklogAge, DefaultMaxBacklogAge)
	defaultTo(&c.HandshakeTimeout, DefaultHandshakeTimeout)
	defaultTo(&c.MessageTimeout, DefaultMessageTimeout)
	defaultTo(&c.CloseTimeout, DefaultCloseTimeout)
	defaultTo(&c.PingInterval, DefaultPingInterval)
	if c.beforeMessage == nil {
		c.beforeMessage = testHook
	}
	if c.newRing == nil {
		c.newRing = uring.New
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// maxLoops bounds Config.Loops: each loop owns its listeners and half a dozen descriptors more.
const maxLoops = 1024

func defaultTo[T comparable](field *T, value T) {
	var unset T
	if *field == unset {
		*field = value
	}
}
