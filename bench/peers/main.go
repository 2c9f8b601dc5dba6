// Peers are small servers on other foundations, to hold the reference server
// against: the same two endpoints, and nothing else.
//
//	GET /echo            each message back
//	GET /rooms/{room}    each message to every member of the room; ?self=0 leaves the sender out
//
//	Usage: peers KIND [flags]
//
//	Kinds:
//	  floor     the smallest honest server: epoll and one write(2) per delivery
//	  gorilla   gorilla/websocket: prepared messages and a write pump per connection
//	  gws       lxzan/gws: its Broadcaster
//	  reader    no server: the smallest honest load generator, which reads from one
//
//	Flags:
//	  --listen=HOST:PORT   serve connections here (127.0.0.1:9001)
//	  --admin=HOST:PORT    answer /readyz here (127.0.0.1:9002)
//	  --loops=N            event loops of floor (1)
//
//	Flags of reader, which prints its CPU time per delivery:
//	  --connect=HOST:PORT  read from the server here (127.0.0.1:9001)
//	  --connections=N      subscribers of one room (1000)
//	  --rate=N             publish N a second (10)
//	  --size=N             publications of N bytes (128)
//	  --duration=DURATION  publish for so long (10s)
//
// None of them limits what a peer may do, and nothing asks who connects: they
// bind loopback addresses only. SIGTERM or SIGINT ends them at once. The soft
// descriptor limit is raised to the hard one, as Go does at the start of every
// program.
//
// Exit status: 0 ended by a signal; 2 bad flag; 3 could not serve.
//
// This is a module of its own, so that the libraries stay out of the project's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"fanbench/bench/peers/internal/floor"
	"fanbench/bench/peers/internal/gorilla"
	"fanbench/bench/peers/internal/gws"
)

const (
	exitFine    = 0
	exitUsage   = 2
	exitNoServe = 3
)

// kinds are what can be served.
var kinds = []string{"floor", "gorilla", "gws"}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, signals))
}

// run serves until a signal and returns the exit status.
func run(args []string, stdout, stderr io.Writer, signals <-chan os.Signal) int {
	if len(args) > 0 && args[0] == "reader" {
		return read(args[1:], stdout, stderr)
	}
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitFine
	}
	if err != nil {
		fmt.Fprintf(stderr, "peers: %v\n", err)
		return exitUsage
	}
	if err := serve(o, stderr, signals); err != nil {
		fmt.Fprintf(stderr, "peers: %v\n", err)
		return exitNoServe
	}
	return exitFine
}

// options are the command line.
type options struct {
	kind, listen, admin string
	loops               int
}

func parse(args []string, stdout io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:9001", "serve connections on `HOST:PORT`")
	flags.StringVar(&o.admin, "admin", "127.0.0.1:9002", "answer /readyz on `HOST:PORT`")
	flags.IntVar(&o.loops, "loops", 1, "`N` event loops of floor")
	help := func() {
		fmt.Fprintf(stdout, "Usage: peers %s [flags]\n", strings.Join(kinds, "|"))
		flags.SetOutput(stdout)
		flags.PrintDefaults()
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		if len(args) > 0 && slices.Contains([]string{"-h", "-help", "--help"}, args[0]) {
			help()
			return o, flag.ErrHelp
		}
		return o, fmt.Errorf("no kind: want %s, and then the flags", strings.Join(kinds, ", "))
	}
	if o.kind = args[0]; !slices.Contains(kinds, o.kind) {
		return o, fmt.Errorf("%s: no such kind; want %s", o.kind, strings.Join(kinds, ", "))
	}
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			help()
		}
		return o, err
	}
	return o, o.check(flags)
}

func (o options) check(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument", flags.Arg(0))
	}
	if o.loops < 1 || o.loops > 256 {
		return fmt.Errorf("--loops %d: use 1 to 256", o.loops)
	}
	if o.loops > 1 && o.kind != "floor" {
		return fmt.Errorf("--loops %d: only floor has event loops; leave it out with %s", o.loops, o.kind)
	}
	for _, a := range []struct{ flag, value string }{{"listen", o.listen}, {"admin", o.admin}} {
		resolved, err := net.ResolveTCPAddr("tcp", a.value)
		if err != nil {
			return fmt.Errorf("--%s %s: %w; use HOST:PORT", a.flag, a.value, err)
		}
		if !resolved.IP.IsLoopback() {
			return fmt.Errorf("--%s %s: other hosts reach this address and nothing asks who connects; use 127.0.0.1:%d", a.flag, a.value, resolved.Port)
		}
	}
	return nil
}

// serve ends with a signal, which is no error, or with a server.
func serve(o options, stderr io.Writer, signals <-chan os.Signal) error {
	admin, err := net.Listen("tcp", o.admin)
	if err != nil {
		return err
	}
	defer admin.Close()
	ended := make(chan error, 2)
	address, err := start(o, ended)
	if err != nil {
		return err
	}
	// Asked only from here on: what listens accepts.
	ready := http.NewServeMux()
	ready.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	go func() { ended <- http.Serve(admin, ready) }()
	fmt.Fprintf(stderr, "peers: %s listening on %s\n", o.kind, address)
	select {
	case <-signals:
		return nil
	case err := <-ended:
		return err
	}
}

// start listens and serves in the background. The server's end goes to ended;
// nothing but the program's ends it in an orderly way.
func start(o options, ended chan<- error) (net.Addr, error) {
	if o.kind == "floor" {
		s, err := floor.Listen(o.listen, o.loops)
		if err != nil {
			return nil, err
		}
		go func() { ended <- s.Serve() }()
		return s.Addr(), nil
	}
	handler := gorilla.New()
	if o.kind == "gws" {
		handler = gws.New()
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, err
	}
	go func() { ended <- http.Serve(l, handler) }()
	return l.Addr(), nil
}
