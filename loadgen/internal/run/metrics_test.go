package run

import (
	"maps"
	"slices"
	"testing"
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// A run that could observe everything has every metric that scenarios know, and
// no other.
func TestEveryMetricIsKnown(t *testing.T) {
	s, err := scenario.New(scenario.Set("churn.rate", "1/s", ""), scenario.Set("reconnect.most", "1s", ""), scenario.Set("deflate", "true", ""))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	histograms := make(map[string]*latency.Histogram)
	for _, name := range order {
		histograms[name] = latency.New(latency.Precise)
		histograms[name].Record(time.Millisecond)
	}
	c := &conductor{plan: p, result: &result.Result{Ledger: result.Ledger{MeasuredDelivered: 1}}, measureAt: 1,
		accounts: []engine.Account{{LastArrival: 2, Glued: 1, ExactStamps: 1, Outages: []engine.Outage{{From: 1, To: 2}}}},
		ramp:     rampTotals{opened: 1, deflated: 1, seconds: 1}}
	c.Scenario, c.CPUs, c.Machine = s, 1, machine{&fakeClock{}}
	observed := edges{
		target: [2]*vitals.Reading{{}, {}}, generator: [2]*vitals.Reading{{}, {}}, loops: [2][][]time.Duration{{{0}}, {{1}}}, at: [2]int64{1, 2},
		hostEdges: hostEdges{
			machine: [2]vitals.HostReading{pressed(0), pressed(1)}, delays: [2][][]time.Duration{{{0}}, {{1}}},
			threads: [2]map[vitals.ThreadID]vitals.ThreadTimes{{{}: {}}, {{}: {}}},
		},
	}
	c.rampEdges, c.idleEdges, c.measureEdges = observed, observed, observed

	got, want := slices.Sorted(maps.Keys(c.metrics(histograms, 1))), slices.Sorted(maps.Keys(scenario.Metrics()))
	if !slices.Equal(got, want) {
		t.Errorf("metrics\n%q, want\n%q", got, want)
	}
}

// pressed is a reading of a machine that counts everything.
func pressed(d time.Duration) vitals.HostReading {
	return vitals.HostReading{CPU: &vitals.CPUTimes{Busy: d}, Pressure: &d, Throttled: &d}
}
