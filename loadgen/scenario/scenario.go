// Package scenario holds what a run was asked to do: the declared workload,
// read strictly from YAML or built from flags, with every default filled in.
//
// It holds no addresses, clocks or sockets. What the workload expands to, the
// timetable, is package plan's.
package scenario

import (
	"slices"
	"time"
)

// Bounds of a publication's payload in bytes.
const (
	// MinSize is the length of the stamp that every payload begins with.
	MinSize Size = 48
	// MaxSize is what the stamp's size field can hold, 16 MiB less one byte.
	MaxSize Size = 1<<24 - 1
)

// MinJSONSize is the length of the shortest [JSON] payload.
const MinJSONSize Size = 128

// MaxConnections is what the stamp's publisher and room fields can hold.
const MaxConnections = 1 << 24

// MinIdle is the shortest rest before resident memory is read.
const MinIdle = 500 * time.Millisecond

// A Workload says what the connections do.
type Workload string

const (
	// Fanout: publishers publish into rooms, every subscriber of a room
	// receives every publication.
	Fanout Workload = "fanout"
	// Echo: each connection publishes and receives its own messages back.
	Echo Workload = "echo"
	// Connect: connections are opened and held; nothing is published.
	Connect Workload = "connect"
)

// A Payload says what stands around the stamp.
type Payload string

const (
	// Padding is random ASCII, which no compression makes shorter.
	Padding Payload = "padding"
	// JSON is an object as interfaces exchange them, to about half of its size
	// compressible.
	JSON Payload = "json"
)

// A Basis says from which instant delivery latency counts.
type Basis string

const (
	// FromDue counts from when the plan said the publication should leave, so
	// that a stalled generator or server cannot hide (no coordinated omission).
	FromDue Basis = "due"
	// FromSent counts from the first attempt to write. Meant for overload,
	// where the generator shares the machine with the target and its send lag
	// is printed beside the result.
	FromSent Basis = "sent"
)

// Metric groups, the names that Require lists. Validity is judged per group.
const (
	// GroupDelivery: delivery latency and completion, counted from due time.
	GroupDelivery = "delivery"
	// GroupSentDelivery: delivery latency counted from the first attempt to
	// write, and spread.
	GroupSentDelivery = "sent-delivery"
	// GroupThroughput: deliveries per second.
	GroupThroughput = "throughput"
	// GroupLedger: the account of publications and deliveries.
	GroupLedger = "ledger"
	// GroupConnect: connections per second and the time that each took.
	GroupConnect = "connect"
	// GroupResident: resident memory per connection.
	GroupResident = "resident"
	// GroupCPU: CPU time per delivery.
	GroupCPU = "cpu"
)

// Groups returns every metric group, in the order in which they are documented.
func Groups() []string {
	return []string{GroupDelivery, GroupSentDelivery, GroupThroughput, GroupLedger, GroupConnect, GroupResident, GroupCPU}
}

// Ledger entries, the names that Allow lists.
const (
	AllowLost       = "lost"
	AllowDuplicated = "duplicated"
	AllowReordered  = "reordered"
	AllowCorrupt    = "corrupt"
	AllowMisrouted  = "misrouted"
)

// allowances are every ledger entry that Allow may list.
func allowances() []string {
	return []string{AllowLost, AllowDuplicated, AllowReordered, AllowCorrupt, AllowMisrouted}
}

