package intervals_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fanbench/bench/internal/intervals"
	"fanbench/loadgen/latency"
)

// log is a run's log of two seconds with two histograms each.
func log(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w, err := latency.NewLog(z, time.Date(2026, 11, 21, 22, 56, 3, 500e6, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for second := range 2 {
		for _, tag := range []string{"delivery", "read-lag"} {
			h := latency.New(latency.Precise)
			for range 5 + second {
				h.Record(time.Millisecond)
			}
			start := time.Duration(second) * time.Second
			if err := w.Write(tag, start, start+time.Second, h); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	if all, err := intervals.Read(dir, "delivery"); err != nil || all != nil {
		t.Fatalf("without a log: %v, %v", all, err)
	}
	whole := log(t)
	file := filepath.Join(dir, intervals.FileName)
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := intervals.Read(dir, "delivery")
	if err != nil || len(all) != 2 {
		t.Fatalf("%d intervals, %v; want 2", len(all), err)
	}
	for i, one := range all {
		if len(one.Steps) != 1 || one.Steps[0].Count != int64(5+i) || one.Steps[0].High < time.Millisecond || one.Length != time.Second ||
			one.Start.UnixMilli()%10_000 != int64(3500+1000*i) {
			t.Errorf("second %d: %+v", i, one)
		}
	}
	if err := os.WriteFile(file, whole[:len(whole)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if all, err := intervals.Read(dir, "delivery"); err == nil {
		t.Errorf("half a log: %d intervals and no error", len(all))
	}
}
