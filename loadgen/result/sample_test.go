package result

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fanbench/loadgen/latency"
	"fanbench/loadgen/scenario"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file in testdata, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew); got\n%s", path, got)
	}
}

// ms are durations of whole milliseconds, from first to last.
func ms(t *testing.T, name string, first, last int) (Histogram, *latency.Histogram) {
	t.Helper()
	h := latency.New(latency.Precise)
	for n := first; n <= last; n++ {
		h.Record(time.Duration(n) * time.Millisecond)
	}
	encoded, err := NewHistogram(name, h)
	if err != nil {
		t.Fatal(err)
	}
	return encoded, h
}

func number(v float64) *float64 { return &v }

// sample is a result in which every field has a value of its own.
func sample(t *testing.T) *Result {
	t.Helper()
	s, err := scenario.Parse("fanout-10k.yaml", []byte("question: What does one message to 10,000 subscribers cost?\n"+
		"connections: 10000\nrate: 20/s\nworkers: 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.Payload, s.Arrivals, s.Membership = "", "", "" // younger than version 1
	delivery, h := ms(t, "delivery", 1, 90)
	lag, lh := ms(t, "send-lag", 1, 2)
	lag.Overflow, lag.Negative = 1, 1
	metrics := map[string]Metric{
		"deliveries_per_second":                {Value: 198_432, Unit: "deliveries/s", Better: "higher", N: 2_000_000},
		"connections_per_second":               {Value: 12_345, Unit: "connections/s", Better: "higher", N: 10_001},
		"generator.cpu_per_delivery_seconds":   {Value: 1.204e-6, Unit: "seconds", Better: "lower", N: 2_000_000},
		"target.cpu_per_delivery_seconds":      {Value: 4.981e-6, Unit: "seconds", Better: "lower", N: 2_000_000},
		"generator.rss_per_connection_bytes":   {Value: 1126, Unit: "bytes", Better: "lower", N: 10_001},
		"target.rss_per_connection_bytes":      {Value: 870, Unit: "bytes", Better: "lower", N: 10_001},
		"generator.cpu_per_connection_seconds": {Value: 2e-5, Unit: "seconds", Better: "lower"},
	}
	for name, m := range QuantileMetrics("sent_delivery", h, 200) {
		metrics[name] = m
	}
	for name, m := range QuantileMetrics("send_lag", lh, 0) {
		metrics[name] = m
	}
	for name, m := range QuantileMetrics("read_lag", lh, 0) {
		metrics[name] = m
	}
	return &Result{
		SchemaVersion: SchemaVersion, Kind: "run", RunID: "7f3a",
		Tool:     Tool{Name: "loadgen", Version: "0.1.0", Commit: "0123456789abcdef", Go: "go1.26"},
		Subject:  Subject{Name: "server", Version: "0.1.0", Commit: "fedcba9876543210", Tree: "77", Dirty: true, Command: []string{"bin/server", "--listen", "127.0.0.1:9001"}},
		Scenario: s, Seed: 42, URL: "ws://127.0.0.1:9001",
		Environment: Environment{Key: "ab12", Factors: map[string]string{"arch": "amd64"}, Detail: map[string]string{"kernel": "6.1.0"}},
		Times: Times{Started: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Phases: []Phase{
			{Name: "ramp", Start: 0, End: 0.81}, {Name: "measure", Start: 3.5, End: 13.5}}},
		Verdict: Verdict{
			Verdict: "valid", Limit: "both", Reasons: []string{"the target used 1.93 of the 2 CPUs that it can use"},
			Guards: []Guard{
				{Name: "connected", Value: number(1), Limit: 1, Unit: "1"},
				{Name: "send-lag", Value: number(0.002), Limit: 0.001, Unit: "seconds", Tripped: true, Voids: []string{"delivery"}, Remedy: "lower the rate"},
			},
		},
		Ledger: Ledger{
			Planned: 240, Sent: 240, Expected: 2_400_000, Delivered: 2_399_997, Lost: 3, LostUp: 1, LostDown: 2,
			Duplicated: 4, Reordered: 5, Corrupt: 6, Misrouted: 7, Foreign: 8, Unknown: 9, Late: 10, GapsAgree: true,
			MeasuredPlanned: 200, MeasuredSent: 200, MeasuredDelivered: 1_999_999,
		},
		Failures:   []Failure{{Bucket: "closed", Count: 1, First: "1008 slow"}},
		Metrics:    metrics,
		Untrusted:  QuantileMetrics("delivery", h, 200),
		Histograms: []Histogram{delivery, lag},
		Series: Series{IntervalSeconds: 1, Columns: []string{"time_seconds", "delivered"},
			Rows: [][]*float64{{number(1), number(190_000)}, {number(2), nil}}},
		Warnings: []Warning{{Text: "the CPU governor is powersave", Remedy: "scripts/tune-host.sh"}},
	}
}

// silent is the smallest result: every connection was refused.
func silent() *Result {
	return &Result{
		RunID: "7f3b", Scenario: scenario.Default(), URL: "ws://127.0.0.1:1",
		Verdict: Verdict{Verdict: "invalid", Limit: "none", Partial: true, Reasons: []string{"0 of 1001 connections opened"},
			Guards: []Guard{{Name: "connected", Value: number(0), Limit: 1, Unit: "1", Tripped: true, Voids: []string{"delivery"}, Remedy: "see the failures"}}},
		Failures: []Failure{{Bucket: "refused", Count: 1001, First: "connect 127.0.0.1:1: connection refused"}},
	}
}
