// Package control is how the coordinator of a run and its workers speak:
// versioned messages over a [Link]. Today a link is a pair of pipes; a
// connection to another machine is another Link and nothing else.
//
// The coordinator asks, a worker answers each request with one message, in
// order. Workers say one thing unasked, [Hello], as their first message. What
// the requests make happen is package worker's, whom they are sent to package
// fleet's.
package control

import (
	"errors"
	"net/netip"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
)

// Version of the messages. Both ends must have the same: there is one build of
// the program on each side, and a run measured by two different ones is not one
// run.
const Version = 3

// A Link carries messages between the coordinator and one worker, in order.
type Link interface {
	Send(Message) error
	// Receive waits for the next message. It returns io.EOF when the other end
	// closed between two messages.
	Receive() (Message, error)
	// Close ends the link for both ends, and a Receive under way.
	Close() error
}

// Message is a request or an answer: exactly one field is set.
type Message struct {
	// From a worker.
	Hello   *Hello          `json:"hello,omitempty"`   // first, unasked
	Done    *Done           `json:"done,omitempty"`    // to Assign, Ramp, Begin, Halt
	Status  *Status         `json:"status,omitempty"`  // to Poll
	Closing *Closing        `json:"closing,omitempty"` // to Count
	Owed    *Owed           `json:"owed,omitempty"`    // to Owe
	Account *engine.Account `json:"account,omitempty"` // to Settle
	Records *Records        `json:"records,omitempty"` // to Recall
	Failed  *Failed         `json:"failed,omitempty"`  // to anything; the worker ends

	// From the coordinator.
	Assign *Assign `json:"assign,omitempty"`
	Ramp   *Ramp   `json:"ramp,omitempty"`
	Begin  *Begin  `json:"begin,omitempty"`
	Poll   *Poll   `json:"poll,omitempty"`
	Halt   *Halt   `json:"halt,omitempty"`
	Count  *Count  `json:"count,omitempty"`
	Owe    *Owe    `json:"owe,omitempty"`
	Settle *Settle `json:"settle,omitempty"`
	Recall *Recall `json:"recall,omitempty"`
}

// Hello opens the conversation.
type Hello struct {
	Version int `json:"version"`
	PID     int `json:"pid"`
}

// Assign gives a worker its part of the run. The plan follows from scenario
// and seed, so it does not travel.
type Assign struct {
	Version  int               `json:"version"`
	Worker   int               `json:"worker"`
	Scenario scenario.Scenario `json:"scenario"`
	Seed     uint64            `json:"seed"`
	RunID    uint32            `json:"run_id"` // in every stamp

	Address netip.AddrPort `json:"address"`
	Host    string         `json:"host"` // of the request
	// TLS of a wss URL, and this worker's part of the credentials, which stand
	// in no other message.
	TLS         *engine.TLS        `json:"tls,omitempty"`
	Credentials engine.Credentials `json:"credentials,omitzero"`
	Sources     []netip.Addr       `json:"sources,omitempty"`

	// Epoch is the CLOCK_MONOTONIC reading, in nanoseconds, from which stamps
	// count.
	Epoch    int64   `json:"epoch_ns"`
	InFlight int     `json:"in_flight"`            // of this worker
	RampRate float64 `json:"ramp_rate_per_second"` // of this worker; 0 is unbounded
}

// Ramp starts opening connections. [Status] says when that has ended.
type Ramp struct{}

// Begin starts a phase: publications are due from At on, CLOCK_MONOTONIC in
// nanoseconds. Status says when all have left.
type Begin struct {
	Phase plan.Phase `json:"phase"`
	At    int64      `json:"at_ns"`
}

// Poll asks for the worker's [Status].
type Poll struct{}

// Halt ends a ramp or a phase's sending early.
type Halt struct{}

// Count asks for the closing counts of the worker's publishers.
type Count struct{}

// Owe gives each worker the closing counts of all, and asks how much of that its
// subscribers are still to receive.
type Owe struct {
	Closing []engine.Closing `json:"closing"`
}

// Settle gives each worker the closing counts of all, and asks for the account.
type Settle struct {
	Closing []engine.Closing `json:"closing"`
}

// Recall asks, after Settle, for the records of the publications From to To−1 of
// a fan-out's measured phase. They are no part of the account, because a long
// run's do not fit into one message.
type Recall struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Done says that a request was carried out.
type Done struct{}

// Status is a worker's state.
type Status struct {
	// Ramp is set once the ramp has ended.
	Ramp *engine.Ramp `json:"ramp,omitempty"`
	// Sent: every publication of the phase has left or is unsent.
	Sent bool        `json:"sent"`
	Tick engine.Tick `json:"tick"`
}

// Closing answers Count.
type Closing struct {
	Publishers []engine.Closing `json:"publishers"`
}

// Owed answers Owe.
type Owed struct {
	Deliveries uint64 `json:"deliveries"`
}

// Failed says why a worker cannot go on.
type Failed struct {
	Error string `json:"error"`
}

// errFields is what a message that is not exactly one thing is refused with.
var errFields = errors.New("a message must have exactly one field")

func (m Message) valid() bool {
	set := 0
	for _, present := range [...]bool{
		m.Hello != nil, m.Done != nil, m.Status != nil, m.Closing != nil, m.Owed != nil, m.Account != nil, m.Records != nil, m.Failed != nil,
		m.Assign != nil, m.Ramp != nil, m.Begin != nil, m.Poll != nil, m.Halt != nil, m.Count != nil, m.Owe != nil, m.Settle != nil, m.Recall != nil,
	} {
		if present {
			set++
		}
	}
	return set == 1
}
