package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Verdicts.
const (
	Valid            = "valid"
	GeneratorLimited = "generator-limited"
	Invalid          = "invalid"
)

// Limits.
const (
	LimitServer    = "server"
	LimitGenerator = "generator"
	LimitBoth      = "both"
	LimitNone      = "none"
)

// When the target counts as saturated.
const (
	// targetShare of the cores that its loops can use.
	targetShare = 0.90
	// machineShare of all CPUs, target and generator together: then either
	// would have gone faster without the other. The rest goes to what neither
	// is charged for: interrupts, the kernel's threads, neighbours.
	machineShare = 0.90
	// offeredShare: below it deliveries were completed slower than offered.
	offeredShare = 0.95
	// blockedLeast: a target that keeps a publication's writer waiting longer
	// at p99 does not read as fast as is published.
	blockedLeast = 10 * time.Millisecond
)

// Judge weighs the evidence. The reasons say in plain words what was found, the
// target's saturation first.
func Judge(e Evidence) result.Verdict {
	v := result.Verdict{
		Partial: e.Interrupted || e.TargetAlive != nil && !*e.TargetAlive, Interrupted: e.Interrupted,
		Guards: guards(e), Reasons: []string{},
	}
	server, machine := saturation(e), exhausted(e)
	v.Limit = limit(len(server) > 0 || machine != "", generatorBehind(v.Guards, e) || machine != "")
	v.Reasons = append(v.Reasons, server...)
	if machine != "" {
		v.Reasons = append(v.Reasons, machine)
	}
	if e.Interrupted {
		v.Reasons = append(v.Reasons, "the run was interrupted")
	}
	for _, g := range v.Guards {
		if g.Tripped {
			v.Reasons = append(v.Reasons, explain(g, e))
		}
	}
	unobserved := unobserved(e)
	v.Reasons = append(v.Reasons, unobserved...)
	v.Verdict = verdict(v, e.Scenario.Require, len(unobserved) > 0)
	return v
}

// verdict is valid unless a required group is voided or missing, and the
// generator's fault if nothing but the generator voids them.
func verdict(v result.Verdict, required []string, missing bool) string {
	var voiding []result.Guard
	for _, group := range required {
		voiding = append(voiding, v.Voided(group)...)
	}
	switch {
	case missing:
		return Invalid
	case len(voiding) == 0:
		return Valid
	case slices.ContainsFunc(voiding, func(g result.Guard) bool { return !generators(g) }):
		return Invalid
	default:
		return GeneratorLimited
	}
}

// generators: the guard watches the generator's own pace.
func generators(g result.Guard) bool {
	return slices.Contains([]string{SendLag, ReadLag, GeneratorCPU, ReceiveBuffers}, g.Name)
}

// generatorBehind: the generator's pace voids something, its loops had no time
// left, or it lacked what connecting takes. A lag that voids nothing held
// nobody up, and filled buffers alone do not show who filled them.
func generatorBehind(guards []result.Guard, e Evidence) bool {
	return generatorFailed(e.Failures) || slices.ContainsFunc(guards, func(g result.Guard) bool {
		return g.Tripped && generators(g) && (len(g.Voids) > 0 || g.Name == GeneratorCPU)
	})
}

func limit(server, generator bool) string {
	switch {
	case server && generator:
		return LimitBoth
	case server:
		return LimitServer
	case generator:
		return LimitGenerator
	default:
		return LimitNone
	}
}

// saturation says what shows that the target could do no more.
func saturation(e Evidence) []string {
	var found []string
	if e.Opened < e.Requested && !generatorFailed(e.Failures) {
		found = append(found, fmt.Sprintf("the target opened %d of %d connections", e.Opened, e.Requested))
	}
	if e.TargetAlive != nil && !*e.TargetAlive {
		found = append(found, "the target ended before the run did")
	}
	if cores := targetCores(e); e.TargetCPU != nil && cores > 0 && e.Interval > 0 {
		if used := e.TargetCPU.Seconds() / e.Interval.Seconds(); used >= targetShare*float64(cores) {
			found = append(found, fmt.Sprintf("the target used %.2f of the %d CPUs that it can use", used, cores))
		}
	}
	if !empty(e.Blocked) {
		if blocked := e.Blocked.Quantile(0.99); blocked > blockedLeast {
			found = append(found, fmt.Sprintf("the target kept publications waiting %v at p99 before it took them", round(blocked)))
		}
	}
	if share, known := completed(e); known && share < offeredShare {
		found = append(found, fmt.Sprintf("the target completed deliveries at %.0f %% of the offered rate", 100*share))
	}
	return found
}

