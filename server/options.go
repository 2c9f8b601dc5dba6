package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"time"

	"github.com/alecthomas/kong"

	"fanbench/server/internal/backplane"
)

// options are the command line.
type options struct {
	Listen        string        `default:"127.0.0.1:9001" placeholder:"HOST:PORT" help:"Serve connections here (${default})."`
	Admin         string        `default:"127.0.0.1:9002" placeholder:"HOST:PORT" help:"Serve health, metrics and profiles here (${default})."`
	Workers       int           `default:"1" placeholder:"N" help:"Processes that share the port (${default})."`
	Loops         int           `default:"0" placeholder:"N" help:"Event loops per process; 0 is its share of processors (${default})."`
	MaxMessage    byteSize      `default:"64KiB" placeholder:"SIZE" help:"Largest message; over it a connection is closed with 1009 (${default})."`
	Slow          string        `default:"close" enum:"close,drop-oldest,drop-newest" placeholder:"POLICY" help:"What happens to a connection that is too far behind: close it with 1008, or leave out for it the oldest that waits, drop-oldest, or what is new until it has caught up, drop-newest (${default})."`
	MaxBacklog    byteSize      `default:"0B" placeholder:"SIZE" help:"How far a connection may fall behind; 0 is 1MiB, or --max-message if that is more (${default})."`
	MaxBacklogAge time.Duration `default:"5s" placeholder:"DURATION" help:"How long a publication may wait for a connection; 0s is any time (${default})."`
	Sndbuf        byteSize      `default:"0" placeholder:"SIZE" help:"The kernel's send buffer per connection; 0 lets it tune itself (${default})."`
	FanoutIO      string        `default:"uring" enum:"write,uring" placeholder:"WAY" help:"How publications are written to members: write, a system call each, or uring, many at once by io_uring, which is write where the kernel does not allow it (${default})."`

	Profile                  string        `default:"local" enum:"local,public" placeholder:"NAME" help:"Defaults of the limits: local, or public for peers that nobody knows; docs/limits.md has them (${default})."`
	MaxConnections           int           `default:"0" placeholder:"N" help:"Connections at once; over it 503; 0 is as many as there are descriptors (${default})."`
	MaxConnectionsPerAddress int           `default:"0" placeholder:"N" help:"Connections at once from one address; over it 429; 0 is any number (${default})."`
	HandshakeRate            int           `default:"0" placeholder:"N" help:"New connections per second from one address; over it 429; 0 is any number (${default})."`
	MessageRate              int           `default:"0" placeholder:"N" help:"Messages per second on one connection; over it it is closed with 1008; 0 is any number (${default})."`
	MaxFragments             int           `default:"0" placeholder:"N" help:"Frames in one message; over it the connection is closed with 1008; 0 is --max-message / 64, but 1024 at least (${default})."`
	HandshakeTimeout         time.Duration `default:"5s" placeholder:"DURATION" help:"How long a request may take to arrive (${default})."`
	MessageTimeout           time.Duration `default:"30s" placeholder:"DURATION" help:"How long a message may take to arrive (${default})."`
	CloseTimeout             time.Duration `default:"5s" placeholder:"DURATION" help:"How long a close may go unanswered (${default})."`
	PingInterval             time.Duration `default:"25s" placeholder:"DURATION" help:"Time between pings; who is silent for two is closed; 0s is no pings (${default})."`
	Origin                   []string      `default:"*" placeholder:"ORIGIN" help:"Web origins that may connect, others get 403: scheme://host[:port], self for the host asked for, or * for all (${default})."`
	Subprotocol              []string      `placeholder:"NAME" help:"Sub-protocols to accept, should a peer offer them."`
	Deflate                  bool          `help:"Accept permessage-deflate, should a peer offer it."`

	Drain    time.Duration `default:"5s" placeholder:"DURATION" help:"Time to close connections in at the end, a few at a time (${default})."`
	LogLevel string        `default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Log from debug, info, warn or error upwards (${default})."`
	Open     bool          `help:"Allow addresses that other hosts reach, though nothing asks who connects."`

	Version versionFlag `json:"-" help:"Print the version and exit."`
}

const maxWorkers = 256

