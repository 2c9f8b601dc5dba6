package perturb

import (
	"slices"
	"testing"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
)

// planOf has 4 rooms of 4 publishers and 50 subscribers each; a publisher
// publishes twice before measuring and eight times while.
func planOf(t *testing.T, more ...scenario.Option) *plan.Plan {
	t.Helper()
	s, err := scenario.New(append([]scenario.Option{
		scenario.Set("connections", "200", ""), scenario.Set("rooms", "4", ""), scenario.Set("publishers", "16", ""), scenario.Set("rate", "16/s", ""),
		scenario.Set("phases.warm-up", "2s", ""), scenario.Set("phases.measure", "8s", ""),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func choose(t *testing.T, p *plan.Plan, k int, seed uint64) []Fault {
	t.Helper()
	faults, err := Choose(p, k, seed)
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func TestChooseDrawsExactlyK(t *testing.T) {
	p := planOf(t)
	for _, k := range []int{0, 1, 7, 300} {
		var counts Counts
		for _, f := range choose(t, p, k, 1) {
			counts[f.Kind]++
		}
		for kind, n := range counts {
			if n != k {
				t.Errorf("%d of %s, want %d", n, Kind(kind), k)
			}
		}
	}
}

// Every fault befalls a delivery that there is, and none stands beside another:
// not even the neighbour that a swap takes along.
func TestFaultsFallOnDeliveriesOfTheMeasuredPhase(t *testing.T) {
	p := planOf(t)
	type delivery struct {
		member, publisher int
		sequence          uint64
	}
	taken := make(map[delivery]bool)
	for _, f := range choose(t, p, 300, 3) {
		if f.Publisher < 0 || f.Publisher >= 16 || f.Member < 0 || f.Member >= 50 || f.Sequence < 2 || f.Sequence+1 >= 10 {
			t.Errorf("%+v is of no delivery", f)
		}
		if f.Byte < 0 || f.Byte >= 128 || f.Flip == 0 || f.Flip > 0x7f {
			t.Errorf("%+v changes nothing, or text to something else", f)
		}
		for i := range uint64(2) {
			at := delivery{f.Member, f.Publisher, f.Sequence + i}
			if taken[at] {
				t.Errorf("%+v meets another fault", f)
			}
			taken[at] = true
		}
	}
}

func TestChooseFollowsTheSeed(t *testing.T) {
	p := planOf(t)
	first := choose(t, p, 20, 1)
	if !slices.Equal(first, choose(t, p, 20, 1)) {
		t.Error("the same seed draws other faults")
	}
	if slices.Equal(first, choose(t, p, 20, 2)) {
		t.Error("another seed draws the same faults")
	}
}

func TestChooseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		p *plan.Plan
		k int
	}{
		"more than there is room for": {planOf(t), 321}, // 16 × 50 × 4 pairs ÷ 2 ÷ 5
		"one room":                    {planOf(t, scenario.Set("rooms", "1", "")), 1},
	} {
		if faults, err := Choose(c.p, c.k, 1); err == nil {
			t.Errorf("%s: %d faults, want an error", name, len(faults))
		}
	}
	if _, err := Choose(planOf(t), 320, 1); err != nil {
		t.Errorf("as many as there is room for: %v", err)
	}
}

func TestKindsHaveNames(t *testing.T) {
	names := map[string]bool{}
	for k := range Kinds {
		names[k.String()] = true
	}
	if len(names) != int(Kinds) || names[""] {
		t.Errorf("%v", names)
	}
}
