package plan

import (
	"math"
	"reflect"
	"testing"
	"time"

	"fanbench/loadgen/scenario"
)

// gaps of a Poisson timetable are exponential: their mean is 1 ÷ rate and their
// deviation the same, a part of e⁻¹ is longer than the mean and of e⁻³ longer
// than three times it. Windows of one second hold numbers of publications whose
// variance is their mean.
func TestPoissonArrivals(t *testing.T) {
	const rate, seconds = 200, 300
	s := scenario.Default()
	s.Arrivals, s.Rate, s.Phases.Measure = scenario.Poisson, rate, seconds*time.Second
	for seed := range uint64(5) {
		p, err := New(s, seed)
		if err != nil {
			t.Fatal(err)
		}
		n := p.Publications(Measure)
		if n != rate*seconds {
			t.Fatalf("%d publications, want %d", n, rate*seconds)
		}
		var sum, squares, long, longer, last float64
		windows := make([]float64, seconds)
		for k := range n {
			due := p.At(Measure, k).Due.Seconds()
			gap := (due - last) * rate
			last = due
			sum += gap
			squares += gap * gap
			if gap > 1 {
				long++
			}
			if gap > 3 {
				longer++
			}
			windows[int(due)]++
		}
		mean := sum / float64(n)
		deviation := math.Sqrt(squares/float64(n) - mean*mean)
		dispersion := 0.0
		for _, w := range windows {
			dispersion += (w - rate) * (w - rate) / rate / seconds
		}
		// Four standard errors each.
		for name, of := range map[string][3]float64{
			"mean gap":            {mean, 1, 4 / math.Sqrt(rate*seconds)},
			"deviation":           {deviation, 1, 4 * math.Sqrt2 / math.Sqrt(rate*seconds)},
			"longer than mean":    {long / float64(n), math.Exp(-1), 4 * 0.48 / math.Sqrt(rate*seconds)},
			"longer than 3 means": {longer / float64(n), math.Exp(-3), 4 * 0.22 / math.Sqrt(rate*seconds)},
			"dispersion":          {dispersion, 1, 4 * math.Sqrt(2.0/seconds)},
		} {
			if math.Abs(of[0]-of[1]) > of[2] {
				t.Errorf("seed %d: %s is %.4f, want %.4f ± %.4f", seed, name, of[0], of[1], of[2])
			}
		}
	}
}

// Sizes have their shares, whatever the publisher and the place.
func TestSizeShares(t *testing.T) {
	p := made(t, "sizes=128B:70,1KiB:25,16KiB:5", "rate=10000/s", "rooms=7", "phases.warm-up=1s")
	for _, ph := range []Phase{WarmUp, Measure} {
		counts := map[int]int{}
		n := p.Publications(ph)
		for k := range n {
			counts[p.At(ph, k).Size]++
		}
		for size, share := range map[int]float64{128: 0.7, 1 << 10: 0.25, 16 << 10: 0.05} {
			got, bound := float64(counts[size])/float64(n), 4*math.Sqrt(share*(1-share)/float64(n))
			if math.Abs(got-share) > bound || len(counts) != 3 {
				t.Errorf("%v: %d bytes have %.4f, want %.4f ± %.4f", ph, size, got, share, bound)
			}
		}
	}
}

// Two processes hold the same plan; another seed gives another.
func TestSeed(t *testing.T) {
	s, err := scenario.New(scenario.Set("arrivals", "poisson", ""), scenario.Set("sizes", "64B:1,128B:1", ""), scenario.Set("rooms", "10", ""),
		scenario.Set("membership", "zipf", ""), scenario.Set("slow.share", "10%", ""), scenario.Set("churn.rate", "5/s", ""))
	if err != nil {
		t.Fatal(err)
	}
	expanded := func(seed uint64) (everything [][]any) {
		p, err := New(s, seed)
		if err != nil {
			t.Fatal(err)
		}
		var due, size, room, slow, leavers []any
		for k := range p.Publications(Measure) {
			due, size = append(due, p.At(Measure, k).Due), append(size, p.At(Measure, k).Size)
		}
		for _, c := range p.Share(0).Connections {
			room, slow = append(room, c.Room), append(slow, c.Slow)
		}
		for k := range p.Churns() {
			id, _, _ := p.Churn(k)
			leavers = append(leavers, id)
		}
		return [][]any{due, size, room, slow, leavers}
	}
	one, again, other := expanded(1), expanded(1), expanded(2)
	for i, what := range []string{"due times", "sizes", "rooms", "slow subscribers", "leavers"} {
		if !reflect.DeepEqual(one[i], again[i]) {
			t.Errorf("%s differ from one time to the next", what)
		}
		if reflect.DeepEqual(one[i], other[i]) {
			t.Errorf("%s are the same for two seeds", what)
		}
	}
}