// Scenario is a declared workload with every default filled in. The zero value
// is not useful: take one from [Load], [Parse], [New] or [Default].
//
// Where a default depends on the workload, it is named for each; "none" means
// that the key does not belong to that workload, stands at 0 and is refused
// with any other value.
type Scenario struct {
	// Name is the file's base name without extension, or "adhoc".
	Name string `yaml:"-" json:"name"`
	// Version, from 1, changes when results from before and after cannot be
	// compared. Default 1.
	Version int `yaml:"version" json:"version"`
	// Question is the one question that the scenario answers. A file must have
	// one.
	Question string `yaml:"question" json:"question"`
	// Workload is fanout, echo or connect. Default fanout.
	Workload Workload `yaml:"workload" json:"workload"`

	// Connections are subscribers (fanout), echoing connections (echo) or held
	// connections (connect). Publishers of a fan-out come on top. 1 to 2^24,
	// default 1,000.
	Connections int `yaml:"connections" json:"connections"`
	// Rooms that the subscribers fall to by Membership. At most one per
	// connection. Default 1; echo and connect none.
	Rooms int `yaml:"rooms" json:"rooms"`
	// Membership is round-robin, or zipf with an exponent up to [MaxExponent]:
	// "zipf:1.2". Default round-robin; echo and connect none.
	Membership Membership `yaml:"membership" json:"membership,omitempty"`
	// Publishers: publisher p publishes to room p mod Rooms; a multiple of
	// Rooms. Default Rooms; echo and connect none.
	Publishers int `yaml:"publishers" json:"publishers"`

	// Rate is publications per second over all publishers (or all echoing
	// connections). An echo at rate 0 is a closed loop with Window messages in
	// flight on each connection. Default fanout 10/s, echo 0; connect none.
	Rate Rate `yaml:"rate" json:"rate_per_second"`
	// Arrivals is constant or poisson. Default constant; a closed loop and
	// connect none.
	Arrivals Arrivals `yaml:"arrivals" json:"arrivals,omitempty"`
	// Window is how many messages a closed-loop echo keeps in flight on each
	// connection. Default 1; anything but a closed-loop echo none.
	Window int `yaml:"window" json:"window"`
	// Size of a publication's payload in bytes, [MinSize] to [MaxSize].
	// Default 128B; none with Sizes, connect none.
	Size Size `yaml:"size" json:"size_bytes"`
	// Sizes is a distribution in place of Size, of up to [MaxSizes] different
	// sizes: "128B:70,1KiB:25,16KiB:5". Each publication's is drawn from the
	// seed. Default none.
	Sizes []WeightedSize `yaml:"sizes" json:"sizes,omitempty"`
	// Binary publishes binary messages instead of text. Default false.
	Binary bool `yaml:"binary" json:"binary"`
	// Payload is padding or json. Default padding; connect none.
	Payload Payload `yaml:"payload" json:"payload,omitempty"`
	// Deflate offers permessage-deflate (RFC 7692) with every handshake. What
	// is delivered compressed is inflated, and publishers that negotiated it
	// compress what gets shorter by it. Default false.
	Deflate bool `yaml:"deflate" json:"deflate,omitempty"`

	// Churn, Slow and Silent are for a fan-out's subscribers, Reconnect for all
	// connections of a fan-out and of connect. Default none of them.
	Churn     Churn     `yaml:"churn" json:"churn,omitzero"`
	Reconnect Reconnect `yaml:"reconnect" json:"reconnect,omitzero"`
	Slow      Slow      `yaml:"slow" json:"slow,omitzero"`
	Silent    Silent    `yaml:"silent" json:"silent,omitzero"`

	// Headers are added to every handshake's request. Default none.
	Headers []Header `yaml:"headers" json:"headers,omitempty"`
	TLS     TLS      `yaml:"tls" json:"tls,omitzero"`

	Phases Phases `yaml:"phases" json:"phases"`

	// Workers are generator processes (default 1), Loops receive loops in each
	// (default 1).
	Workers int `yaml:"workers" json:"workers"`
	Loops   int `yaml:"loops" json:"loops"`
	// ReceiveBuffer is SO_RCVBUF of every subscriber in bytes, at least 4 KiB;
	// 0, the default, leaves the kernel's autotuning alone.
	ReceiveBuffer Size `yaml:"receive-buffer" json:"receive_buffer_bytes"`

	// LatencyFrom is the basis of the delivery latency that the scenario
	// reports first; the other is recorded beside it. Default due; a
	// closed-loop echo has no due times: sent.
	LatencyFrom Basis `yaml:"latency-from" json:"latency_from"`
	// Require lists the metric groups that must be valid for the run to be
	// valid. Default the ledger and delivery or sent-delivery, by LatencyFrom;
	// for connect, connect.
	Require []string `yaml:"require" json:"require"`
	// Allow lists ledger entries that do not fail the run. Default none.
	Allow []string `yaml:"allow" json:"allow"`
	// SLO lists conditions on the run's numbers. A breach fails the run.
	// Default none.
	SLO []Condition `yaml:"slo" json:"slo,omitempty"`

	Target Target `yaml:"target" json:"target"`
	// Server is how bench starts the reference server for this scenario.
	Server Server `yaml:"server" json:"server"`
}

// ClosedLoop: publications follow upon replies instead of a timetable.
func (s Scenario) ClosedLoop() bool { return s.Workload == Echo && s.Rate == 0 }

// Allows: this ledger entry does not fail the run.
func (s Scenario) Allows(entry string) bool { return slices.Contains(s.Allow, entry) }

// Phases are the stretches of a run, in their order.
type Phases struct {
	Ramp Ramp `yaml:"ramp" json:"ramp"`
	// Idle is how long the open connections rest after the last handshake,
	// before resident memory is read. At least [MinIdle], the default.
	Idle time.Duration `yaml:"idle" json:"idle_ns"`
	// WarmUp publishes at the scenario's rate without measuring; its
	// deliveries are in the ledger and in no histogram. Default 2s; connect
	// none.
	WarmUp time.Duration `yaml:"warm-up" json:"warm_up_ns"`
	// Measure is how long publications fall due in the measured phase, or how
	// long connect holds its connections. Default 10s, connect 1s.
	Measure time.Duration `yaml:"measure" json:"measure_ns"`
	// Drain is the longest wait for outstanding deliveries after warm-up and
	// after measure; it ends early when nothing is outstanding. Default 10s;
	// connect none.
	Drain time.Duration `yaml:"drain" json:"drain_ns"`
}

// Ramp opens the connections.
type Ramp struct {
	// InFlight bounds the handshakes under way at once, over all workers.
	// Default 256.
	InFlight int `yaml:"in-flight" json:"in_flight"`
	// Timeout of one connection, from the first SYN to the 101 answer. Default
	// 10s.
	Timeout time.Duration `yaml:"timeout" json:"timeout_ns"`
	// Rate of new connections per second over all workers; 0, the default, is
	// as fast as InFlight lets them.
	Rate Rate `yaml:"rate" json:"rate_per_second"`
}

// Target is how to address the server: paths that may hold {room}, the room's
// number, {connection}, the connection's in the plan, and {token}, its line of
// the token file, percent-encoded. A path in --url takes precedence over both.
type Target struct {
	// Subscribe is the path of subscribers, echoers and held connections.
	// Default /rooms/{room} for a fan-out, else /echo.
	Subscribe string `yaml:"subscribe" json:"subscribe"`
	// Publish is the path of a fan-out's publishers. Default
	// /rooms/{room}?self=0; echo and connect none.
	Publish string `yaml:"publish" json:"publish"`
}

// Server is how bench starts the reference server.
type Server struct {
	// Workers are server processes. Default 1.
	Workers int `yaml:"workers" json:"workers"`
	// Flags are passed on as they are. Default none.
	Flags []string `yaml:"flags" json:"flags,omitempty"`
}
