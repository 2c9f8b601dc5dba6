package verdict

import (
	"math"
	"slices"
	"time"

	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Names of the guards.
const (
	Connected      = "connected"
	TargetAlive    = "target-alive"
	Held           = "held"
	Sent           = "sent"
	Drained        = "drained"
	LedgerAgrees   = "ledger-agrees"
	SendLag        = "send-lag"
	ReadLag        = "read-lag"
	GeneratorCPU   = "generator-cpu"
	ReceiveBuffers = "receive-buffers"
	Stamps         = "stamps"
	ExactStamps    = "exact-stamps"
	LittlesLaw     = "littles-law"
	Pause          = "pause"
	RunDelay       = "run-delay"
	TargetDelay    = "target-run-delay"
	Pressure       = "cpu-pressure"
	Steal          = "steal"
	Throttling     = "throttling"
	GCPause        = "gc-pause"
	ClockSteps     = "clock-steps"
	Retransmits    = "retransmits"
)

// Limits of the guards.
const (
	// least is the lag that needs no excuse: below it a lag is the scheduler's
	// grain on a busy machine, and no fan-out worth measuring is shorter.
	least = time.Millisecond
	// sendLagShare: send lag is part of every latency from due time, so its p99
	// may be this share of the median delivery at most. The error then stays
	// below what comparisons can resolve.
	sendLagShare = 0.05
	// readLagShare: read lag is in no figure by arrival. Past this share of the
	// p99 from sent, though, the generator is a good part of the queue.
	readLagShare = 0.10
	// loopShare: above it a loop has no time left to catch up in.
	loopShare = 0.90
	// missingShare: with fewer deliveries outstanding or without a stamp, no
	// quantile up to p99 can move noticeably.
	missingShare = 0.001
	// exactShare: with fewer stamps of their own, quantiles are those of bounds.
	exactShare = 0.90
	// littleShare is by how much the two sides of Little's law may differ. The
	// windows open one after the other, and the last round trips end late.
	littleShare = 0.10
)

// arrival is what the kernel's receive time stamps rest under.
var arrival = []string{scenario.GroupDelivery, scenario.GroupSentDelivery, scenario.GroupThroughput}

// guards applies every guard for which there is evidence.
func guards(e Evidence) []result.Guard {
	var all []result.Guard
	for _, guard := range []func(Evidence) (result.Guard, bool){
		connected, targetAlive, held, sent, drained, ledgerAgrees, sendLag, readLag, generatorCPU, receiveBuffers, stamps, exactStamps,
		littlesLaw, paused, runDelay, targetDelay, pressure, steal, throttling, gcPause, clockSteps, retransmits,
	} {
		if g, applies := guard(e); applies {
			if !g.Tripped {
				g.Voids, g.Remedy = nil, ""
			}
			all = append(all, g)
		}
	}
	return all
}

func connected(e Evidence) (result.Guard, bool) {
	if e.Requested == 0 {
		return result.Guard{}, false
	}
	remedy := "see the failures: the target refused or did not answer"
	if generatorFailed(e.Failures) {
		remedy = "see the failures: raise the descriptor limit, widen the port range or use more --workers"
	}
	return result.Guard{
		Name: Connected, Value: ratio(float64(e.Opened), float64(e.Requested)), Limit: 1, Unit: "1",
		Tripped: e.Opened < e.Requested, Remedy: remedy,
		Voids: []string{scenario.GroupDelivery, scenario.GroupSentDelivery, scenario.GroupThroughput,
			scenario.GroupConnect, scenario.GroupResident, scenario.GroupCPU},
	}, true
}

func targetAlive(e Evidence) (result.Guard, bool) {
	if e.TargetAlive == nil {
		return result.Guard{}, false
	}
	alive := 0.0
	if *e.TargetAlive {
		alive = 1
	}
	return result.Guard{
		Name: TargetAlive, Value: &alive, Limit: 1, Unit: "1", Tripped: !*e.TargetAlive,
		Voids: scenario.Groups(), Remedy: "see the target's log: it ended or closed its connections",
	}, true
}

// held trips where connections that opened were gone before they had done what
// they were opened for: to be counted in resident memory and, where they are
// only held, to last.
func held(e Evidence) (result.Guard, bool) {
	if e.Held == nil || e.Opened == 0 {
		return result.Guard{}, false
	}
	voids := []string{scenario.GroupResident}
	if e.Scenario.Workload == scenario.Connect {
		voids = append(voids, scenario.GroupConnect, scenario.GroupCPU)
	}
	return result.Guard{
		Name: Held, Value: ratio(float64(*e.Held), float64(e.Opened)), Limit: 1, Unit: "1", Tripped: *e.Held < e.Opened,
		Voids: voids, Remedy: "see the failures: the target closed connections that were only held open",
	}, true
}

func sent(e Evidence) (result.Guard, bool) {
	if e.Ledger.Planned == 0 || e.Scenario.ClosedLoop() || e.Abandoned {
		return result.Guard{}, false
	}
	return result.Guard{
		Name: Sent, Value: ratio(float64(e.Ledger.Sent), float64(e.Ledger.Planned)), Limit: 1, Unit: "1",
		Tripped: e.Ledger.Sent < e.Ledger.Planned, Voids: arrival,
		Remedy: "see the failures and blocked: publishers were gone, or the target did not read from them",
	}, true
}

func drained(e Evidence) (result.Guard, bool) {
	if e.Outstanding == nil || e.Ledger.Expected == 0 {
		return result.Guard{}, false
	}
	share := ratio(float64(*e.Outstanding), float64(e.Ledger.Expected))
	return result.Guard{
		Name: Drained, Value: share, Limit: missingShare, Unit: "1",
		// A target that may drop deliveries leaves some outstanding for good.
		Tripped: *share > missingShare && !e.Scenario.Allows(scenario.AllowLost),
		Voids:   arrival, Remedy: "lengthen phases.drain, or lower the rate",
	}, true
}

func ledgerAgrees(e Evidence) (result.Guard, bool) {
	if e.Ledger.Expected == 0 {
		return result.Guard{}, false
	}
	agrees := 0.0
	if e.Ledger.GapsAgree {
		agrees = 1
	}
	return result.Guard{
		Name: LedgerAgrees, Value: &agrees, Limit: 1, Unit: "1", Tripped: !e.Ledger.GapsAgree,
		Voids:  []string{scenario.GroupLedger, scenario.GroupThroughput, scenario.GroupCPU},
		Remedy: "report it: the two counts of losses differ, which is a fault of the generator",
	}, true
}

func sendLag(e Evidence) (result.Guard, bool) {
	if empty(e.SendLag) || e.Scenario.ClosedLoop() {
		return result.Guard{}, false
	}
	limit := least.Seconds()
	if !empty(e.Delivery) {
		limit = max(limit, sendLagShare*e.Delivery.Quantile(0.5).Seconds())
	}
	lag := e.SendLag.Quantile(0.99).Seconds()
	return result.Guard{
		Name: SendLag, Value: &lag, Limit: limit, Unit: "seconds", Tripped: lag > limit,
		Voids:  []string{scenario.GroupDelivery},
		Remedy: "use latency-from sent, lower the rate or give the generator its own CPUs",
	}, true
}

func readLag(e Evidence) (result.Guard, bool) {
	if empty(e.ReadLag) {
		return result.Guard{}, false
	}
	limit := least.Seconds()
	if !empty(e.SentDelivery) {
		limit = max(limit, readLagShare*e.SentDelivery.Quantile(0.99).Seconds())
	}
	lag := e.ReadLag.Quantile(0.99).Seconds()
	g := result.Guard{
		Name: ReadLag, Value: &lag, Limit: limit, Unit: "seconds", Tripped: lag > limit,
		Remedy: "give the generator its own CPUs, more --workers or fewer connections",
	}
	// A closed loop publishes when it reads: its pace is the generator's.
	if e.Scenario.ClosedLoop() {
		g.Voids = []string{scenario.GroupThroughput}
	}
	return g, true
}

func generatorCPU(e Evidence) (result.Guard, bool) {
	if e.BusiestLoop == nil {
		return result.Guard{}, false
	}
	g := result.Guard{
		Name: GeneratorCPU, Value: e.BusiestLoop, Limit: loopShare, Unit: "1", Tripped: *e.BusiestLoop > loopShare,
		Remedy: "use more --workers on idle CPUs, or fewer connections",
	}
	if e.Scenario.ClosedLoop() {
		g.Voids = []string{scenario.GroupThroughput}
	}
	return g, true
}

// receiveBuffers trips on every buffer that filled, but voids only if the
// generator was behind with reading: then the target had to wait for it, so
// that arrivals were late, and may have closed connections as too slow. A
// target that sends much at once fills buffers without anybody's fault.
func receiveBuffers(e Evidence) (result.Guard, bool) {
	if e.Arrivals == 0 {
		return result.Guard{}, false
	}
	filled := float64(e.FilledBuffers)
	g := result.Guard{
		Name: ReceiveBuffers, Value: &filled, Limit: 0, Unit: "1", Tripped: filled > 0,
		Remedy: "give the generator its own CPUs, more --workers or a larger receive-buffer",
	}
	if lag, known := readLag(e); known && lag.Tripped {
		g.Voids = append(g.Voids, arrival...)
		if e.Ledger.LostDown > 0 {
			g.Voids = append(g.Voids, scenario.GroupLedger)
		}
	}
	return g, true
}

func stamps(e Evidence) (result.Guard, bool) {
	if e.Arrivals == 0 {
		return result.Guard{}, false
	}
	missing := ratio(float64(e.StampsMissing), float64(e.Arrivals))
	return result.Guard{
		Name: Stamps, Value: missing, Limit: missingShare, Unit: "1", Tripped: *missing > missingShare,
		Voids: arrival, Remedy: "measure on a kernel with SO_TIMESTAMPNS on TCP, Linux 4.14 or later",
	}, true
}

// exactStamps trips where arrivals that share a later one's stamp are read late:
// then their latency is a bound, which can be above what it was. It voids
// nothing, for it flatters nobody; where the reader was held up by others the
// guards on the machine void. Where reading is prompt, what shares a stamp
// arrived together, for the target sent it so.
func exactStamps(e Evidence) (result.Guard, bool) {
	if e.Arrivals == 0 {
		return result.Guard{}, false
	}
	exact := ratio(float64(e.StampsExact), float64(e.Arrivals))
	lag, known := readLag(e)
	return result.Guard{
		Name: ExactStamps, Value: exact, Limit: exactShare, Unit: "1",
		Tripped: *exact < exactShare && known && lag.Tripped,
		Remedy:  "give the generator its own CPUs, more --workers or fewer connections",
	}, true
}

// littlesLaw holds throughput and round trips of a closed loop against each
// other: connections × window = throughput × mean time of a message in the loop,
// from the reply that makes room for it to the reading of its own reply. The
// value is the right side over the left. Messages that are gone shrink the
// window, which is no fault of the instrument.
func littlesLaw(e Evidence) (result.Guard, bool) {
	if !e.Scenario.ClosedLoop() || empty(e.SentDelivery) || empty(e.ReadLag) || e.Opened < e.Requested ||
		e.Ledger.Lost > 0 || e.Interrupted || e.Abandoned || e.TargetAlive != nil && !*e.TargetAlive {
		return result.Guard{}, false
	}
	around := e.SentDelivery.Mean() + e.ReadLag.Mean()
	if !empty(e.SendLag) {
		around += e.SendLag.Mean()
	}
	measured := e.Scenario.Phases.Measure
	value := ratio(float64(e.SentDelivery.Count())*around.Seconds(), float64(e.Opened*e.Scenario.Window)*measured.Seconds())
	// The last round trip of each begins inside the phase and ends outside.
	limit := littleShare + around.Seconds()/measured.Seconds()
	return result.Guard{
		Name: LittlesLaw, Value: value, Limit: limit, Unit: "1", Tripped: math.Abs(*value-1) > limit,
		Voids:  []string{scenario.GroupSentDelivery, scenario.GroupThroughput},
		Remedy: "report it: throughput and round trips contradict each other, which is a fault of the generator",
	}, true
}

// generatorFailed: some connections failed for want of something on the
// generator's machine.
func generatorFailed(failures []result.Failure) bool {
	return slices.ContainsFunc(failures, result.Failure.OwnMachine)
}

func empty(h *latency.Histogram) bool { return h == nil || h.Count() == 0 }

func ratio(part, whole float64) *float64 {
	share := part / whole
	return &share
}
