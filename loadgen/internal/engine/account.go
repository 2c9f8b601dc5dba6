package engine

import (
	"slices"
	"time"

	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

// Names of the histograms in an [Account].
const (
	Delivery     = "delivery"      // arrival − due time
	SentDelivery = "sent-delivery" // arrival − first attempt to write; of a closed-loop echo the round trip
	SlowDelivery = "slow-delivery" // arrival − due time, at slow subscribers
	Recovery     = "recovery"      // a connection's loss to its being open again; of the whole run
	ReadLag      = "read-lag"      // read − arrival
	ReadDelivery = "read-delivery" // read − first attempt to write; of a closed loop only
	SendLag      = "send-lag"      // first attempt to write − due time
	Blocked      = "blocked"       // accepted by the kernel − first attempt to write
	TLSHandshake = "tls-handshake" // the TLS handshake's end − the TCP connection's beginning; of the whole run
)

// Records says whether the histogram of a name is recorded here, so that ticks
// have it too.
func Records(name string) bool { return slices.Contains(kindNames[:], name) }

// Ramp is what became of the connections of one worker.
type Ramp struct {
	Requested int `json:"requested"`
	Opened    int `json:"opened"`
	// NotAttempted connections were given up, because all before them had
	// failed. They are in no failure's count.
	NotAttempted int `json:"not_attempted"`
	// Deflated is how many of the opened negotiated permessage-deflate.
	Deflated int              `json:"deflated"`
	Failures []result.Failure `json:"failures,omitempty"`
	// Connect counts from just before connect(2) to the arrival of the 101
	// answer.
	Connect *latency.Histogram `json:"connect"`
	Seconds float64            `json:"seconds"`
}

// Tick is one worker's reading. Counts run from the engine's start; histograms
// have what was recorded since the tick before.
type Tick struct {
	Open   int    `json:"open"`
	Failed int    `json:"failed"` // never opened
	Closed uint64 `json:"closed"` // opened and gone, whoever closed
	Away   int    `json:"away"`   // left by the plan's churn, and not back

	Sent   uint64 `json:"sent"`
	Unsent uint64 `json:"unsent"`
	// Expected deliveries, over all workers, of what this worker sent: each
	// publication times its room's planned subscribers. Summed over the
	// workers and less their Delivered it is what is outstanding, as long as
	// no subscriber is gone.
	Expected   uint64 `json:"expected"`
	Delivered  uint64 `json:"delivered"` // unique, both phases
	Duplicated uint64 `json:"duplicated"`
	Reordered  uint64 `json:"reordered"`
	Missing    uint64 `json:"missing"` // in open gaps just now
	Corrupt    uint64 `json:"corrupt"`
	Misrouted  uint64 `json:"misrouted"`

	// Histograms by name, as in an [Account]; those without a record are left
	// out.
	Histograms map[string]*latency.Histogram `json:"histograms,omitempty"`

	// Loops is the CPU time of each receiver and, last, of the sender, since
	// the engine's start.
	Loops []time.Duration `json:"loops_ns"`
	// RunDelays is how long the same threads were runnable and waited for a CPU,
	// since their start; nil where the kernel does not count that.
	RunDelays []time.Duration `json:"run_delays_ns,omitempty"`
}

// Closing is how many publications of one publisher left, by phase: those of
// the sequences from 0 on, without the holes, which are what stayed unsent
// before something that left.
type Closing struct {
	Publisher int           `json:"publisher"`
	WarmUp    uint64        `json:"warm_up"`
	Measure   uint64        `json:"measure"`
	Holes     []ledger.Span `json:"holes,omitempty"`
}

// sequences is how the ledger counts them.
func (c Closing) sequences() ledger.Closing {
	end := c.WarmUp + c.Measure
	for _, h := range c.Holes {
		end += uint64(h.End - h.First)
	}
	return ledger.Closing{End: uint32(end), Holes: c.Holes}
}

// An Outage is a time in which connections that the target had ended were not
// all open again, CLOCK_MONOTONIC in nanoseconds.
type Outage struct {
	From int64 `json:"from_ns"`
	To   int64 `json:"to_ns"`
}

// PublicationRecord is one measured publication as some of the subscribers
// received it; without arrivals its Count is 0. Each receiver holds one for every
// publication of the phase, see [scenario.MaxPublications]. First, Middle and Last
// are arrival − due time, in nanoseconds. Middle is that of the delivery with which
// half of the receivers had been read: the median as long as they are read in the
// order in which they arrived, or off by as much as deliveries near the middle were
// read out of order. Of several receivers and workers it is the mean of theirs, by
// their counts.
type PublicationRecord struct {
	First, Middle, Last int64
	Count               uint32
}

// Account is one worker's final word, but for its [Engine.Records].
type Account struct {
	// Ledger has this worker's part of each field: planned, sent and unsent of
	// its own publishers, everything else of its own subscribers.
	Ledger result.Ledger `json:"ledger"`
	// Slow and Silent are what became of subscribers that are in no other
	// count, histogram or record.
	Slow   result.Apart `json:"slow"`
	Silent result.Apart `json:"silent"`

	// Left subscribers closed by the plan's churn, and Joined came back.
	Left   uint64 `json:"left"`
	Joined uint64 `json:"joined"`
	// Reconnects are connections open again that the target had ended;
	// FailedReturns attempts, of either kind, that failed.
	Reconnects    uint64 `json:"reconnects"`
	FailedReturns uint64 `json:"failed_returns"`
	// Outages that are over, in their order. Lost connections are not open
	// again at the end.
	Outages []Outage `json:"outages,omitempty"`
	Lost    uint64   `json:"lost"`

	// ClosedByTarget is how many connections the target ended.
	ClosedByTarget uint64           `json:"closed_by_target"`
	Failures       []result.Failure `json:"failures,omitempty"` // of the ramp and after it

	// Histograms of the measured phase by name; see [Delivery] and the others.
	Histograms map[string]*latency.Histogram `json:"histograms"`

	// Arrivals of measured deliveries by what their time rests on: the last
	// frame of a read has its own kernel stamp, an earlier one shares it as an
	// upper bound, and without a stamp the time of the read stands in.
	ExactStamps   uint64 `json:"exact_stamps"`
	BoundStamps   uint64 `json:"bound_stamps"`
	MissingStamps uint64 `json:"missing_stamps"`
	// ClampedStamps were later than their read and count as the read.
	ClampedStamps uint64 `json:"clamped_stamps"`
	// SlowExactStamps is the same as ExactStamps of the deliveries to slow
	// subscribers, which are in none of the counts above. The kernel merges what
	// waits in a receive buffer and keeps the last segment's stamp; whatever is
	// read of it a part at a time has a bound.
	SlowExactStamps uint64 `json:"slow_exact_stamps"`
	// ClockSteps is how often CLOCK_REALTIME was seen to jump.
	ClockSteps uint64 `json:"clock_steps"`

	// FilledBuffers counts the times that emptying a receive buffer brought at
	// least half of the receive window: the target's bytes may have waited
	// outside, where no stamp sees them. FilledConnections counts the
	// connections that they fell on.
	FilledBuffers     uint64 `json:"filled_buffers"`
	FilledConnections uint64 `json:"filled_connections"`
	Reads             uint64 `json:"reads"` // recvmsg calls on open connections
	ReadBytes         uint64 `json:"read_bytes"`
	// Glued are frames that arrived in one read with their connection's 101
	// answer. They count like all others.
	Glued uint64 `json:"glued"`
	// ToPublishers are messages that arrived on a fan-out's publishing
	// connections. They are read and not looked at.
	ToPublishers uint64 `json:"to_publishers"`

	// FirstArrival and LastArrival of measured deliveries, CLOCK_MONOTONIC in
	// nanoseconds; 0 if nothing arrived.
	FirstArrival int64 `json:"first_arrival_ns"`
	LastArrival  int64 `json:"last_arrival_ns"`

	// LoopCPU is the CPU time of each receiver and, last, of the sender, from
	// the measured phase's Begin to Settle.
	LoopCPU []time.Duration `json:"loop_cpu_ns"`
	// SenderScheduling is how the sender's thread came before others:
	// "SCHED_FIFO", the same until it took too much of a CPU, "nice -20", or
	// "as others".
	SenderScheduling string `json:"sender_scheduling"`
	// GCPauses of the process since the engine's start.
	GCPauses     int64         `json:"gc_pauses"`
	GCPauseTotal time.Duration `json:"gc_pause_total_ns"`
	GCPauseMax   time.Duration `json:"gc_pause_max_ns"`
}
