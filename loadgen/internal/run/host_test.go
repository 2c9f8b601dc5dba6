package run

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanbench/loadgen/internal/output"
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

// held answers after a while, once, if it is asked when the time has come.
type held struct {
	readings
	clock *fakeClock
	when  int64
	d     time.Duration
}

func (h *held) Read(ctx context.Context) (vitals.Reading, error) {
	if h.when != 0 && h.clock.now >= h.when {
		h.when = 0
		h.clock.now += int64(h.d)
	}
	return h.readings.Read(ctx)
}

// Whoever of the generator is stopped, and wherever the coordinator then is.
func TestAStandstillIsNoticed(t *testing.T) {
	measuring := origin + int64(2500*time.Millisecond)
	stopped := func(f *fakeFleet, d time.Duration) { f.clock.now += int64(d) }
	for _, row := range []struct {
		name  string
		stop  func(f *fakeFleet)
		stood time.Duration
	}{
		{"nobody", func(*fakeFleet) {}, 0},
		{"the coordinator in a sleep", func(f *fakeFleet) {
			f.clock.at[measuring] = func() { stopped(f, 5*time.Second) }
		}, 5 * time.Second},
		{"the coordinator at work", func(f *fakeFleet) {
			var once sync.Once
			f.observe = func(s output.Second) {
				if s.Phase == "measure" {
					once.Do(func() { stopped(f, 5*time.Second) })
				}
			}
		}, 5 * time.Second},
		{"a worker", func(f *fakeFleet) { f.stops = measuring }, 5 * time.Second},
		{"a target that is slow to answer", func(f *fakeFleet) {
			f.target = &held{clock: f.clock, when: measuring, d: vitals.Timeout}
		}, 0},
		{"the coordinator while the target answers", func(f *fakeFleet) {
			f.target = &held{clock: f.clock, when: measuring, d: 5 * time.Second}
		}, 5*time.Second - vitals.Timeout},
	} {
		o := conduct(t, func(f *fakeFleet, _ context.CancelFunc) { row.stop(f) }, "phases.measure=8s")
		if o.err != nil {
			t.Fatal(o.err)
		}
		v := o.result.Verdict
		guard := slices.IndexFunc(v.Guards, func(g result.Guard) bool { return g.Name == "pause" })
		if guard < 0 || *v.Guards[guard].Value != row.stood.Seconds() {
			t.Errorf("%s: verdict %+v", row.name, v)
			continue
		}
		_, void := o.result.Untrusted["delivery.p99"]
		limited := v.Verdict == "generator-limited"
		if want := row.stood > 0; v.Guards[guard].Tripped != want || void != want || limited != want {
			t.Errorf("%s: verdict %+v, p99 void: %v", row.name, v, void)
		}
	}
}

// Only what stays missing from one row to the next is lost.
func TestLostWhileUnderWay(t *testing.T) {
	for _, c := range []struct {
		name string
		rows [][2]uint64 // missing, and so far reordered
		want float64     // at the last
	}{
		{"nothing", [][2]uint64{{0, 0}, {0, 0}}, 0},
		{"missing at one row", [][2]uint64{{0, 0}, {5, 0}}, 0},
		{"missing at two", [][2]uint64{{5, 0}, {5, 0}}, 5},
		{"more at the second", [][2]uint64{{5, 0}, {9, 0}}, 5},
		{"some have come", [][2]uint64{{5, 0}, {3, 2}}, 3},
		{"overtaken all the time", [][2]uint64{{5, 1000}, {5, 2000}}, 0},
		{"overtaken now and then, and some lost", [][2]uint64{{8, 100}, {8, 103}}, 5},
		{"a worker's counts are gone", [][2]uint64{{5, 10}, {2, 4}}, 2},
	} {
		o, got := objectives{}, 0.0
		for _, row := range c.rows {
			got = o.lost(totals{missing: row[0], counts: output.Counts{Reordered: row[1]}})
		}
		if got != c.want {
			t.Errorf("%s: %v lost, want %v", c.name, got, c.want)
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
