package result

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"fanbench/loadgen/scenario"
)

func TestSummary(t *testing.T) {
	fromSent := sample(t)
	fromSent.Scenario.LatencyFrom = scenario.FromSent
	fromSent.Verdict.Partial, fromSent.Verdict.Interrupted = true, true
	fromSent.Ledger.GapsAgree = false

	echo := sample(t)
	s, err := scenario.New(scenario.Set("workload", "echo", ""))
	if err != nil {
		t.Fatal(err)
	}
	echo.Scenario, echo.Verdict = s, Verdict{Verdict: "valid", Limit: "generator"}
	echo.Ledger = Ledger{Planned: 5, Sent: 5, Expected: 5, Delivered: 5, GapsAgree: true}
	echo.Failures, echo.Warnings, echo.Histograms, echo.Untrusted = nil, nil, nil, nil
	for name, r := range map[string]*Result{
		"fanout.txt": sample(t), "interrupted.txt": fromSent, "echo.txt": echo, "refused.txt": silent(),
	} {
		var b bytes.Buffer
		if err := Summary(&b, r); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}

// full refuses every byte.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestSummaryReportsAFailedWrite(t *testing.T) {
	if err := Summary(full{}, silent()); err == nil || err.Error() != "print summary: no space left" {
		t.Errorf("error %v", err)
	}
}

func TestSummaryOfObjectivesAndAbsentSources(t *testing.T) {
	r := sample(t)
	value, at := 0.07, 6.0
	r.SLO = []Objective{
		{Condition: "lost == 0", State: ObjectiveBreached, Value: &value, Unit: "1"},
		{Condition: "delivery.p99 < 50ms after 5s abort", State: ObjectiveUnknown, Value: &value, Unit: "seconds", At: &at, Reason: "send-lag voids it"},
		{Condition: "recovery.p99 < 1s", State: ObjectiveUnknown, Unit: "seconds", Reason: "the run observed none"},
	}
	r.Verdict.Absent = []Absence{{Source: "/proc/pressure/cpu", Reason: "no such file or directory"}}
	var b strings.Builder
	if err := Summary(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  not judged: /proc/pressure/cpu: no such file or directory\n",
		"\nSLO breached  lost == 0: 0.07\n",
		"SLO unknown   delivery.p99 < 50ms after 5s abort: 70.0 ms in the second that ended 6.0 s into the measured phase (send-lag voids it)\n",
		"SLO unknown   recovery.p99 < 1s: not observed (the run observed none)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
}

func TestSummaryNamesTheLimit(t *testing.T) {
	for _, row := range []struct {
		limit     string
		disturbed bool
		want      string
	}{
		{"generator", false, "VALID: the generator was the limit, not the server\n"},
		{"generator", true, "VALID: the generator's machine was the limit, not the server\n"},
		{"both", false, "VALID: server and generator both were at their limit\n"},
		{"both", true, "VALID: server and the generator's machine both were at their limit\n"},
		{"none", false, "VALID: neither server nor generator was at its limit\n"},
	} {
		r := sample(t)
		r.Verdict = Verdict{Verdict: "valid", Limit: row.limit, Disturbed: row.disturbed}
		var b strings.Builder
		if err := Summary(&b, r); err != nil || !strings.Contains(b.String(), row.want) {
			t.Errorf("no line %q in (%v)\n%s", row.want, err, b.String())
		}
	}
}

func TestSummaryOfSlowReaders(t *testing.T) {
	r := sample(t)
	r.Metrics["slow_delivery.p50"] = Metric{Value: 0.45, Unit: "seconds", N: 400}
	r.Metrics["slow_delivery.exact_share"] = Metric{Value: 0.025, Unit: "1", N: 400}
	var b strings.Builder
	if err := Summary(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nslow delivery, at most", "Slow delivery is an upper bound: 2.50 % of the arrivals have a time stamp of their own"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
