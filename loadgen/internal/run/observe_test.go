package run

import (
	"compress/gzip"
	"context"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"fanbench/loadgen/internal/output"
	"fanbench/loadgen/result"
)

// outputsOf is a run with every output, by the golden file's name.
func outputsOf(t *testing.T) (*result.Result, map[string]string) {
	t.Helper()
	dir := t.TempDir()
	const id = "20260102T030405Z-00000001"
	var live strings.Builder
	log, metrics := output.NewLog(dir, id), output.NewMetrics(id, "adhoc")
	stream := output.NewLive(&live, id, "adhoc", "ws://127.0.0.1:9001")
	var seconds []output.Second
	o := conduct(t, func(f *fakeFleet, _ context.CancelFunc) {
		f.observe = func(s output.Second) {
			seconds = append(seconds, s)
			log.Observe(s)
			metrics.Observe(s)
			stream.Observe(s)
		}
	})
	if o.err != nil {
		t.Fatal(o.err)
	}
	if len(seconds) != len(o.result.Series.Rows) {
		t.Errorf("%d seconds of %d rows were seen", len(seconds), len(o.result.Series.Rows))
	}
	for _, err := range []error{log.Finish(o.result), stream.Finish(o.result), output.WriteCSV(dir, o.result), output.WriteDistributions(dir, o.result)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	page := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	files := map[string]string{"live.ndjson": live.String(), "metrics.txt": page.Body.String()}
	for _, name := range []string{output.SeriesName, output.QuantilesName, "delivery.hgrm"} {
		files[name] = contents(t, filepath.Join(dir, name))
	}
	zipped, err := gzip.NewReader(strings.NewReader(contents(t, filepath.Join(dir, output.LogName))))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zipped)
	if err != nil {
		t.Fatal(err)
	}
	files["latency.hlog"] = string(plain)
	return o.result, files
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOutputsToTheByte(t *testing.T) {
	_, files := outputsOf(t)
	for name, got := range files {
		golden := filepath.Join("testdata", "golden."+name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := contents(t, golden); got != want {
			t.Errorf("%s differs (rewrite it with -update):\n%s", golden, got)
		}
	}
}

// The intervals of the log are the result's histogram, cut up.
func TestTheLogAddsUpToTheResult(t *testing.T) {
	r, files := outputsOf(t)
	reader := hdr.NewHistogramLogReader(strings.NewReader(files["latency.hlog"]))
	var sum *hdr.Histogram
	intervals := 0
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		if h.Tag() != "delivery" {
			continue // of the others the fake tells nothing before the end
		}
		if h.EndTimeMs() <= h.StartTimeMs() || h.StartTimeMs() < r.Times.Started.UnixMilli() {
			t.Errorf("interval %q from %d to %d ms", h.Tag(), h.StartTimeMs(), h.EndTimeMs())
		}
		if intervals++; sum == nil {
			sum = h
		} else if dropped := sum.Merge(h); dropped != 0 {
			t.Errorf("%d records dropped", dropped)
		}
	}
	encoded, _ := r.Histogram("delivery")
	whole, err := hdr.Decode([]byte(encoded.Data))
	if err != nil {
		t.Fatal(err)
	}
	if intervals < 2 || sum.TotalCount() != encoded.Count || !sum.Equals(whole) {
		t.Errorf("%d intervals hold %d records, the result %d", intervals, sum.TotalCount(), encoded.Count)
	}
}
