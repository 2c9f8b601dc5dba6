package result

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/latency"
)

func TestEnough(t *testing.T) {
	for _, row := range []struct {
		publications uint64
		q            float64
		want         bool
	}{
		{19, 0.5, false}, {20, 0.5, true},
		{99, 0.9, false}, {100, 0.9, true},
		{999, 0.99, false}, {1000, 0.99, true},
		{9_999, 0.999, false}, {10_000, 0.999, true},
		{1, 1, true},
	} {
		if got := Enough(row.publications, row.q); got != row.want {
			t.Errorf("%d publications for quantile %v: %v", row.publications, row.q, got)
		}
	}
}

func TestQuantileMetrics(t *testing.T) {
	_, h := ms(t, "delivery", 1, 1000)
	got := QuantileMetrics("delivery", h, 400)
	if len(got) != len(Quantiles) {
		t.Errorf("%d metrics: %v", len(got), got)
	}
	p90 := got["delivery.p90"]
	if p90.Value < 0.9 || p90.Value > 0.901 || p90.Unit != "seconds" || p90.N != 1000 || p90.Publications != 400 || p90.Marked {
		t.Errorf("p90 %+v", p90)
	}
	if !got["delivery.p99"].Marked || got["delivery.max"].Marked || QuantileMetrics("read_lag", h, 0)["read_lag.p99.9"].Marked {
		t.Error("marked are not exactly the quantiles that lack publications")
	}
	if got := QuantileMetrics("delivery", latency.New(latency.Precise), 400); len(got) != 0 {
		t.Errorf("an empty histogram has %v", got)
	}
}

func TestHistogramRoundTrip(t *testing.T) {
	h := latency.New(latency.Precise)
	for _, d := range []time.Duration{time.Second, -1, latency.Highest + 1} {
		h.Record(d)
	}
	encoded, err := NewHistogram("spread", h)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := encoded.Decode()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(decoded.Steps(), h.Steps()) || decoded.Overflow() != 1 || decoded.Negative() != 1 {
		t.Errorf("decoded %v", decoded.Steps())
	}
	encoded.Unit = "ms"
	if _, err := encoded.Decode(); err == nil || !strings.Contains(err.Error(), "decode histogram spread: HdrV2+zlib+base64 in ms") {
		t.Errorf("another unit: %v", err)
	}
}

func TestLookup(t *testing.T) {
	r := sample(t)
	for name, want := range map[string][2]bool{"send_lag.p99": {true, true}, "delivery.p99": {false, true}, "nothing": {false, false}} {
		if _, trusted, observed := r.Metric(name); trusted != want[0] || observed != want[1] {
			t.Errorf("%s: trusted %v, observed %v", name, trusted, observed)
		}
	}
	if h, ok := r.Histogram("send-lag"); !ok || h.Overflow != 1 {
		t.Errorf("send-lag %+v", h)
	}
	if _, ok := r.Histogram("spread"); ok {
		t.Error("found a histogram that is not there")
	}
	if g := r.Verdict.Voided("delivery"); len(g) != 1 || g[0].Name != "send-lag" {
		t.Errorf("delivery is voided by %v", g)
	}
	if g := r.Verdict.Voided("ledger"); len(g) != 0 {
		t.Errorf("the ledger is voided by %v", g)
	}
}

func TestMetricString(t *testing.T) {
	for _, row := range []struct {
		value float64
		unit  string
		want  string
	}{
		{0, "seconds", "0 ns"},
		{17e-9, "seconds", "17 ns"},
		{999e-9, "seconds", "999 ns"},
		{1.2346e-6, "seconds", "1.23 µs"},
		{999.6e-6, "seconds", "1.00 ms"},
		{12.349e-3, "seconds", "12.3 ms"},
		{0.999_4, "seconds", "999 ms"},
		{0.999_6, "seconds", "1.00 s"},
		{9.996, "seconds", "10.0 s"},
		{549.756, "seconds", "550 s"},
		{-0.0015, "seconds", "-1.50 ms"},
		{870, "bytes", "870 B"},
		{870.4, "bytes", "870 B"},
		{1126, "bytes", "1.10 KiB"},
		{3 << 20, "bytes", "3.00 MiB"},
		{812_345, "deliveries/s", "812,000 deliveries/s"},
		{12.5, "connections/s", "12.5 connections/s"},
		{5, "deliveries/s", "5 deliveries/s"},
		{1, "1", "1"},
		{0.98765, "1", "0.988"},
	} {
		if got := (Metric{Value: row.value, Unit: row.unit}).String(); got != row.want {
			t.Errorf("%v %s is %q, want %q", row.value, row.unit, got, row.want)
		}
	}
}

func TestFormatCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 2_400_000: "2,400,000"} {
		if got := formatCount(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
