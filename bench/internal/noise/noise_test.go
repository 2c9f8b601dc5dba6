package noise_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fanbench/bench/internal/noise"
)

func TestProfiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "noise")
	p, err := noise.Read(folder, "key", "split")
	if err != nil || len(p.Scenarios) != 0 {
		t.Fatalf("before any: %+v, %v", p, err)
	}
	p.Scenarios["hash"] = noise.Scenario{Name: "fanout-1k", Measured: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), Pairs: 12,
		Noise: map[string]float64{"target.cpu_per_delivery_seconds": 0.031}}
	file, err := p.Write(folder)
	if err != nil {
		t.Fatal(err)
	}
	got, err := noise.Read(folder, "key", "split")
	p.SchemaVersion = 1
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("read back %+v, %v; want %+v", got, err, p)
	}
	if other, err := noise.Read(folder, "key", "none"); err != nil || len(other.Scenarios) != 0 {
		t.Errorf("another placement: %+v, %v", other, err)
	}
	whole, _ := os.ReadFile(file)
	for cut := range len(whole) - 1 { // the last byte is the newline
		if err := os.WriteFile(file, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := noise.Read(folder, "key", "split"); err == nil || !strings.Contains(err.Error(), "bench noise") {
			t.Fatalf("cut at %d of %d bytes: %v", cut, len(whole), err)
		}
	}
	if err := os.Rename(file, filepath.Join(folder, "other-split.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "other-split.json"), whole, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := noise.Read(folder, "other", "split"); err == nil || !strings.Contains(err.Error(), "environment other") {
		t.Errorf("another machine's profile: %v", err)
	}
}
