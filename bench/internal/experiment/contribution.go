package experiment

import (
	"fmt"

	"fanbench/bench/internal/compare"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Contribution is what a run contributes to a comparison; r is nil for a run
// that left no result. Only what can be trusted is taken.
func Contribution(r *result.Result) compare.Trial {
	t := untried()
	if r == nil {
		t.Invalid = "no result"
		return t
	}
	for name, m := range r.Metrics {
		t.Values[name] = m.Value
		t.Publications = max(t.Publications, m.Publications)
	}
	if v := r.Verdict; v.Verdict != result.Valid {
		t.Invalid = v.Verdict
		for _, g := range v.Guards {
			if g.Tripped && len(g.Voids) > 0 {
				t.Invalid = fmt.Sprintf("%s (%s)", v.Verdict, g.Name)
				break
			}
		}
	}
	if len(r.Verdict.Voided(scenario.GroupLedger)) == 0 && !r.Verdict.Interrupted {
		t.Faults = r.Faults()
	}
	return t
}

// untried is a trial that was not made, or not yet.
func untried() compare.Trial { return compare.Trial{Values: make(map[string]float64)} }
