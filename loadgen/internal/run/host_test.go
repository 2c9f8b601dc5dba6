package run

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/result"
)

// machine is a fake whose CPUs were half busy and which lacks pressure.
type machine struct{ clock *fakeClock }

func (m machine) Read() vitals.HostReading {
	elapsed := time.Duration(m.clock.now - origin)
	busy := 32 * elapsed // of 64 CPUs
	throttled := elapsed / 1000
	return vitals.HostReading{
		CPU:       &vitals.CPUTimes{Busy: busy, Tasks: time.Second, Steal: elapsed / 100},
		Throttled: &throttled, Segments: &vitals.Segments{Sent: 1000},
		Absent: map[string]string{vitals.SourcePressure: "no such file"},
	}
}

func TestTheSeriesShowsTheMachine(t *testing.T) {
	o := conduct(t, nil)
	if o.err != nil {
		t.Fatal(o.err)
	}
	want := map[string]float64{"generator_run_delay_share": 0.01, "cpu_busy_share": 0.5, "steal_share": 0.01 / 64, "throttled_share": 0.001}
	for i, column := range o.result.Series.Columns {
		for n, row := range o.result.Series.Rows {
			value, expected := want[column]
			switch {
			case n == 0 || column != "cpu_pressure_share" && !expected: // the first row has nothing before it
			case column == "cpu_pressure_share" && row[i] != nil:
				t.Errorf("row %d: a pressure of %v, and the host has none", n, *row[i])
			case expected && (row[i] == nil || *row[i] < value*0.99 || *row[i] > value*1.01):
				t.Errorf("row %d: %s is not %v", n, column, value)
			}
		}
	}
	if absent := o.result.Verdict.Absent; len(absent) != 1 || absent[0] != (result.Absence{Source: vitals.SourcePressure, Reason: "no such file"}) {
		t.Errorf("absent %+v", absent)
	}
	guards := make(map[string]float64)
	for _, g := range o.result.Verdict.Guards {
		guards[g.Name] = *g.Value
	}
	if _, there := guards["cpu-pressure"]; there || guards["throttling"] < 0.00099 || guards["throttling"] > 0.00101 || guards["run-delay"] < 0.0099 {
		t.Errorf("guards %v", guards)
	}
}

// The coordinator is stopped in a sleep, or a worker while it is asked.
func TestAStandstillIsNoticed(t *testing.T) {
	measuring := origin + int64(2500*time.Millisecond)
	for name, stop := range map[string]func(f *fakeFleet){
		"the coordinator": func(f *fakeFleet) { f.clock.at[measuring] = func() { f.clock.now += int64(5 * time.Second) } },
		"a worker":        func(f *fakeFleet) { f.stops = measuring },
	} {
		o := conduct(t, func(f *fakeFleet, _ context.CancelFunc) { stop(f) }, "phases.measure=8s")
		if o.err != nil {
			t.Fatal(o.err)
		}
		v := o.result.Verdict
		tripped := slices.IndexFunc(v.Guards, func(g result.Guard) bool { return g.Name == "pause" && g.Tripped && *g.Value >= 4.9 && *g.Value < 5.1 })
		if _, void := o.result.Untrusted["delivery.p99"]; tripped < 0 || !void || v.Verdict != "generator-limited" {
			t.Errorf("%s: verdict %+v", name, v)
		}
	}
}

func TestObjectives(t *testing.T) {
	for _, c := range []struct {
		slo     string
		state   string
		partial bool
	}{
		{"delivery.p99 < 50ms", result.ObjectiveMet, false},
		{"delivery.p99 < 1ms", result.ObjectiveBreached, false},
		{"delivery.p99 < 1ms after 2s abort", result.ObjectiveBreached, true},
		{"delivery.p99 < 50ms after 2s abort", result.ObjectiveMet, false},
		{"deliveries_per_second > 1000 abort", result.ObjectiveBreached, true},
		{"target.resident < 1GiB abort", result.ObjectiveMet, false},
		{"lost == 0 abort", result.ObjectiveMet, false},
		{"connect.p99 < 1s", result.ObjectiveMet, false},
		{"recovery.p99 < 1s", result.ObjectiveUnknown, false},
		{"generator.run_delay_share < 0.02", result.ObjectiveMet, false},
		{"generator.run_delay_share < 0.005 after 2s abort", result.ObjectiveBreached, true},
		{"cpu_busy_share < 0.6 abort", result.ObjectiveMet, false},
		{"cpu_busy_share < 0.4 abort", result.ObjectiveBreached, true},
		{"throttled_share < 0.0005", result.ObjectiveBreached, false},
		{"steal_share < 0.0002", result.ObjectiveMet, false},
		{"cpu_pressure_share < 0.1", result.ObjectiveUnknown, false}, // a source that the host lacks
		{"target.run_delay_share < 0.1", result.ObjectiveUnknown, false},
	} {
		o := conduct(t, nil, "phases.measure=8s", "slo="+c.slo)
		if o.err != nil {
			t.Fatal(o.err)
		}
		r := o.result
		if len(r.SLO) != 1 || r.SLO[0].State != c.state || r.Verdict.Partial != c.partial || r.Verdict.Verdict != "valid" {
			t.Errorf("%s: %+v, verdict %+v", c.slo, r.SLO, r.Verdict)
		}
		ended := slices.ContainsFunc(r.Verdict.Reasons, func(s string) bool { return strings.Contains(s, "was broken") })
		if ended != c.partial || c.partial && r.Ledger.Unsent == 0 {
			t.Errorf("%s: reasons %q, unsent %d", c.slo, r.Verdict.Reasons, r.Ledger.Unsent)
		}
	}
}
