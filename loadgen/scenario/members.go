package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Membership says how subscribers fall to rooms: [RoundRobin], or "zipf:1.2"
// with an exponent.
type Membership string

// RoundRobin: subscriber i is a member of room i mod rooms.
const RoundRobin Membership = "round-robin"

// MaxExponent of a Zipf membership.
const MaxExponent = 10

const membershipForms = `want round-robin, zipf or zipf with its exponent: "zipf:1.2"`

// UnmarshalText reads "round-robin", "zipf" (which is "zipf:1") or "zipf:1.2".
func (m *Membership) UnmarshalText(text []byte) error {
	name := Membership(text)
	if name == "zipf" {
		name = "zipf:1"
	}
	if name != RoundRobin && !(name.Exponent() > 0) {
		return fmt.Errorf("%q is unknown; %s", text, membershipForms)
	}
	*m = name
	return nil
}

// Exponent s of a Zipf membership: room r, from 0, has members in proportion to
// 1 ÷ (r+1)^s, and at least one. It is 0 for any other and NaN where the text
// is no exponent.
func (m Membership) Exponent() float64 {
	text, zipf := strings.CutPrefix(string(m), "zipf:")
	if !zipf {
		return 0
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xXpP_") {
		return math.NaN()
	}
	return s
}

// Churn has subscribers leave and come back during the measured phase.
type Churn struct {
	// Rate of leaving subscribers per second. Each closes with 1000 and comes
	// back as a new one [ChurnAway] later. Default 0, none.
	Rate Rate `yaml:"rate" json:"rate_per_second"`
}

// ChurnAway is how long a subscriber that leaves stays away.
const ChurnAway = 100 * time.Millisecond

// Reconnect has connections come back that the target closes or drops: each
// waits a random part of First, then of twice as much and so on, up to Most
// (exponential back-off with full jitter).
type Reconnect struct {
	// First is the longest wait before the first attempt. Default 100ms where
	// Most is set.
	First time.Duration `yaml:"first" json:"first_ns"`
	// Most is the longest wait before any attempt. Default 0: connections do
	// not come back.
	Most time.Duration `yaml:"most" json:"most_ns"`
}

// Slow has some subscribers really throttled. Their deliveries are in
// histograms and ledger entries of their own and in no others.
type Slow struct {
	// Share of the subscribers. Default 0, none.
	Share Share `yaml:"share" json:"share"`
	// Buffer is their SO_RCVBUF in bytes, at least 4 KiB, the default.
	Buffer Size `yaml:"buffer" json:"buffer_bytes"`
	// Pace at which each of them reads; 0 is to stop reading for good. Default
	// 1KiB/s.
	Pace ByteRate `yaml:"pace" json:"pace_bytes_per_second"`
}

// Silent has some subscribers neither read nor answer after the handshake, as
// peers do whose machine is gone. They are in no account of deliveries.
type Silent struct {
	// Share of the subscribers. Default 0, none.
	Share Share `yaml:"share" json:"share"`
}

// TLS is how connections to a wss:// target are secured.
type TLS struct {
	// ServerName is asked for (SNI, RFC 6066 §3) and must be in the target's
	// certificate. Default the host of --url.
	ServerName string `yaml:"server-name" json:"server_name"`
}

// SlowSubscribers is how many of the subscribers are slow, SilentSubscribers
// how many silent: their shares, rounded, and at least one where a share is not
// 0.
func (s Scenario) SlowSubscribers() int { return s.Slow.Share.of(s.Connections) }

// SilentSubscribers: see [Scenario.SlowSubscribers].
func (s Scenario) SilentSubscribers() int { return s.Silent.Share.of(s.Connections) }

// of is the share of n, rounded; at least one unless the share is 0.
func (s Share) of(n int) int {
	if s == 0 {
		return 0
	}
	return max(1, int(math.Round(float64(s)*float64(n))))
}
