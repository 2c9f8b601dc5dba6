package compare_test

import (
	_ "embed"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"fanbench/bench/internal/compare"
)

// recorded are trials of one unchanged server, written by
// scripts/golden/trials.py: two recordings, made at different times.
//
//go:embed testdata/trials.json
var recorded []byte

// recordings are the trials by recording, in the order in which they were made.
func recordings(t *testing.T) (all [][]compare.Trial) {
	t.Helper()
	var file struct {
		Recordings []struct{ Trials []compare.Trial }
	}
	if err := json.Unmarshal(recorded, &file); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Recordings {
		all = append(all, r.Trials)
	}
	if len(all) != 2 || len(all[0]) < 24 || len(all[1]) < 24 {
		t.Fatal("want two recordings of 24 trials or more")
	}
	return all
}

// neighbours are n pairs of trials that were made one after the other, as an
// experiment makes them, and chance says which is the baseline's. Which trials
// are left out is chance, too.
func neighbours(random *rand.Rand, trials []compare.Trial, n int) []compare.Pair {
	left := len(trials) - 2*n
	var pairs []compare.Pair
	for i := 0; len(pairs) < n; {
		if random.IntN(left+n-len(pairs)) < left {
			left--
			i++
			continue
		}
		p := compare.Pair{BaselineFirst: random.IntN(2) == 0, Baseline: trials[i], Candidate: trials[i+1]}
		if !p.BaselineFirst {
			p.Baseline, p.Candidate = p.Candidate, p.Baseline
		}
		pairs = append(pairs, p)
		i += 2
	}
	return pairs
}

// dearer multiplies the candidates' CPU per delivery.
func dearer(pairs []compare.Pair, by float64) []compare.Pair {
	for i := range pairs {
		values := make(map[string]float64)
		for name, v := range pairs[i].Candidate.Values {
			values[name] = v
		}
		values[cpu] *= by
		pairs[i].Candidate.Values = values
	}
	return pairs
}

// outcome of one simulated comparison: the whole's verdict, and that of CPU per
// delivery.
type outcome struct{ whole, cpu compare.Verdict }

// simulate judges comparisons of one recording's trials by the noise of the
// other's, and counts what they come to.
func simulate(noise, trials []compare.Trial, n, comparisons int, by float64) map[outcome]int {
	metrics := compare.Metrics(false)
	random := rand.New(rand.NewPCG(6, 1))
	r := rules(n, metrics...)
	r.Noise = compare.Noise(neighbours(random, noise, len(noise)/2), metrics)
	counts := make(map[outcome]int)
	for range comparisons {
		c := compare.Judge(dearer(neighbours(random, trials, n), by), r)
		counts[outcome{c.Verdict, c.Metrics[0].Verdict}]++
	}
	return counts
}

func wholes(counts map[outcome]int, verdicts ...compare.Verdict) (n int) {
	for _, v := range verdicts {
		for o, count := range counts {
			if o.whole == v {
				n += count
			}
		}
	}
	return n
}

// The rates that docs/comparing.md states, of a server compared with itself and
// with one that is 10 % dearer: trials of each recording judged by the noise of
// the other.
func TestRates(t *testing.T) {
	const comparisons = 200
	all := recordings(t)
	const dearer = 1.10
	for _, c := range []struct{ noise, trials int }{{0, 1}, {1, 0}} {
		same := simulate(all[c.noise], all[c.trials], 12, comparisons, 1)
		if n := wholes(same, compare.Regression, compare.Improvement); n > comparisons/100 {
			t.Errorf("recording %d, unchanged: %d of %d are a regression or an improvement: %v", c.trials, n, comparisons, same)
		}
		if n := wholes(same, compare.Equivalent); n < comparisons*80/100 {
			t.Errorf("recording %d, unchanged: %d of %d are equivalent: %v", c.trials, n, comparisons, same)
		}
		changed := simulate(all[c.noise], all[c.trials], 12, comparisons, dearer)
		found := 0
		for o, n := range changed {
			if o.cpu == compare.Regression {
				found += n
			}
		}
		if found < comparisons*90/100 || wholes(changed, compare.Regression) < found {
			t.Errorf("recording %d, dearer by %v: %d of %d are a regression on CPU per delivery: %v", c.trials, dearer, found, comparisons, changed)
		}
		t.Logf("recording %d: unchanged %v, dearer by %v %v", c.trials, same, dearer, changed)
	}
}
