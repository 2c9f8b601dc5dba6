//go:build linux

package gateway

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/server/internal/fanout"
	"fanbench/server/internal/uring"
)

// fanoutIO is how gateways fan out that a test starts without saying.
var fanoutIO = FanoutUring

// TestByWrite has the tests that deliver, which ran with io_uring, run with write(2).
func TestByWrite(t *testing.T) {
	fanoutIO = FanoutWrite
	defer func() { fanoutIO = FanoutUring }()
	for name, test := range map[string]func(*testing.T){
		"rooms": TestRooms, "fan-out": TestFanOut, "compressed fan-out": TestCompressedFanOut,
		"slow reader": TestSlowReader, "slow reader misses": TestSlowReaderMisses, "slow reader by age": TestSlowReaderByAge,
		"never reads": TestSlowReaderNeverReads, "paused reader": TestPausedReader,
		"reads during a pass": TestReadsAreServedDuringPass, "resets": TestResetsLeaveNothing,
		"pings": TestPings, "deliveries do not allocate": TestDeliveriesDoNotAllocate,
	} {
		t.Run(name, test)
	}
}

// The way of fan-out is what was asked for, or write, said in the log once; the metrics say which.
func TestFanoutIO(t *testing.T) {
	refused := func(after int) func(int) (*uring.Ring, error) {
		return func(size int) (*uring.Ring, error) {
			if after--; after < 0 {
				return nil, unix.EPERM
			}
			return uring.New(size)
		}
	}
	tests := []struct {
		name         string
		cfg          Config
		uring, write uint64 // loops
		warnings     int
	}{
		{"by default", Config{FanoutIO: FanoutUring}, 3, 0, 0},
		{"write", Config{FanoutIO: FanoutWrite}, 0, 3, 0},
		{"not allowed", Config{FanoutIO: FanoutUring, newRing: refused(0)}, 0, 3, 1},
		{"not for all loops", Config{FanoutIO: FanoutUring, newRing: refused(2)}, 0, 3, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			test.cfg.Loops, test.cfg.Log = 3, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			before := descriptors(t)
			g := start(t, test.cfg)
			if got := g.Stats().FanoutLoops; got["uring"] != test.uring || got["write"] != test.write {
				t.Errorf("loops %v, want %d by uring and %d by write", got, test.uring, test.write)
			}
			if got := strings.Count(log.String(), "fan-out by write"); got != test.warnings {
				t.Errorf("%d warnings, want %d: %s", got, test.warnings, log.String())
			}
			c := upgrade(t, g, "/rooms/r")
			c.write(masked(ws.OpText, "hello"))
			c.expect(ws.OpText, "hello")
			_ = c.Close()
			now, cancel := context.WithCancel(t.Context())
			cancel()
			if err := g.Drain(now, 0); err != nil {
				t.Error(err)
			}
			eventually(t, "every descriptor is closed again", func() bool { return descriptors(t) <= before })
		})
	}
}

// What a sink says of each write, by the state of the socket: the same of both sinks, and of a ring that fails in service.
func TestSinks(t *testing.T) {
	for name, sink := range map[string]fanout.Sink{
		"write": writer{}, "uring": ringWriter{ring(t)}, "uring that fails": ringWriter{brokenRing(t)},
	} {
		t.Run(name, func(t *testing.T) {
			const sockets = 11 // more than the ring takes at a time
			var ops [sockets]fanout.Op
			var far [sockets]int
			for i := range ops {
				pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { closeFD(pair[0]); closeFD(pair[1]) })
				far[i] = pair[1]
				c := &conn{fd: int32(pair[0])}
				c.member.Owner = c
				ops[i] = fanout.Op{Member: &c.member, Bytes: []byte{byte(i)}, N: -1, Err: errors.New("not set")}
			}
			const ended, full, short = 3, 5, 7
			if err := unix.Shutdown(int(ops[ended].Member.Owner.(*conn).fd), unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			for n := 1; n > 0; { // until nothing more goes in
				var err error
				if n, err = write(ops[full].Member.Owner.(*conn).fd, make([]byte, 1<<10)); err != nil {
					t.Fatal(err)
				}
			}
			ops[short].Bytes = make([]byte, 16<<20)
			sink.Write(ops[:])
			for i, op := range ops {
				switch i {
				case ended:
					if op.N != 0 || op.Err != unix.EPIPE {
						t.Errorf("ended: %d, %v, want EPIPE", op.N, op.Err)
					}
				case full:
					if op.N != 0 || op.Err != nil {
						t.Errorf("full: %d, %v, want 0", op.N, op.Err)
					}
				case short:
					if op.N <= 0 || op.N >= len(op.Bytes) || op.Err != nil {
						t.Errorf("short: %d, %v, want some", op.N, op.Err)
					}
				default:
					var b [2]byte
					n, err := unix.Read(far[i], b[:])
					if op.N != 1 || op.Err != nil || n != 1 || err != nil || b[0] != byte(i) {
						t.Errorf("socket %d: %d, %v; read %d bytes, first %d, %v", i, op.N, op.Err, n, b[0], err)
					}
				}
			}
		})
	}
}

func ring(t *testing.T) *uring.Ring {
	t.Helper()
	r, err := uring.New(4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// brokenRing is one whose descriptor is no ring any more.
func brokenRing(t *testing.T) *uring.Ring {
	t.Helper()
	others := ringDescriptors(t)
	r := ring(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for fd := range ringDescriptors(t) {
		if !others[fd] {
			if err := unix.Dup3(int(null.Fd()), fd, unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

func ringDescriptors(t *testing.T) map[int]bool {
	t.Helper()
	found := map[int]bool{}
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "anon_inode:[io_uring]" {
			fd, err := strconv.Atoi(filepath.Base(link))
			if err != nil {
				t.Fatal(err)
			}
			found[fd] = true
		}
	}
	return found
}
