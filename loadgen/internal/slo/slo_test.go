package slo

import (
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

func conditions(t *testing.T, texts ...string) []scenario.Condition {
	t.Helper()
	var all []scenario.Condition
	for _, text := range texts {
		var c scenario.Condition
		if err := c.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		condition string
		watched   bool
		problem   string
	}{
		{"delivery.p99 < 50ms", false, ""},
		{"lost == 0", false, ""},
		{"delivery.p99 < 50ms after 5s abort", false, ""},
		{"completion.p99 < 50ms abort", false, "completion.p99 has no figure by the second; leave out after and abort"},
		{"completion.p99 < 50ms after 5s", false, "no figure by the second"},
		{"target.rss_per_connection < 2KiB", true, ""},
		{"target.rss_per_connection < 2KiB", false, "give --watch-pid or --vitals-url"},
		{"target.resident < 1GiB abort", true, ""},
		{"cpu_pressure_share < 0.2 abort", false, ""},
		{"generator.run_delay_share < 0.1 after 1s abort", false, ""},
		{"target.run_delay_share < 0.1", false, "give --watch-pid or --vitals-url"},
		{"target.run_delay_share < 0.1 abort", true, "target.run_delay_share has no figure by the second"},
	} {
		err := Check(scenario.Scenario{SLO: conditions(t, c.condition)}, c.watched)
		if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s (watched: %v): %v, want %q", c.condition, c.watched, err, c.problem)
		}
	}
}

// What members miss while they are away is not lost, and nobody can tell before
// the end.
func TestCheckLostByTheSecond(t *testing.T) {
	for name, s := range map[string]scenario.Scenario{
		"churn": {Churn: scenario.Churn{Rate: 1}}, "reconnect": {Reconnect: scenario.Reconnect{Most: time.Second}},
	} {
		for condition, refused := range map[string]bool{"lost == 0": false, "lost == 0 abort": true, "lost == 0 after 5s": true, "delivery.p99 < 1s abort": false} {
			s.SLO = conditions(t, condition)
			if err := Check(s, false); (err != nil) != refused || refused && !strings.Contains(err.Error(), "only the end tells") {
				t.Errorf("%s, %s: %v", name, condition, err)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	r := &result.Result{
		Ledger:    result.Ledger{Lost: 3, Sent: 10},
		Metrics:   map[string]result.Metric{"sent_delivery.p99": {Value: 0.02}, "read_lag.p99": {Value: 0.3}},
		Untrusted: map[string]result.Metric{"delivery.p99": {Value: 0.07}},
		Verdict:   result.Verdict{Guards: []result.Guard{{Name: "send-lag", Tripped: true, Voids: []string{"delivery"}}}},
	}
	for _, c := range []struct {
		condition, state string
		value            float64
		reason           string
	}{
		{"sent_delivery.p99 < 50ms", result.ObjectiveMet, 0.02, ""},
		{"sent_delivery.p99 < 20ms", result.ObjectiveBreached, 0.02, ""},
		{"sent_delivery.p99 <= 20ms", result.ObjectiveMet, 0.02, ""},
		{"lost == 0", result.ObjectiveBreached, 3, ""},
		{"sent >= 10", result.ObjectiveMet, 10, ""},
		{"delivery.p99 < 50ms", result.ObjectiveUnknown, 0.07, "send-lag voids it"},
		{"delivery.p99 < 90ms", result.ObjectiveUnknown, 0.07, "send-lag voids it"},
		{"read_lag.p99 < 1s", result.ObjectiveMet, 0.3, ""},
		{"connect.p99 < 1s", result.ObjectiveUnknown, -1, "the run observed none"},
	} {
		o := NewWatch(conditions(t, c.condition)).Judge(r)[0]
		if o.State != c.state || o.Reason != c.reason || o.At != nil || (o.Value == nil) != (c.value < 0) || o.Value != nil && *o.Value != c.value {
			t.Errorf("%s: %+v, want %s %v %q", c.condition, o, c.state, c.value, c.reason)
		}
	}
}

// The third second breaks what it is asked for, all others hold.
func TestWatch(t *testing.T) {
	for _, c := range []struct {
		condition string
		aborts    int // the second that ends the run, 0 for none
		at        float64
	}{
		{"delivery.p99 < 50ms", 0, 0},
		{"delivery.p99 < 50ms abort", 3, 3},
		{"delivery.p99 < 50ms after 3s abort", 3, 3},
		{"delivery.p99 < 50ms after 4s abort", 0, 0},
		{"delivery.p99 < 50ms after 1s", 0, 3},
		{"lost == 0 abort", 0, 0}, // not observed
	} {
		w := NewWatch(conditions(t, c.condition))
		ended := 0
		for second := 1; second <= 5; second++ {
			value := 0.01
			if second == 3 {
				value = 0.2
			}
			abort := w.Second(time.Duration(second)*time.Second, func(metric string) (float64, bool) { return value, metric == "delivery.p99" })
			if abort != "" && ended == 0 {
				ended = second
				if !strings.Contains(abort, "was broken 3s into the measured phase: 200 ms") {
					t.Errorf("%s: ended because %s", c.condition, abort)
				}
			}
		}
		if ended != c.aborts {
			t.Errorf("%s: ended in second %d, want %d", c.condition, ended, c.aborts)
		}
		o := w.Judge(&result.Result{Metrics: map[string]result.Metric{"delivery.p99": {Value: 0.01}}})[0]
		if broken := o.At != nil; broken != (c.at > 0) || broken && (*o.At != c.at || *o.Value != 0.2 || o.State != result.ObjectiveBreached) {
			t.Errorf("%s: judged %+v", c.condition, o)
		}
	}
}
