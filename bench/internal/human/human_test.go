package human_test

import (
	"testing"

	"fanbench/bench/internal/human"
)

func TestSeconds(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0 ns", 3e-9: "3 ns", 6.2e-6: "6.2 µs", 0.0009994: "999 µs", 0.0009996: "1 ms",
		0.00712: "7.12 ms", 0.1406: "141 ms", 1: "1 s", 83.25: "83.2 s", -0.002: "-2 ms",
	} {
		if got := human.Seconds(v); got != want {
			t.Errorf("Seconds(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for v, want := range map[float64]string{0: "0 B", 512: "512 B", 1100: "1.07 KiB", 64 << 20: "64 MiB"} {
		if got := human.Bytes(v); got != want {
			t.Errorf("Bytes(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 52345: "52.3k", 1e6: "1M", 3.456e6: "3.46M"} {
		if got := human.Count(v); got != want {
			t.Errorf("Count(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestPair(t *testing.T) {
	if got := human.Pair(human.Seconds, 0.066, 0.141); got != "66/141 ms" {
		t.Errorf("one unit: %q", got)
	}
	if got := human.Pair(human.Seconds, 80e-6, 1.2e-3); got != "80 µs/1.2 ms" {
		t.Errorf("two units: %q", got)
	}
}

func TestGrouped(t *testing.T) {
	for v, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := human.Grouped(v); got != want {
			t.Errorf("Grouped(%d) = %q, want %q", v, got, want)
		}
	}
}
