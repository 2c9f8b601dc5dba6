package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"fanbench/server/internal/fanout"
	"fanbench/server/internal/gateway"
	"fanbench/server/internal/http1"
)

// profiles are what flags default to, where it is not the default of the flag itself. Limits that a benchmark from one address
// would trip are off in the local one.
var profiles = map[string]map[string]string{
	"local": {},
	"public": {
		"max-connections-per-address": "100",
		"handshake-rate":              "50",
		"message-rate":                "100",
		"origin":                      http1.OwnOrigin,
	},
}

// profile resolves the flags that the command line does not set to the values of the profile that it names.
func profile(context *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, path := range context.Path {
		if path.Flag == nil || path.Flag.Name != "profile" {
			continue
		}
		name, _ := context.FlagValue(path.Flag).(string) // an unknown one is refused when the enum is checked
		if value, ok := profiles[name][flag.Name]; ok {
			return value, nil
		}
	}
	return nil, nil
}

// checkLimits refuses values that no flag can express by its type alone.
func (o options) checkLimits() error {
	counts := []struct {
		flag   string
		value  int
		shared bool // among the workers
	}{
		{"max-connections", o.MaxConnections, true},
		{"max-connections-per-address", o.MaxConnectionsPerAddress, true},
		{"handshake-rate", o.HandshakeRate, true},
		{"message-rate", o.MessageRate, false},
		{"max-fragments", o.MaxFragments, false},
	}
	for _, c := range counts {
		if c.value < 0 || c.value > largestCount {
			return usageError{c.flag, fmt.Sprint(c.value), fmt.Sprintf("use 1 to %d, or 0 for no limit of its own", largestCount)}
		}
		if c.shared && c.value > 0 && c.value < o.Workers {
			return usageError{c.flag, fmt.Sprint(c.value), fmt.Sprintf("use at least %d with --workers %[1]d, as each has its share", o.Workers)}
		}
	}
	for flag, value := range map[string]time.Duration{
		"handshake-timeout": o.HandshakeTimeout, "message-timeout": o.MessageTimeout, "close-timeout": o.CloseTimeout,
	} {
		if value < shortest || value > longest {
			return usageError{flag, value.String(), fmt.Sprintf("use %v to %v", shortest, longest)}
		}
	}
	if o.PingInterval != 0 && (o.PingInterval < shortest || o.PingInterval > longest) {
		return usageError{"ping-interval", o.PingInterval.String(), fmt.Sprintf("use %v to %v, or 0s for no pings", shortest, longest)}
	}
	if _, err := http1.ParseOrigins(o.Origin); err != nil {
		return usageError{"origin", strings.Join(o.Origin, ","), "use origins such as https://example.com:8443 or self, separated by commas, or * alone"}
	}
	for i, name := range o.Subprotocol {
		if !http1.ValidProtocol(name) || slices.Contains(o.Subprotocol[:i], name) {
			return usageError{"subprotocol", fmt.Sprintf("%q", name), "use distinct names of letters, digits and !#$%&'*+-.^_`|~"}
		}
	}
	return nil
}

const (
	largestCount = 1_000_000
	shortest     = 10 * time.Millisecond
	longest      = time.Hour
)

// share is o for worker i: with its part of the limits that hold for all workers together. The kernel spreads connections over the
// workers by chance, so a part may be used up before the whole is; the whole is never exceeded.
func (o options) share(i int) options {
	part := func(n int) int {
		if i < n%o.Workers {
			return n/o.Workers + 1
		}
		return n / o.Workers
	}
	o.MaxConnections, o.MaxConnectionsPerAddress, o.HandshakeRate = part(o.MaxConnections), part(o.MaxConnectionsPerAddress), part(o.HandshakeRate)
	return o
}

// maxBacklog is MaxBacklog with its default.
func (o options) maxBacklog() byteSize {
	if o.MaxBacklog > 0 {
		return o.MaxBacklog
	}
	return max(gateway.DefaultMaxBacklog, o.MaxMessage)
}

// gateway is what the options say to a gateway. They have been checked.
func (o options) gateway() (gateway.Config, error) {
	origins, err := http1.ParseOrigins(o.Origin)
	if err != nil {
		return gateway.Config{}, err
	}
	slow, err := fanout.ParsePolicy(o.Slow)
	if err != nil {
		return gateway.Config{}, err
	}
	return gateway.Config{
		Listen: o.Listen, Loops: o.loops(), SndBuf: int(o.Sndbuf), FanoutIO: gateway.FanoutIO(o.FanoutIO),
		MaxMessage: int64(o.MaxMessage), MaxFragments: o.MaxFragments, Slow: slow, MaxBacklog: int64(o.maxBacklog()), MaxBacklogAge: orNever(o.MaxBacklogAge),
		MaxConnections: o.MaxConnections, MaxPerAddress: o.MaxConnectionsPerAddress,
		HandshakeRate: o.HandshakeRate, MessageRate: o.MessageRate,
		HandshakeTimeout: o.HandshakeTimeout, MessageTimeout: o.MessageTimeout, CloseTimeout: o.CloseTimeout, PingInterval: orNever(o.PingInterval),
		Origins: origins, Subprotocols: o.Subprotocol, Deflate: o.Deflate,
	}, nil
}

// orNever is d for a gateway, whose zero value is the default and not "never".
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}
