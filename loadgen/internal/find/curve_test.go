package find

import "testing"

func TestKnee(t *testing.T) {
	flat := []Sample{{100, 1}, {200, 1.1}, {400, 1.3}}
	for _, c := range []struct {
		name    string
		samples []Sample
		knee    float64 // 0: none
		first   bool
	}{
		{"flat, then steep", append(flat, Sample{800, 20}), 400, false},
		{"in any order", []Sample{{800, 20}, {400, 1.3}, {100, 1}, {200, 1.1}}, 400, false},
		{"as fast as load is not faster", []Sample{{100, 1}, {200, 2}, {400, 4}}, 0, false},
		{"slower than load all along", flat, 0, false},
		{"steep from the start", []Sample{{100, 1}, {200, 10}, {400, 200}}, 100, true},
		{"a slow probe at little load", []Sample{{100, 1}, {141, 3}, {200, 1.1}, {400, 1.3}, {800, 20}}, 400, false},
		{"saturation bends the curve back", append(flat, Sample{800, 20}, Sample{1600, 30}), 400, false},
		{"the median of a load", append(flat, Sample{400, 1.2}, Sample{400, 50}, Sample{800, 20}), 400, false},
		{"latency falls at first", []Sample{{100, 4}, {200, 2}, {400, 2.5}, {800, 20}}, 400, false},
		{"no latency at a load", append(flat, Sample{800, 0}), 0, false},
	} {
		k := NewKnee(c.samples)
		if k == nil || value(k.Load) != c.knee || k.First != c.first {
			t.Errorf("%s: %+v, want %v", c.name, k, c.knee)
		} else if (k.Load == nil) != (k.Next == nil) || value(k.Next) < value(k.Load) {
			t.Errorf("%s: a knee from %v to %v", c.name, value(k.Load), value(k.Next))
		}
	}
	for _, few := range [][]Sample{nil, {{100, 1}}, {{100, 1}, {100, 2}}} {
		if k := NewKnee(few); k != nil {
			t.Errorf("a knee of %v: %+v", few, k)
		}
	}
}
