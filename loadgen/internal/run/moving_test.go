package run

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/internal/engine"
)

// TestMembersThatLeave: what they missed is neither outstanding nor lost.
func TestMembersThatLeave(t *testing.T) {
	o := conduct(t, func(f *fakeFleet, _ context.CancelFunc) { f.swallow, f.excused = 3, 3 }, "churn.rate=4/s")
	if o.err != nil {
		t.Fatal(o.err)
	}
	if want := "assign, ramp, begin warm-up, count, begin measure, count, count, settle"; o.history() != want {
		t.Errorf("calls %s, want %s", o.history(), want)
	}
	if l := o.result.Ledger; l.Expected != 48 || l.Excluded != 3 || l.Lost != 0 {
		t.Errorf("ledger %+v", l)
	}
	if v := o.result.Verdict; v.Verdict != "valid" || len(o.result.Warnings) != 0 {
		t.Errorf("verdict %+v, warnings %+v", v, o.result.Warnings)
	}
	for _, name := range []string{"churn.left", "churn.joined"} {
		if m, _, _ := o.result.Metric(name); m.Value != 3 {
			t.Errorf("%s is %v, want 3", name, m.Value)
		}
	}
	for _, column := range []string{"missing", "outstanding"} {
		i := slices.Index(columns, column)
		for _, row := range o.result.Series.Rows {
			if row[i] != nil {
				t.Errorf("%s is %v, and nobody knows it while members come and go", column, *row[i])
			}
		}
	}
}

// TestLossBehindChurn is not excused: the drain waits for it, and the run ends
// with it.
func TestLossBehindChurn(t *testing.T) {
	o := conduct(t, func(f *fakeFleet, _ context.CancelFunc) { f.swallow, f.excused = 5, 3 }, "churn.rate=4/s")
	if o.err != nil {
		t.Fatal(o.err)
	}
	drained := slices.ContainsFunc(o.result.Verdict.Reasons, func(s string) bool { return strings.Contains(s, "2 deliveries were outstanding") })
	if l := o.result.Ledger; l.Lost != 2 || l.Excluded != 3 || !drained {
		t.Errorf("ledger %+v, reasons %q", l, o.result.Verdict.Reasons)
	}
}

// TestATargetThatReturns does not end the run; one that stays away makes it
// partial at its end.
func TestATargetThatReturns(t *testing.T) {
	const second = int64(time.Second)
	lost := [2]int64{origin + 3*second, origin + 4*second}
	outage := engine.Outage{From: lost[0], To: lost[1]}
	o := conduct(t, func(f *fakeFleet, _ context.CancelFunc) { f.away, f.outages = lost, []engine.Outage{outage} },
		"reconnect.first=100ms", "reconnect.most=1s")
	if o.err != nil {
		t.Fatal(o.err)
	}
	if v := o.result.Verdict; v.Verdict != "valid" || v.Partial {
		t.Errorf("verdict %+v", v)
	}
	if m, _, _ := o.result.Metric("recovery_seconds"); m.Value != 1 {
		t.Errorf("recovery_seconds is %v, want 1", m.Value)
	}

	o = conduct(t, func(f *fakeFleet, _ context.CancelFunc) { f.away = [2]int64{lost[0], 1 << 62} },
		"reconnect.first=100ms", "reconnect.most=1s")
	if o.err != nil {
		t.Fatal(o.err)
	}
	if v := o.result.Verdict; !v.Partial || !slices.ContainsFunc(v.Reasons, func(s string) bool { return strings.Contains(s, "did not come back") }) {
		t.Errorf("verdict %+v", v)
	}
}

func TestLongestOutage(t *testing.T) {
	for _, c := range []struct {
		name    string
		outages []engine.Outage
		want    time.Duration
	}{
		{"one", []engine.Outage{{From: 5, To: 9}}, 4},
		{"apart", []engine.Outage{{From: 5, To: 9}, {From: 20, To: 22}}, 4},
		{"of two workers", []engine.Outage{{From: 7, To: 12}, {From: 5, To: 9}}, 7},
		{"one inside another", []engine.Outage{{From: 5, To: 19}, {From: 7, To: 9}, {From: 18, To: 21}}, 16},
		{"touching", []engine.Outage{{From: 1, To: 3}, {From: 3, To: 6}}, 5},
	} {
		if got := longest(c.outages); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