func targetCores(e Evidence) int {
	switch {
	case e.TargetCores == 0:
		return e.CPUs
	case e.CPUs == 0:
		return e.TargetCores
	default:
		return min(e.TargetCores, e.CPUs)
	}
}

// completed is the rate at which deliveries arrived as a share of the offered
// rate. What the generator sent late is not held against the target, and where
// it read so late that buffers filled nothing is said at all.
func completed(e Evidence) (share float64, known bool) {
	if e.Overrun == nil || e.Scenario.ClosedLoop() {
		return 0, false
	}
	if buffers, ok := receiveBuffers(e); ok && buffers.Tripped && len(buffers.Voids) > 0 {
		return 0, false
	}
	over := *e.Overrun
	if !empty(e.SendLag) {
		over -= e.SendLag.Max()
	}
	measure := e.Scenario.Phases.Measure.Seconds()
	return measure / (measure + max(0, over.Seconds())), true
}

// exhausted says that target and generator together left the machine no CPU.
func exhausted(e Evidence) string {
	if e.TargetCPU == nil || e.GeneratorCPU == nil || e.CPUs == 0 || e.Interval <= 0 {
		return ""
	}
	used := (*e.TargetCPU + *e.GeneratorCPU).Seconds() / e.Interval.Seconds()
	if used < machineShare*float64(e.CPUs) {
		return ""
	}
	return fmt.Sprintf("target and generator together used %.2f of the machine's %d CPUs", used, e.CPUs)
}

// unobserved says which required groups have no number to be judged by.
func unobserved(e Evidence) []string {
	var missing []string
	for _, group := range e.Scenario.Require {
		observed := group == scenario.GroupLedger && e.Ledger.Expected > 0
		for name := range e.Metrics {
			observed = observed || Group(name) == group
		}
		if !observed {
			missing = append(missing, fmt.Sprintf("the scenario requires %s, and the run observed none", group))
		}
	}
	return missing
}

// explain says what a tripped guard found and what it voids.
func explain(g result.Guard, e Evidence) string {
	var found string
	switch g.Name {
	case Connected:
		found = fmt.Sprintf("%d of %d connections opened", e.Opened, e.Requested)
	case TargetAlive:
		found = "the target did not live to the end"
	case Sent:
		found = fmt.Sprintf("%d of %d planned publications left", e.Ledger.Sent, e.Ledger.Planned)
	case Drained:
		found = fmt.Sprintf("%d deliveries were outstanding when the drain ended", *e.Outstanding)
	case LedgerAgrees:
		found = "the two counts of lost deliveries differ"
	case SendLag:
		found = fmt.Sprintf("send lag %v at p99, limit %v", seconds(*g.Value), seconds(g.Limit))
	case ReadLag:
		found = fmt.Sprintf("read lag %v at p99, limit %v", seconds(*g.Value), seconds(g.Limit))
	case GeneratorCPU:
		found = fmt.Sprintf("the generator's busiest loop was on a CPU %.0f %% of the time, limit %.0f %%", 100**g.Value, 100*g.Limit)
	case ReceiveBuffers:
		found = fmt.Sprintf("%d reads found a receive buffer half full", e.FilledBuffers)
	case Stamps:
		found = fmt.Sprintf("%d of %d arrivals have no kernel time stamp", e.StampsMissing, e.Arrivals)
	}
	if len(g.Voids) == 0 {
		return found + "; voids nothing"
	}
	return found + "; voids " + strings.Join(g.Voids, ", ")
}

// seconds is a duration as a reader takes it in.
func seconds(s float64) time.Duration { return round(time.Duration(s * float64(time.Second))) }

func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	default:
		return d.Round(10 * time.Nanosecond)
	}
}
