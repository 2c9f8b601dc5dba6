package engine

import (
	"math"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
)

// timetable is what receiving needs of the plan, by publisher.
type timetable struct {
	// first measured sequence. A closed loop has no timetable: its first
	// sequences are known when the measured phase begins.
	first []uint32
	// limit is one more than the last planned sequence.
	limit []uint32
	// records is how many PublicationRecords there are: none but for a fan-out.
	records int
}

func newTimetable(p *plan.Plan) timetable {
	n := p.Publishers()
	t := timetable{first: make([]uint32, n), limit: make([]uint32, n)}
	if closedLoop(p) {
		for i := range n {
			t.first[i], t.limit[i] = math.MaxUint32, math.MaxUint32
		}
		return t
	}
	for k := range p.Publications(plan.WarmUp) {
		t.first[p.At(plan.WarmUp, k).Publisher]++
	}
	copy(t.limit, t.first)
	for k := range p.Publications(plan.Measure) {
		t.limit[p.At(plan.Measure, k).Publisher]++
	}
	if p.Scenario().Workload == scenario.Fanout {
		t.records = p.Publications(plan.Measure)
	}
	return t
}

// closedLoop says that an echo keeps its window in flight and has no timetable.
func closedLoop(p *plan.Plan) bool {
	s := p.Scenario()
	return s.Workload == scenario.Echo && s.Rate == 0
}
