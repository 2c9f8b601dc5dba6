package engine

import (
	"fmt"
	"net/netip"

	"fanbench/loadgen/internal/plan"
)

// Config is what an engine works from.
type Config struct {
	Plan   *plan.Plan
	Worker int // its share of the plan
	// RunID is in every stamp, so that what another run left behind is told
	// apart. Its lowest 30 bits count.
	RunID uint32

	Address netip.AddrPort // to connect to
	Host    string         // for the request's Host field
	// TLS of a wss URL; nil for ws.
	TLS         *TLS
	Credentials Credentials
	// Path of a connection's request target, with its query.
	Path func(plan.Connection) string
	// Sources are the local addresses to bind in turn; empty: the kernel
	// chooses.
	Sources []netip.Addr

	// Epoch is the CLOCK_MONOTONIC reading, in nanoseconds, from which stamps
	// count due times. The same in all workers, and before the first Begin.
	Epoch int64

	// InFlight bounds this worker's handshakes under way at once.
	InFlight int
	// RampRate is this worker's part of the connections per second; 0 is as
	// fast as InFlight lets them.
	RampRate float64
}

func (c Config) validate() error {
	switch {
	case c.Plan == nil:
		return fmt.Errorf("configure engine: no plan")
	case c.Worker < 0 || c.Worker >= c.Plan.Workers():
		return fmt.Errorf("configure engine: worker %d of %d", c.Worker, c.Plan.Workers())
	case !c.Address.IsValid():
		return fmt.Errorf("configure engine: no address")
	case c.Path == nil:
		return fmt.Errorf("configure engine: no path")
	case c.InFlight < 1:
		return fmt.Errorf("configure engine: %d handshakes in flight, want at least 1", c.InFlight)
	}
	return c.Credentials.validate(c.Plan.Scenario().Target, len(c.Plan.Share(c.Worker).Connections))
}
