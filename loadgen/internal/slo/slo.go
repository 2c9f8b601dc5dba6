// Package slo judges a scenario's conditions: at the end on the run's numbers,
// and while the run is under way, where a condition says so, on each second's.
//
// How conditions are written is package scenario's. Whether a number can be
// trusted is package verdict's; a condition on one that cannot is unknown.
package slo

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"fanbench/loadgen/internal/verdict"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Check says which conditions no run of the scenario could judge: those on the
// target's vitals if nobody reads them (watched is false), and those that are to
// be judged while the run is under way on what has no figure by the second.
func Check(s scenario.Scenario, watched bool) error {
	var all []error
	for _, c := range s.SLO {
		switch {
		case c.OfTarget() && !watched:
			all = append(all, fmt.Errorf("slo: %q needs the target's vitals; give --watch-pid or --vitals-url", c))
		case running(c) && !live(c.Metric):
			all = append(all, fmt.Errorf("slo: %q: %s has no figure by the second; leave out after and abort", c, c.Metric))
		case running(c) && c.Metric == "lost" && (s.Churn.Rate > 0 || s.Reconnect.Most > 0):
			all = append(all, fmt.Errorf("slo: %q: only the end tells what was lost from what members missed while they were away; leave out after and abort", c))
		}
	}
	return errors.Join(all...)
}

// running: the condition is judged while the run is under way.
func running(c scenario.Condition) bool { return c.Abort || c.After > 0 }

// live: there is a figure of the metric each second.
func live(metric string) bool {
	switch metric {
	case "lost", "deliveries_per_second", "target.resident_bytes", "generator.resident_bytes",
		"generator.run_delay_share", "cpu_busy_share", "cpu_pressure_share", "steal_share", "throttled_share":
		return true
	}
	family, _, _ := strings.Cut(metric, ".")
	return family == "delivery" || family == "read_lag" || family == "send_lag"
}

// A Watch judges conditions while the run is under way.
type Watch struct {
	conditions []scenario.Condition
	broken     []breach // by condition
}

// breach is the first second that broke a condition.
type breach struct {
	found bool
	at    time.Duration
	value float64
}

// NewWatch begins to watch.
func NewWatch(conditions []scenario.Condition) *Watch {
	return &Watch{conditions: conditions, broken: make([]breach, len(conditions))}
}

// Second judges the second that ended so far into the measured phase. figure
// gives its numbers in the conditions' units, and false for what was not
// observed in it. The result is why the run must end, or nothing.
func (w *Watch) Second(into time.Duration, figure func(metric string) (float64, bool)) (abort string) {
	for i, c := range w.conditions {
		if !running(c) || into < c.After || w.broken[i].found {
			continue
		}
		value, observed := figure(c.Metric)
		if !observed || c.Holds(value) {
			continue
		}
		w.broken[i] = breach{true, into, value}
		if c.Abort && abort == "" {
			abort = fmt.Sprintf("%q was broken %v into the measured phase: %s", c, into.Round(100*time.Millisecond),
				result.Metric{Value: value, Unit: c.Unit})
		}
	}
	return abort
}

// Judge says what became of each condition, given the result with its verdict.
func (w *Watch) Judge(r *result.Result) []result.Objective {
	var all []result.Objective
	for i, c := range w.conditions {
		all = append(all, judge(c, w.broken[i], r))
	}
	return all
}

func judge(c scenario.Condition, broken breach, r *result.Result) result.Objective {
	o := result.Objective{Condition: c.String(), Unit: c.Unit, State: result.ObjectiveMet}
	value, group, observed := number(c.Metric, r)
	if broken.found {
		at := broken.at.Seconds()
		o.At, value, observed = &at, broken.value, true
	}
	if !observed {
		o.State, o.Reason = result.ObjectiveUnknown, "the run observed none"
		return o
	}
	o.Value = &value
	if broken.found || !c.Holds(value) {
		o.State = result.ObjectiveBreached
	}
	if guards := r.Verdict.Voided(group); group != "" && len(guards) > 0 {
		o.State, o.Reason = result.ObjectiveUnknown, guards[0].Name+" voids it"
	}
	return o
}

// number finds a condition's metric among the result's metrics and the ledger's
// entries, with the group that guards may void.
func number(metric string, r *result.Result) (value float64, group string, observed bool) {
	if count, entry := r.Ledger.Entry(metric); entry {
		return float64(count), scenario.GroupLedger, true
	}
	m, _, observed := r.Metric(metric)
	return m.Value, verdict.Group(metric), observed
}
