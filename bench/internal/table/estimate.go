package table

import (
	"fmt"
	"time"

	"fanbench/loadgen/scenario"
)

// startAndEnd of a trial's processes, and its connections' opening: about.
const startAndEnd = time.Second

// Estimate says how long a comparison of these scenarios takes; pairs are the
// numbers of pairs after which it may end.
func Estimate(pairs []int, all []scenario.Scenario) string {
	var pair time.Duration
	for _, s := range all {
		p := s.Phases
		trial := startAndEnd + p.Idle + p.WarmUp + p.Measure
		if s.Phases.Ramp.Rate > 0 {
			trial += time.Duration(float64(s.Connections) / float64(s.Phases.Ramp.Rate) * float64(time.Second))
		}
		pair += 2 * trial
	}
	number, length := fmt.Sprint(pairs[0]), rough(pair*time.Duration(pairs[0]))
	if last := pairs[len(pairs)-1]; last != pairs[0] {
		number += fmt.Sprintf(" or %d", last)
		length += " to " + rough(pair*time.Duration(last))
	}
	scenarios := "1 scenario"
	if len(all) != 1 {
		scenarios = fmt.Sprintf("%d scenarios", len(all))
	}
	return fmt.Sprintf("%s pairs of %s: about %s, if no pair is void", number, scenarios, length)
}

// rough is a length of time as people say it.
func rough(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}
