package result

import (
	"fmt"
	"strings"

	"fanbench/loadgen/scenario"
)

// Faults are the deliveries that went wrong where the scenario does not allow
// it. Any of them fails the run.
type Faults struct {
	Lost       uint64 `json:"lost"`
	Duplicated uint64 `json:"duplicated"`
	Reordered  uint64 `json:"reordered"`
	Corrupt    uint64 `json:"corrupt"`
	Misrouted  uint64 `json:"misrouted"`
}

// Faults are by the ledger as it stands; whether that is to be trusted, the
// verdict says.
func (r *Result) Faults() Faults {
	unless := func(allowed string, n uint64) uint64 {
		if r.Scenario.Allows(allowed) {
			return 0
		}
		return n
	}
	l := r.Ledger
	return Faults{
		Lost:       unless(scenario.AllowLost, l.Lost),
		Duplicated: unless(scenario.AllowDuplicated, l.Duplicated),
		Reordered:  unless(scenario.AllowReordered, l.Reordered),
		Corrupt:    unless(scenario.AllowCorrupt, l.Corrupt),
		Misrouted:  unless(scenario.AllowMisrouted, l.Misrouted),
	}
}

// Any: there is at least one.
func (f Faults) Any() bool { return f != Faults{} }

// Plus is the sum.
func (f Faults) Plus(o Faults) Faults {
	return Faults{
		Lost: f.Lost + o.Lost, Duplicated: f.Duplicated + o.Duplicated, Reordered: f.Reordered + o.Reordered,
		Corrupt: f.Corrupt + o.Corrupt, Misrouted: f.Misrouted + o.Misrouted,
	}
}

// Kinds names those that there are.
func (f Faults) Kinds() []string {
	var kinds []string
	for _, one := range f.all() {
		if one.n > 0 {
			kinds = append(kinds, one.kind)
		}
	}
	return kinds
}

func (f Faults) String() string {
	var all []string
	for _, one := range f.all() {
		all = append(all, fmt.Sprintf("%s %d", one.kind, one.n))
	}
	return strings.Join(all, ", ")
}

type fault struct {
	kind string
	n    uint64
}

func (f Faults) all() []fault {
	return []fault{
		{scenario.AllowLost, f.Lost}, {scenario.AllowDuplicated, f.Duplicated}, {scenario.AllowReordered, f.Reordered},
		{scenario.AllowCorrupt, f.Corrupt}, {scenario.AllowMisrouted, f.Misrouted},
	}
}