// usageError is a mistake in the command line.
type usageError struct{ flag, value, remedy string }

func (e usageError) Error() string { return fmt.Sprintf("--%s %s: %s", e.flag, e.value, e.remedy) }

// check refuses what no flag can express by its type alone.
func (o options) check() error {
	if err := checkAddress("listen", o.Listen, o.Open); err != nil {
		return err
	}
	if err := checkAddress("admin", o.Admin, o.Open); err != nil {
		return err
	}
	wrong := func(flag string, value any, remedy string, args ...any) error {
		return usageError{flag, fmt.Sprint(value), fmt.Sprintf(remedy, args...)}
	}
	const largest = 1 << 30
	switch {
	case o.Workers < 1 || o.Workers > maxWorkers:
		return wrong("workers", o.Workers, "use 1 to %d", maxWorkers)
	case o.Loops < 0 || o.Loops > 1024:
		return wrong("loops", o.Loops, "use 1 to 1024, or 0 for its share of the processors")
	case o.MaxMessage < 1 || o.MaxMessage > largest:
		return wrong("max-message", o.MaxMessage, "use 1B to %v", byteSize(largest))
	case o.Workers > 1 && o.MaxMessage > backplane.MaxPayload:
		return wrong("max-message", o.MaxMessage, "use at most %dB with --workers %d, since messages cross between processes, or --workers 1",
			backplane.MaxPayload, o.Workers)
	case o.MaxBacklog != 0 && o.MaxBacklog < o.MaxMessage:
		return wrong("max-backlog", o.MaxBacklog, "use at least --max-message, %v: one message must fit; or 0", o.MaxMessage)
	case o.Sndbuf != 0 && (o.Sndbuf < 4<<10 || o.Sndbuf > largest):
		return wrong("sndbuf", o.Sndbuf, "use 4KiB to %v, or 0 to let the kernel choose", byteSize(largest))
	case o.MaxBacklogAge != 0 && (o.MaxBacklogAge < shortest || o.MaxBacklogAge > longest):
		return wrong("max-backlog-age", o.MaxBacklogAge, "use %v to %v, or 0s for any time", shortest, longest)
	case o.Drain < 0 || o.Drain > time.Hour:
		return wrong("drain", o.Drain, "use 0s to 1h")
	}
	return o.checkLimits()
}

func checkAddress(flag, address string, open bool) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return usageError{flag, fmt.Sprintf("%q", address), "use HOST:PORT, such as 127.0.0.1:9001"}
	}
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return usageError{flag, address, fmt.Sprintf("%v: use an address of this host", err)}
	}
	if !open && !resolved.IP.IsLoopback() {
		return usageError{flag, address, fmt.Sprintf("other hosts reach this address and nothing asks who connects: use 127.0.0.1:%d, or add --open", resolved.Port)}
	}
	return nil
}

// loops is the number of event loops of each process: its share of the processors, but one at least.
func (o options) loops() int {
	if o.Loops > 0 {
		return o.Loops
	}
	return max(1, runtime.GOMAXPROCS(0)/o.Workers)
}

// level is LogLevel, which the parser has checked.
func (o options) level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// parse reads the command line. When that already ends the program, done is true and code its exit status.
func parse(args []string, stdout, stderr io.Writer) (o options, code int, done bool) {
	type exit int
	defer func() {
		switch e := recover().(type) {
		case nil:
		case exit: // --help and --version end the program from inside the parser
			code, done = int(e), true
		default:
			panic(e)
		}
	}()
	parser, err := kong.New(&o, kong.Name("server"), kong.Description("Reference WebSocket server: echo, rooms, fan-out."),
		kong.Resolvers(kong.ResolverFunc(profile)), kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exit(code)) }))
	if err == nil {
		_, err = parser.Parse(args)
	}
	if err == nil {
		err = o.check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "server: %v\nRun \"server --help\" for the flags.\n", err)
		return o, exitUsage, true
	}
	return o, 0, false
}

type versionFlag bool

// BeforeReset prints the version before any other flag can be found wrong.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	fmt.Fprintf(app.Stdout, "server %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	app.Exit(0)
	return nil
}

// version is set by the linker: a tag, or the commit.
var version = "devel"
