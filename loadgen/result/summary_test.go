package result

import (
	"bytes"
	"errors"
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
