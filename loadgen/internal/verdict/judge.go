package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Limits.
const (
	LimitServer    = "server"
	LimitGenerator = "generator"
	LimitLink      = "link"
	LimitBoth      = "both"
	LimitNone      = "none"
)

// When the target counts as saturated.
const (
	// targetShare of the cores that its loops can use.
	targetShare = 0.90
	// threadShare of a CPU, by one of its threads: a loop cannot use a second.
	threadShare = 0.90
	// machineShare of all CPUs that target and generator may use, by whomever:
	// then either would have gone faster without the other. The stretch begins a
	// moment before the first publication and ends a moment after the last
	// delivery.
	machineShare = 0.85
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
	server := saturation(e)
	machine, by := exhausted(e)
	v.Limit = limit(len(server) > 0 || by == pair, generatorBehind(v.Guards, e) || machine != "", lossy(v.Guards))
	v.Disturbed = (v.Limit == LimitGenerator || v.Limit == LimitBoth) && (by == strangers || slices.ContainsFunc(v.Guards, disturbances))
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
// generator's or the link's fault if nothing else voids them. A generator that
// fell behind comes first: it has to be mended before a link can be judged.
func verdict(v result.Verdict, required []string, missing bool) string {
	var voiding []result.Guard
	for _, group := range required {
		voiding = append(voiding, v.Voided(group)...)
	}
	all := func(of ...func(result.Guard) bool) bool {
		return !slices.ContainsFunc(voiding, func(g result.Guard) bool {
			return !slices.ContainsFunc(of, func(is func(result.Guard) bool) bool { return is(g) })
		})
	}
	switch {
	case missing:
		return result.Invalid
	case len(voiding) == 0:
		return result.Valid
	case all(links):
		return result.LinkLimited
	case all(generators, links):
		return result.GeneratorLimited
	default:
		return result.Invalid
	}
}

// generators: the guard watches the generator's own pace, or its machine.
func generators(g result.Guard) bool {
	return slices.Contains([]string{
		SendLag, ReadLag, GeneratorCPU, ReceiveBuffers, ExactStamps,
		Pause, RunDelay, TargetDelay, Steal, Throttling,
	}, g.Name)
}

// disturbances: the guard found that others had the CPUs of the generator's
// machine.
func disturbances(g result.Guard) bool {
	return g.Tripped && len(g.Voids) > 0 && slices.Contains([]string{RunDelay, TargetDelay, Steal, Throttling}, g.Name)
}

// links: the guard watches the network.
func links(g result.Guard) bool { return g.Name == Retransmits }

// generatorBehind: the generator's pace voids something, its loops had no time
// left, or it lacked what connecting takes. A lag that voids nothing held
// nobody up, and filled buffers alone do not show who filled them.
func generatorBehind(guards []result.Guard, e Evidence) bool {
	return generatorFailed(e.Failures) || slices.ContainsFunc(guards, func(g result.Guard) bool {
		return g.Tripped && generators(g) && (len(g.Voids) > 0 || g.Name == GeneratorCPU)
	})
}

// lossy: the network lost what was sent.
func lossy(guards []result.Guard) bool {
	return slices.ContainsFunc(guards, func(g result.Guard) bool { return g.Tripped && links(g) })
}

// limit names who could not go faster. What a link held up looks like a slow
// server.
func limit(server, generator, link bool) string {
	switch {
	case server && generator:
		return LimitBoth
	case generator:
		return LimitGenerator
	case link:
		return LimitLink
	case server:
		return LimitServer
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
	if busiest := e.TargetBusiest; busiest != nil && *busiest >= threadShare {
		found = append(found, fmt.Sprintf("the target's busiest thread was on a CPU %.0f %% of the time", 100**busiest))
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

// users of the generator's machine.
type users uint8

const (
	nobodyElse users = iota // than the generator
	pair                    // the target, being on it, and the generator
	strangers               // neither of them had a good part of it
)

// exhausted says that the machine had no CPU left for the generator, and by
// whose use.
func exhausted(e Evidence) (found string, by users) {
	if e.Host.CPU == nil || e.CPUs == 0 || e.Interval <= 0 {
		return "", nobodyElse
	}
	busy := *over(&e.Host.CPU.Busy, e.Interval*time.Duration(e.CPUs))
	if busy < machineShare {
		return "", nobodyElse
	}
	found = fmt.Sprintf("the machine's %d CPUs were busy %.0f %% of the time", e.CPUs, 100*busy)
	if foreign, known := others(e); known && foreign > othersShare {
		return found + fmt.Sprintf(", %.0f %% with neither target nor generator", 100*foreign), strangers
	}
	if e.Local {
		return found, pair
	}
	return found, nobodyElse
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
	case Held:
		found = fmt.Sprintf("%d of %d opened connections were still there after being held open", *e.Held, e.Opened)
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
	default:
		found = explainMachine(g)
	}
	if len(g.Voids) == 0 {
		return found + "; voids nothing"
	}
	return found + "; voids " + strings.Join(g.Voids, ", ")
}

// explainMachine is explain for the guards on the instrument and its machine.
func explainMachine(g result.Guard) string {
	percent := func(format string) string { return fmt.Sprintf(format, 100**g.Value, 100*g.Limit) }
	switch g.Name {
	case ExactStamps:
		return percent("%.3g %% of the arrivals have a time stamp of their own, limit %.3g %%; the others' delivery latencies are upper bounds")
	case LittlesLaw:
		return fmt.Sprintf("throughput × round trip is %.3g of connections × window, limit 1 ± %.3g", *g.Value, g.Limit)
	case Pause:
		return fmt.Sprintf("the generator stood still for %v, limit %v", seconds(*g.Value), seconds(g.Limit))
	case RunDelay:
		return percent("a loop of the generator waited for a CPU %.3g %% of the time, limit %.3g %%")
	case TargetDelay:
		return percent("a thread of the target waited for a CPU %.3g %% of the time, limit %.3g %%")
	case Pressure:
		return percent("somebody waited for a CPU %.3g %% of the time, limit %.3g %%")
	case Steal:
		return percent("other guests had the CPUs %.3g %% of the time, limit %.3g %%")
	case Throttling:
		return percent("the control group's CPU limit held the generator up %.3g %% of the time, limit %.3g %%")
	case GCPause:
		return fmt.Sprintf("the generator's longest collection pause was %v, limit %v", seconds(*g.Value), seconds(g.Limit))
	case ClockSteps:
		return fmt.Sprintf("the wall clock was stepped %.0f times", *g.Value)
	case Retransmits:
		return percent("%.3g %% of the TCP segments were lost and sent again, limit %.3g %%")
	}
	return g.Name
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
