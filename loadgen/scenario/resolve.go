package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Default is a scenario of which nothing was asked: the defaults that the
// fields of [Scenario] document.
func Default() Scenario {
	d := draft{}
	d.resolve("adhoc")
	return d.Scenario
}

// Hash identifies the workload: SHA-256, in hexadecimal, over the resolved
// scenario as JSON without its name, its question and its conditions. Equal
// hashes ask the same of generator and target.
func (s Scenario) Hash() string {
	s.Name, s.Question, s.SLO = "", "", nil
	// As in results from before there was a choice.
	if s.Payload == Padding {
		s.Payload = ""
	}
	if s.Arrivals == Constant {
		s.Arrivals = ""
	}
	if s.Membership == RoundRobin {
		s.Membership = ""
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // numbers, strings and lists of them always encode
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// draft is a scenario while it is being put together: what has been set, and
// where. An unset key is not the same as one set to 0.
type draft struct {
	Scenario
	set map[string]origin // by dotted key
}

// fill sets a key's default where nothing else was said.
func fill[T any](d *draft, key string, field *T, value T) {
	if _, set := d.set[key]; !set {
		*field = value
	}
}

// resolve fills in every default. The order matters: some depend on others.
func (d *draft) resolve(name string) {
	s := &d.Scenario
	s.Name = name
	fill(d, "version", &s.Version, 1)
	fill(d, "workload", &s.Workload, Fanout)
	fill(d, "question", &s.Question, "How does the target carry this load?")
	fill(d, "connections", &s.Connections, 1000)
	fill(d, "workers", &s.Workers, 1)
	fill(d, "loops", &s.Loops, 1)
	fill(d, "server.workers", &s.Server.Workers, 1)
	fill(d, "phases.ramp.in-flight", &s.Phases.Ramp.InFlight, 256)
	fill(d, "phases.ramp.timeout", &s.Phases.Ramp.Timeout, 10*time.Second)
	fill(d, "phases.idle", &s.Phases.Idle, MinIdle)
	fill(d, "allow", &s.Allow, []string{})
	if s.Slow.Share > 0 {
		fill(d, "slow.buffer", &s.Slow.Buffer, 4<<10)
		fill(d, "slow.pace", &s.Slow.Pace, 1<<10)
	}
	if s.Reconnect.Most > 0 {
		fill(d, "reconnect.first", &s.Reconnect.First, min(100*time.Millisecond, s.Reconnect.Most))
	}
	switch s.Workload {
	case Fanout:
		fill(d, "rooms", &s.Rooms, 1)
		fill(d, "publishers", &s.Publishers, s.Rooms)
		fill(d, "membership", &s.Membership, RoundRobin)
		fill(d, "rate", &s.Rate, 10)
		fill(d, "target.subscribe", &s.Target.Subscribe, "/rooms/{room}")
		fill(d, "target.publish", &s.Target.Publish, "/rooms/{room}?self=0")
	case Echo, Connect:
		fill(d, "target.subscribe", &s.Target.Subscribe, "/echo")
	}
	if s.Workload == Connect {
		fill(d, "phases.measure", &s.Phases.Measure, time.Second)
		fill(d, "latency-from", &s.LatencyFrom, FromDue)
		fill(d, "require", &s.Require, []string{GroupConnect})
		return
	}
	if len(s.Sizes) == 0 {
		fill(d, "size", &s.Size, 128)
	}
	if !s.ClosedLoop() {
		fill(d, "arrivals", &s.Arrivals, Constant)
	}
	fill(d, "payload", &s.Payload, Padding)
	fill(d, "phases.warm-up", &s.Phases.WarmUp, 2*time.Second)
	fill(d, "phases.measure", &s.Phases.Measure, 10*time.Second)
	fill(d, "phases.drain", &s.Phases.Drain, 10*time.Second)
	basis, required := FromDue, GroupDelivery
	if s.ClosedLoop() {
		fill(d, "window", &s.Window, 1)
		basis = FromSent
	}
	fill(d, "latency-from", &s.LatencyFrom, basis)
	if s.LatencyFrom == FromSent {
		required = GroupSentDelivery
	}
	fill(d, "require", &s.Require, []string{required, GroupLedger})
}
