// Package nulltarget is the ideal target, to measure the generator against: an
// echo and a broadcast that do nothing but read and write, on one thread, as
// early as they can or later by an exact, known amount.
//
// It speaks the reference server's paths (/echo and /rooms/{room}), notes by
// its own clock when each delivery was written, and commits the faults that it
// is told to, exactly. It limits nothing and checks nothing: it is not fit to
// serve anybody but loadgen itself. What its notes are held against is the
// business of loadgen's commands.
package nulltarget

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"fanbench/loadgen/internal/perturb"
)

// Config is what a target does with publications.
type Config struct {
	// Batch lets publications that were read together share one write to each
	// member. Otherwise each is written to every member by itself.
	Batch bool `json:"batch,omitempty"`
	// Delays hold publications back, from their arrival to their release:
	// those of publisher p by Delays[p mod len(Delays)], so that each
	// publisher's stay in order. None without.
	Delays []time.Duration `json:"delays_ns,omitempty"`
	// Stall, unless it is 0, is how long the target does nothing at all, once,
	// on the StallAt-th publication that it reads, counted from 1.
	Stall   time.Duration `json:"stall_ns,omitempty"`
	StallAt int           `json:"stall_at,omitempty"`
	// Record notes when each delivery was written; see [Report.Written].
	Record bool `json:"record,omitempty"`
	// Faults to commit. They exclude Record, which would have to tell which
	// of the written deliveries were the publications'.
	Faults []perturb.Fault `json:"faults,omitempty"`
}

// Report is what a target did.
type Report struct {
	Publications int `json:"publications"` // messages read
	// Written is, for each delivery in the order of writing, the target's
	// clock (CLOCK_MONOTONIC) just before the write that completed it, less
	// the due time in the publication's stamp, in nanoseconds. Stamps count
	// due times from the run's epoch, which the target does not know: it is
	// left to the reader to subtract.
	Written []int64 `json:"written_ns,omitempty"`
	// Committed faults. Less than was asked means that their publications
	// never came.
	Committed perturb.Counts `json:"committed"`
}

// Target is one that runs in this process.
type Target struct {
	address netip.AddrPort
	loop    *loop
	ended   chan struct{}
	err     error // why the loop ended; set before ended is closed
}

// Start opens a target on a free port of the loopback address.
func Start(c Config) (*Target, error) {
	if c.Record && len(c.Faults) > 0 {
		return nil, fmt.Errorf("start null target: it records or commits faults, not both")
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start null target: %w", err)
	}
	defer listener.Close() // the loop has a descriptor of its own
	l, err := newLoop(c, listener.(*net.TCPListener))
	if err != nil {
		return nil, fmt.Errorf("start null target: %w", err)
	}
	t := &Target{address: netip.MustParseAddrPort(listener.Addr().String()), loop: l, ended: make(chan struct{})}
	go func() {
		t.err = l.run()
		close(t.ended)
	}()
	return t, nil
}

// Address is where the target accepts connections.
func (t *Target) Address() netip.AddrPort { return t.address }

// Stop ends the target with all of its connections and says what it did. It
// says the same when it is called again.
func (t *Target) Stop() (Report, error) {
	t.loop.stop()
	<-t.ended
	if t.err != nil {
		return Report{}, fmt.Errorf("run null target: %w", t.err)
	}
	return t.loop.report, nil
}
