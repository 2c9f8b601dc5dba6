package verdict

import (
	"slices"

	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Exit codes of the design's table, as far as a single run can end.
const (
	ExitFine        = 0
	ExitBreach      = 1
	ExitUntrusted   = 3
	ExitInterrupted = 130
)

// ExitCode is how the program ends after a run. A target that died or was never
// reached outranks what was lost with it; a loss that the ledger vouches for
// and a condition that is broken by a number which can be trusted, outrank other
// metrics that are not valid.
func ExitCode(r *result.Result) int {
	tripped := func(name string) bool {
		return slices.ContainsFunc(r.Verdict.Guards, func(g result.Guard) bool { return g.Name == name && g.Tripped })
	}
	switch {
	case r.Verdict.Interrupted:
		return ExitInterrupted
	case tripped(Connected), tripped(TargetAlive):
		return ExitUntrusted
	case len(r.Verdict.Voided(scenario.GroupLedger)) == 0 && r.Faults().Any():
		return ExitBreach
	case objective(r, result.ObjectiveBreached):
		return ExitBreach
	case r.Verdict.Verdict != result.Valid, objective(r, result.ObjectiveUnknown):
		return ExitUntrusted
	default:
		return ExitFine
	}
}

// objective: a condition of the scenario is in this state.
func objective(r *result.Result, state string) bool {
	return slices.ContainsFunc(r.SLO, func(o result.Objective) bool { return o.State == state })
}
