package verdict

import (
	"slices"
	"time"

	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Limits of the guards on the generator's machine.
const (
	// standstill is longer than any scheduler keeps a process waiting that is
	// not stopped, and than any pass of a loop takes.
	standstill = time.Second
	// delayShare: a loop that waits longer for a CPU cannot read at once what
	// arrives at any time.
	delayShare = 0.05
	// othersShare of the CPUs in use by neither target nor generator: a guard's
	// whole machine at rest stays far below.
	othersShare = 0.10
	// pressureShare of the time in which somebody waited for a CPU.
	pressureShare = 0.50
	// disturbedShare of the time taken away from everything on the machine: from
	// here on a p99 may be made of nothing else.
	disturbedShare = 0.01
	// resentShare: what is sent again arrives a timeout late, so that the share
	// is that of missingShare.
	resentShare = 0.001
	// pauseShare: a collection may not be longer than this share of the p99.
	pauseShare = 0.10
)

// disturbed is what rests on the machine's having run the generator throughout.
func disturbed(e Evidence) []string {
	switch s := e.Scenario; {
	case s.Workload == scenario.Connect:
		return []string{scenario.GroupConnect}
	case s.Reconnect.Most > 0 || s.Churn.Rate > 0: // connections open in the stretch too
		return append(slices.Clone(arrival), scenario.GroupConnect)
	default:
		return arrival
	}
}

// paused trips when a process of the generator stood still. Whatever arrived
// meanwhile was read in one go, under one time stamp; and a target may have
// closed connections that nobody read.
func paused(e Evidence) (result.Guard, bool) {
	if e.Standstill == nil {
		return result.Guard{}, false
	}
	stood := e.Standstill.Seconds()
	g := result.Guard{
		Name: Pause, Value: &stood, Limit: standstill.Seconds(), Unit: "seconds", Tripped: *e.Standstill > standstill,
		Voids: disturbed(e), Remedy: "let nothing stop the generator, and give it its own CPUs",
	}
	if e.Ledger.LostDown > 0 {
		g.Voids = append([]string{scenario.GroupLedger}, g.Voids...)
	}
	return g, true
}

// runDelay trips if somebody else had the CPUs that the loops waited for. Where
// target and generator alone fill them, they share the machine by intent, and
// the limit says so. Where nobody knows what the target used, the lags decide.
func runDelay(e Evidence) (result.Guard, bool) {
	g := result.Guard{
		Name: RunDelay, Value: e.RunDelay, Limit: delayShare, Unit: "1", Voids: delayVoids(e),
		Remedy: "end what else runs on the generator's CPUs, or give it CPUs of its own",
	}
	return tripForeign(g)
}

// targetDelay is the same of the target's threads: what they waited for
// strangers is not the target's latency.
func targetDelay(e Evidence) (result.Guard, bool) {
	g := result.Guard{
		Name: TargetDelay, Value: e.TargetDelay, Limit: delayShare, Unit: "1",
		Remedy: "end what else runs on the target's CPUs",
	}
	if share, known := others(e); known && share > othersShare {
		g.Voids = disturbed(e)
	}
	return tripForeign(g)
}

// tripForeign is tripAbove for a delay that trips only where it is not the
// target's and the generator's own affair, and voids something.
func tripForeign(g result.Guard) (result.Guard, bool) {
	g, applies := tripAbove(g)
	g.Tripped = g.Tripped && len(g.Voids) > 0
	return g, applies
}

func delayVoids(e Evidence) []string {
	if share, known := others(e); known {
		if share > othersShare {
			return disturbed(e)
		}
		return nil
	}
	for _, lag := range []func(Evidence) (result.Guard, bool){sendLag, readLag} {
		if g, applies := lag(e); applies && g.Tripped {
			return disturbed(e)
		}
	}
	return nil
}

// others is the share of the CPUs' time that neither target nor generator used;
// unknown if the target is on this machine and nobody watched it.
func others(e Evidence) (share float64, known bool) {
	if e.Host.CPU == nil || e.GeneratorCPU == nil || e.Interval <= 0 || e.CPUs == 0 || e.Local && e.TargetCPU == nil {
		return 0, false
	}
	used := e.Host.CPU.Tasks - *e.GeneratorCPU
	if e.Local {
		used -= *e.TargetCPU
	}
	return max(0, used.Seconds()) / (e.Interval.Seconds() * float64(e.CPUs)), true
}

func pressure(e Evidence) (result.Guard, bool) {
	return tripAbove(result.Guard{
		Name: Pressure, Value: over(e.Host.Pressure, e.Interval), Limit: pressureShare, Unit: "1",
		Remedy: "end what else runs on the machine, or lower the rate",
	})
}

func steal(e Evidence) (result.Guard, bool) {
	g := result.Guard{
		Name: Steal, Limit: disturbedShare, Unit: "1", Voids: disturbed(e),
		Remedy: "measure on a machine whose CPUs are not shared with other guests",
	}
	if e.Host.CPU != nil && e.CPUs > 0 {
		g.Value = over(&e.Host.CPU.Steal, e.Interval*time.Duration(e.CPUs))
	}
	return tripAbove(g)
}

func throttling(e Evidence) (result.Guard, bool) {
	return tripAbove(result.Guard{
		Name: Throttling, Value: over(e.Host.Throttled, e.Interval), Limit: disturbedShare, Unit: "1", Voids: disturbed(e),
		Remedy: "raise the CPU limit of the generator's control group (cpu.max, cpu.cfs_quota_us)",
	})
}

// retransmits counts what this host sent again because a link lost it; what was
// lost on the way here is sent again by others and not seen. Connecting is left out: an unanswered SYN shows
// the target's queue and no link.
func retransmits(e Evidence) (result.Guard, bool) {
	s := e.Host.Segments
	if s == nil || s.Sent == 0 || e.Scenario.Workload == scenario.Connect {
		return result.Guard{}, false
	}
	return tripAbove(result.Guard{
		Name: Retransmits, Value: ratio(float64(s.Lost()), float64(s.Sent)), Limit: resentShare, Unit: "1", Voids: arrival,
		Remedy: "measure over a link that loses nothing, or less of it",
	})
}

// gcPause voids nothing: a pause that mattered is in the lags.
func gcPause(e Evidence) (result.Guard, bool) {
	if e.GCPause == nil {
		return result.Guard{}, false
	}
	limit := least.Seconds()
	for _, h := range []*latency.Histogram{e.Delivery, e.SentDelivery} {
		if !empty(h) {
			limit = max(limit, pauseShare*h.Quantile(0.99).Seconds())
			break
		}
	}
	pause := e.GCPause.Seconds()
	return tripAbove(result.Guard{Name: GCPause, Value: &pause, Limit: limit, Unit: "seconds",
		Remedy: "report it: the generator should not collect while it measures"})
}

// clockSteps voids nothing: latencies are monotonic, and stamps from either
// side of a step are converted by the offset of their side.
func clockSteps(e Evidence) (result.Guard, bool) {
	if e.Arrivals == 0 {
		return result.Guard{}, false
	}
	steps := float64(e.ClockSteps)
	return tripAbove(result.Guard{Name: ClockSteps, Value: &steps, Limit: 0, Unit: "1",
		Remedy: "let the clock be slewed, not stepped, while measuring"})
}

// over is a time as a share of an interval; nil if it is not known.
func over(d *time.Duration, interval time.Duration) *float64 {
	if d == nil || interval <= 0 {
		return nil
	}
	return ratio(d.Seconds(), interval.Seconds())
}

// tripAbove trips a guard whose value is above its limit; one without a value
// does not apply.
func tripAbove(g result.Guard) (result.Guard, bool) {
	if g.Value == nil {
		return g, false
	}
	g.Tripped = *g.Value > g.Limit
	return g, true
}
