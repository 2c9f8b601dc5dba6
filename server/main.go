// Server is fanbench's reference server: WebSocket echo and rooms, with the fan-out of a publication to many subscribers as
// its heart. It is what the other programs measure, and what it serves is
//
//	GET /echo            each message back; ?type=text closes on a binary one
//	GET /rooms/{room}    each message to every member of the room; ?self=0 leaves the sender out
//
// on the --listen address, and /healthz, /readyz, /metrics, /vitals and /debug/pprof/ on the --admin address.
//
//	Usage: server [flags]
//
//	Reference WebSocket server: echo, rooms, fan-out.
//
//	Flags:
//	  -h, --help                      Show context-sensitive help.
//	      --listen=HOST:PORT          Serve connections here (127.0.0.1:9001).
//	      --admin=HOST:PORT           Serve health, metrics and profiles here
//	                                  (127.0.0.1:9002).
//	      --workers=N                 Processes that share the port (1).
//	      --loops=N                   Event loops per process; 0 is its share of
//	                                  processors (0).
//	      --max-message=SIZE          Largest message; over it a connection is
//	                                  closed with 1009 (64KiB).
//	      --slow=POLICY               What happens to a connection that is too far
//	                                  behind: close it with 1008, or leave out
//	                                  for it the oldest that waits, drop-oldest,
//	                                  or what is new until it has caught up,
//	                                  drop-newest (close).
//	      --max-backlog=SIZE          How far a connection may fall behind; 0 is
//	                                  1MiB, or --max-message if that is more (0B).
//	      --max-backlog-age=DURATION
//	                                  How long a publication may wait for a
//	                                  connection; 0s is any time (5s).
//	      --sndbuf=SIZE               The kernel's send buffer per connection;
//	                                  0 lets it tune itself (0).
//	      --fanout-io=WAY             How publications are written to members:
//	                                  write, a system call each, or uring, many at
//	                                  once by io_uring, which is write where the
//	                                  kernel does not allow it (uring).
//	      --profile=NAME              Defaults of the limits: local, or public for
//	                                  peers that nobody knows; docs/limits.md has
//	                                  them (local).
//	      --max-connections=N         Connections at once; over it 503; 0 is as many
//	                                  as there are descriptors (0).
//	      --max-connections-per-address=N
//	                                  Connections at once from one address; over it
//	                                  429; 0 is any number (0).
//	      --handshake-rate=N          New connections per second from one address;
//	                                  over it 429; 0 is any number (0).
//	      --message-rate=N            Messages per second on one connection; over it
//	                                  it is closed with 1008; 0 is any number (0).
//	      --max-fragments=N           Frames in one message; over it the connection
//	                                  is closed with 1008; 0 is --max-message / 64,
//	                                  but 1024 at least (0).
//	      --handshake-timeout=DURATION
//	                                  How long a request may take to arrive (5s).
//	      --message-timeout=DURATION
//	                                  How long a message may take to arrive (30s).
//	      --close-timeout=DURATION    How long a close may go unanswered (5s).
//	      --ping-interval=DURATION    Time between pings; who is silent for two is
//	                                  closed; 0s is no pings (25s).
//	      --origin=ORIGIN,...         Web origins that may connect, others get 403:
//	                                  scheme://host[:port], self for the host asked
//	                                  for, or * for all (*).
//	      --subprotocol=NAME,...      Sub-protocols to accept, should a peer offer
//	                                  them.
//	      --deflate                   Accept permessage-deflate, should a peer offer
//	                                  it.
//	      --drain=DURATION            Time to close connections in at the end,
//	                                  a few at a time (5s).
//	      --log-level=LEVEL           Log from debug, info, warn or error upwards
//	                                  (info).
//	      --open                      Allow addresses that other hosts reach,
//	                                  though nothing asks who connects.
//	      --version                   Print the version and exit.
//
// The limits, what a peer sees of each and what counts it are in docs/limits.md. --profile public is for an address that others
// reach: it limits what one address and one connection may do, as a benchmark from one address could not bear.
//
// With several workers --max-connections, --max-connections-per-address and --handshake-rate hold for all of them: each has its
// share.
//
// Sizes are bytes, or have a unit: B, KiB, MiB, GiB. Durations are Go's: 500ms, 5s.
//
// One process holds at most as many connections as its descriptor limit allows (the soft limit is raised to the hard one at
// the start, and the log says what that leaves). --workers N starts N processes on one port under a supervisor; publications
// cross between them over a NATS broker inside the supervisor, and a worker that dies is started again. The admin address
// then answers for all: metrics carry the label worker, and /workers/{i}/debug/pprof/ are worker i's profiles.
//
// Nothing asks who connects, so the server binds loopback addresses only, unless --open says otherwise.
//
// SIGTERM or SIGINT drains: not ready any more, no new connections, the open ones closed with 1001 in random order and evenly over
// four fifths of --drain, so that they do not all come back elsewhere at once, the rest of it for the last ones' answers, exit 0.
// What was published before its close a connection gets first. A second signal ends the server at once.
//
// The garbage collector runs at GOGC=50 unless the environment sets GOGC: the memory of tens of thousands of idle
// connections is live heap, on top of which Go's default of 100 would keep as much again for garbage.
//
// Once it knows its options the program begins anew, as the same process: so all of its threads get the shortest turns on the CPU
// that the scheduler gives and a timer slack of 4 ms. Where that is not allowed it goes on without, and the log says so.
//
// Exit status: 0 drained; 2 bad flag; 3 could not serve or had to stop; 130 or 143 on a second SIGINT or SIGTERM.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
