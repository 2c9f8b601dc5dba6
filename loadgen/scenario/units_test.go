package scenario

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestRates(t *testing.T) {
	for text, want := range map[string]Rate{
		"200/s": 200, "30/min": 0.5, "3600/h": 1, "0.25/s": 0.25, "1e3/s": 1000, "0": 0, "0/s": 0, " 5 /s ": 5,
	} {
		var got Rate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %v, want %v (%v)", text, float64(got), float64(want), err)
		}
	}
	for text, want := range map[string]ByteRate{"1KiB/s": 1024, "512B/s": 512, "1.5MB/s": 1.5e6, "0": 0} {
		var got ByteRate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %v, want %v (%v)", text, got, want, err)
		}
	}
	for text, want := range map[string]Share{"1%": 0.01, "0.5 %": 0.005, "100%": 1, "0": 0} {
		var got Share
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %v, want %v (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"", "200", "/s", "200/d", "0x10/s", "1_0/s", "NaN/s", "-1/s", "1e999/s"} {
		if err := new(Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as a rate", text)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{
		"128B": 128, "64KiB": 64 << 10, "1MiB": 1 << 20, "2GiB": 2 << 30, "1kB": 1000, "1KB": 1000, "1MB": 1_000_000,
		"1GB": 1_000_000_000, "1.5KiB": 1536, "0": 0, "48 B": 48,
	} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, want %d (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"", "128", "B", "128b", "1TB", "1.5B", "-1B", "9999999GiB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as a size", text)
		}
	}
}

func TestQuantitiesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate(rapid.Float64Range(0, 1e9).Draw(t, "rate"))
		size := Size(rapid.Int64Range(0, 1<<50).Draw(t, "size"))
		var gotRate Rate
		var gotSize Size
		if text, err := rate.MarshalText(); err != nil || gotRate.UnmarshalText(text) != nil || gotRate != rate {
			t.Fatalf("%s reads back as %v", text, gotRate)
		}
		if text, err := size.MarshalText(); err != nil || gotSize.UnmarshalText(text) != nil || gotSize != size {
			t.Fatalf("%s reads back as %v", text, gotSize)
		}
	})
}

func TestSizeText(t *testing.T) {
	for size, want := range map[Size]string{0: "0B", 1023: "1023B", 1024: "1KiB", 1536: "1536B", 3 << 20: "3MiB", 5 << 30: "5GiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d is %q, want %q", int64(size), got, want)
		}
	}
}

func TestJSONHasNumbers(t *testing.T) {
	s, err := Parse("every.yaml", []byte(everyKey))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"rate_per_second": 0.5, "arrivals": "poisson", "membership": "zipf:1.2", "receive_buffer_bytes": 65536.0,
		"churn": map[string]any{"rate_per_second": 50.0}, "silent": map[string]any{"share": 0.02},
		"slow":    map[string]any{"share": 0.01, "buffer_bytes": 8192.0, "pace_bytes_per_second": 2048.0},
		"headers": []any{"Authorization: Bearer {token}", "X-Id: {connection}, again"},
		"slo":     []any{"delivery.p99 < 50ms", "lost == 0 after 5s abort", "target.rss_per_connection_bytes <= 2KiB"},
	} {
		if !reflect.DeepEqual(fields[key], want) {
			t.Errorf("%s: %v, want %v", key, fields[key], want)
		}
	}
	if sizes := fields["sizes"].([]any); !reflect.DeepEqual(sizes[1], map[string]any{"size_bytes": 1024.0, "weight": 25.0}) {
		t.Errorf("sizes %v", sizes)
	}
	var back Scenario
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("read back %+v (%v)", back, err)
	}
}
