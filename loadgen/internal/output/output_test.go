package output

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var started = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

func histogram(records ...time.Duration) *latency.Histogram {
	h := latency.New(latency.Precise)
	for _, d := range records {
		h.Record(d)
	}
	return h
}

// second is the n-th of a run.
func second(n int, histograms map[string]*latency.Histogram) Second {
	value := float64(n)
	return Second{
		Phase: "measure", Started: started, Start: time.Duration(n) * time.Second, End: time.Duration(n+1) * time.Second,
		Columns: []string{"missing", "target_cpu_seconds"}, Row: []*float64{&value, nil},
		Counts: Counts{Open: 3, Delivered: uint64(10 * n)}, Histograms: histograms,
	}
}

// resultOf is a result with a voided delivery and a sent delivery that can be
// trusted.
func resultOf(t *testing.T, histograms map[string]*latency.Histogram) *result.Result {
	t.Helper()
	value := 0.25
	r := &result.Result{
		RunID:   "run-1",
		Times:   result.Times{Started: started, Phases: []result.Phase{{Name: "drain", Start: 2, End: 2.5}}},
		Verdict: result.Verdict{Verdict: "generator-limited", Limit: "generator"},
		Series: result.Series{Columns: []string{"time_seconds", "delivery_p99_seconds", "send_lag_p99_seconds", "target_cpu_seconds"},
			Rows: [][]*float64{{&value, nil, &value, &value}}},
		Metrics: result.QuantileMetrics("sent_delivery", histogram(time.Second), 2000), Untrusted: map[string]result.Metric{},
	}
	for _, name := range slices.Sorted(maps.Keys(histograms)) {
		h, err := result.NewHistogram(name, histograms[name])
		if err != nil {
			t.Fatal(err)
		}
		r.Histograms = append(r.Histograms, h)
	}
	maps.Copy(r.Untrusted, result.QuantileMetrics("delivery", histogram(time.Second), 2000))
	r.Untrusted["target.cpu_seconds"] = result.Metric{Value: 1, Unit: "seconds"}
	return r
}

// unzipped is a log as text.
func unzipped(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, LogName))
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type interval struct {
	tag        string
	start, end int64 // milliseconds since the run's start
	count      int64
}

// intervals of a log as text.
func intervals(t *testing.T, text string) (list []interval) {
	t.Helper()
	for reader := hdr.NewHistogramLogReader(strings.NewReader(text)); ; {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			return list
		}
		list = append(list, interval{h.Tag(), h.StartTimeMs() - started.UnixMilli(), h.EndTimeMs() - started.UnixMilli(), h.TotalCount()})
	}
}

func TestLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	l := NewLog(dir, "run-1")
	l.Observe(second(0, nil))
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("something is on the disk before the first record: %v", err)
	}
	l.Observe(second(1, map[string]*latency.Histogram{"delivery": histogram(1e6, 2e6), "read-lag": histogram(3e6), "blocked": histogram()}))
	l.Observe(second(2, map[string]*latency.Histogram{"delivery": histogram(4e6)}))
	whole := resultOf(t, map[string]*latency.Histogram{"delivery": histogram(1e6, 2e6, 4e6, 5e6), "read-lag": histogram(3e6), "completion": histogram(9e6)})
	if err := l.Finish(whole); err != nil {
		t.Fatal(err)
	}
	text := unzipped(t, dir)
	got := intervals(t, text)
	want := []interval{
		{"delivery", 1000, 2000, 2}, {"read-lag", 1000, 2000, 1}, {"delivery", 2000, 3000, 1},
		{"delivery", 3000, 3000, 1}, // came after the last second
	}
	if !slices.Equal(got, want) {
		t.Errorf("intervals %v, want %v", got, want)
	}
	if !strings.HasSuffix(text, "#[verdict: generator-limited; untrusted: delivery]\n") {
		t.Errorf("the log does not end with the verdict:\n%s", text)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What was recorded for the first time after the last second is in the log too:
// of a run of less than a second that is all. What is made of whole runs alone
// is not, and a log of an earlier run is never taken for this one's.
func TestLogOfWhatCameAfterTheLastSecond(t *testing.T) {
	for _, c := range []struct {
		name    string
		seconds []map[string]*latency.Histogram
		result  map[string]*latency.Histogram
		want    []interval
	}{
		{name: "no second at all", result: map[string]*latency.Histogram{"delivery": histogram(1e6, 2e6), "completion": histogram(9e6)},
			want: []interval{{"delivery", 0, 2500, 2}}},
		{name: "other tags before", seconds: []map[string]*latency.Histogram{{"tls-handshake": histogram(1e6)}},
			result: map[string]*latency.Histogram{"delivery": histogram(1e6, 2e6), "tls-handshake": histogram(1e6), "first": histogram(9e6)},
			want:   []interval{{"tls-handshake", 0, 1000, 1}, {"delivery", 1000, 2500, 2}}},
		{name: "seconds without a record", seconds: []map[string]*latency.Histogram{nil, {"blocked": histogram()}},
			result: map[string]*latency.Histogram{"blocked": histogram(3e6)}, want: []interval{{"blocked", 2000, 2500, 1}}},
		{name: "nothing that is recorded by the second", seconds: []map[string]*latency.Histogram{nil},
			result: map[string]*latency.Histogram{"connect": histogram(1e6), "median": histogram(1e6), "spread": histogram(1e6)}},
		{name: "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, LogName)
			if err := os.WriteFile(path, []byte("of an earlier run"), 0o644); err != nil {
				t.Fatal(err)
			}
			l := NewLog(dir, "run-1")
			for n, histograms := range c.seconds {
				l.Observe(second(n, histograms))
			}
			if err := l.Finish(resultOf(t, c.result)); err != nil {
				t.Fatal(err)
			}
			if c.want == nil {
				if _, err := os.Stat(path); !os.IsNotExist(err) {
					t.Errorf("the earlier log is still there (%v)", err)
				}
				return
			}
			if got := intervals(t, unzipped(t, dir)); !slices.Equal(got, c.want) {
				t.Errorf("intervals %v, want %v", got, c.want)
			}
		})
	}
}

// A lost worker takes its records along: what was logged of it stays.
func TestLogOfMoreThanTheResultHas(t *testing.T) {
	dir := t.TempDir()
	l := NewLog(dir, "run-1")
	l.Observe(second(1, map[string]*latency.Histogram{"delivery": histogram(1e6, 2e6)}))
	if err := l.Finish(resultOf(t, map[string]*latency.Histogram{"delivery": histogram(1e6, 7e6, 8e6)})); err != nil {
		t.Fatal(err)
	}
	if text := unzipped(t, dir); !strings.Contains(text, "#[delivery: the result lacks records that were seen here]\n") || strings.Count(text, "Tag=") != 1 {
		t.Errorf("log\n%s", text)
	}
}

func TestLogThatCannotBeWritten(t *testing.T) {
	records := map[string]*latency.Histogram{"delivery": histogram(1e6)}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l := NewLog(filepath.Join(file, "below"), "run-1")
	l.Observe(second(1, records))
	l.Observe(second(2, records))
	if err := l.Finish(resultOf(t, nil)); err == nil || !strings.Contains(err.Error(), "write "+LogName) {
		t.Errorf("finished below a file: %v", err)
	}

	// Neither a disk that fills up nor a run without a result touches what was
	// there.
	for name, end := range map[string]func(*Log) error{
		"full disk": func(l *Log) error {
			l.fail(io.ErrShortWrite)
			return l.Finish(resultOf(t, records))
		},
		"no result": func(l *Log) error { l.Discard(); return l.err },
	} {
		dir := t.TempDir()
		old := filepath.Join(dir, LogName)
		if err := os.WriteFile(old, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		l := NewLog(dir, "run-1")
		l.Observe(second(1, records))
		if err := end(l); err == nil {
			t.Errorf("%s: no error", name)
		}
		if b, err := os.ReadFile(old); string(b) != "old" {
			t.Errorf("%s: the old log is %q (%v)", name, b, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s: left behind %v", name, entries)
		}
	}
}

func TestLiveLinesFollowTheirSchema(t *testing.T) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(LiveSchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("live.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("live.json")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	l := NewLive(&out, "run-1", "adhoc", "ws://127.0.0.1:1")
	l.Observe(second(0, nil))
	l.Observe(second(1, map[string]*latency.Histogram{"delivery": histogram(1e6, 2e6), "blocked": histogram()}))
	if err := l.Finish(resultOf(t, map[string]*latency.Histogram{"delivery": histogram(1e6)})); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	var kinds []string
	for _, line := range lines {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		kinds = append(kinds, value.(map[string]any)["kind"].(string))
	}
	if want := []string{"run", "second", "second", "end"}; !slices.Equal(kinds, want) {
		t.Fatalf("lines %v, want %v", kinds, want)
	}
	var m moment
	if err := json.Unmarshal([]byte(lines[2]), &m); err != nil {
		t.Fatal(err)
	}
	if f := m.Histograms["delivery"]; f.Count != 2 || f.Quantiles["p50"] < 0.001 || f.Quantiles["p50"] > 0.001002 || len(m.Histograms) != 1 {
		t.Errorf("histograms %+v", m.Histograms)
	}
	if *m.Series["missing"] != 1 || m.Series["target_cpu_seconds"] != nil || m.Counts.Delivered != 10 {
		t.Errorf("second %s", lines[2])
	}
}

// gate lets nothing through until it is opened.
type gate struct {
	open  chan struct{}
	lines int
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	g.lines++
	return len(b), nil
}

func TestAReaderThatIsTooSlowHoldsNothingUp(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	l := NewLive(g, "run-1", "adhoc", "ws://127.0.0.1:1")
	const seconds = 2 * backlog
	for n := range seconds {
		l.Observe(second(n, nil))
	}
	dropped := int(l.dropped)
	close(g.open)
	if err := l.Finish(resultOf(t, nil)); err != nil {
		t.Fatal(err)
	}
	if dropped == 0 || g.lines != 1+seconds-dropped+1 {
		t.Errorf("%d lines of %d seconds were written, %d dropped", g.lines, seconds, dropped)
	}
}

type broken struct{ io.WriteCloser }

var errBroken = errors.New("no space left on device")

func (broken) Write([]byte) (int, error) { return 0, errBroken }
func (broken) Close() error              { return nil }

func TestABrokenStreamIsReportedAtTheEnd(t *testing.T) {
	l := NewLive(broken{}, "run-1", "adhoc", "ws://127.0.0.1:1")
	for n := range 3 {
		l.Observe(second(n, nil))
	}
	if err := l.Finish(resultOf(t, nil)); !errors.Is(err, errBroken) {
		t.Errorf("finished with %v", err)
	}
	NewLive(broken{}, "run-1", "adhoc", "ws://127.0.0.1:1").Discard()
}

// scrape parses what Prometheus would read.
func scrape(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	page := httptest.NewRecorder()
	m.Handler().ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page.Body)
	if err != nil || page.Code != 200 {
		t.Fatalf("status %d: %v", page.Code, err)
	}
	return families
}

func TestMetrics(t *testing.T) {
	m := NewMetrics("run-1", "adhoc")
	if families := scrape(t, m); len(families) != 1 {
		t.Errorf("%d families before the first second, want run_info alone", len(families))
	}
	m.Observe(second(1, map[string]*latency.Histogram{"sent-delivery": histogram(5*time.Millisecond, 6*time.Millisecond)}))
	m.Observe(second(2, map[string]*latency.Histogram{"sent-delivery": histogram(time.Second, latency.Highest)}))
	late := second(1, nil) // a worker is lost, and with it a part of the counts
	late.Row = []*float64{nil, nil}
	m.Observe(late)

	families := scrape(t, m)
	one := func(name string) *dto.Metric {
		family := families[prefix+name]
		if family == nil || len(family.Metric) != 1 {
			t.Fatalf("no metric %s among %v", name, slices.Sorted(maps.Keys(families)))
		}
		return family.Metric[0]
	}
	if got := one("deliveries_total").GetCounter().GetValue(); got != 20 {
		t.Errorf("%v deliveries, want 20: a counter never falls", got)
	}
	if got := one("connections").GetGauge().GetValue(); got != 3 {
		t.Errorf("%v connections, want 3", got)
	}
	for _, absent := range []string{"deliveries_missing", "target_cpu_seconds_total"} {
		if families[prefix+absent] != nil {
			t.Errorf("%s is shown without a reading", absent)
		}
	}
	h := one("sent_delivery_seconds").GetHistogram()
	below := make(map[float64]uint64)
	for _, b := range h.Bucket {
		below[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	if h.GetSampleCount() != 4 || below[0.002] != 0 || below[0.005] != 1 || below[0.01] != 2 || below[1] != 3 || below[500] != 3 {
		t.Errorf("histogram %v", h)
	}
	if want := 1.011 + latency.Highest.Seconds(); h.GetSampleSum() < want*0.999 || h.GetSampleSum() > want*1.001 {
		t.Errorf("sum %v, want %v", h.GetSampleSum(), want)
	}
}

func table(t *testing.T, path string) [][]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestCSV(t *testing.T) {
	dir := t.TempDir()
	if err := WriteCSV(dir, resultOf(t, map[string]*latency.Histogram{"delivery": histogram(time.Second), "sent-delivery": histogram(time.Second)})); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"time_seconds", "untrusted.delivery_p99_seconds", "send_lag_p99_seconds", "untrusted.target_cpu_seconds"},
		{"0.25", "", "0.25", "0.25"},
	}
	if got := table(t, filepath.Join(dir, SeriesName)); !reflect.DeepEqual(got, want) {
		t.Errorf("series %q, want %q", got, want)
	}
	rows := table(t, filepath.Join(dir, QuantilesName))
	for _, want := range [][]string{
		{"histogram", "quantile", "value_seconds", "count", "publications", "marked", "untrusted"},
		{"delivery", "0.99", "1.000341503", "1", "2000", "false", "true"},
		{"delivery", "0.999", "1.000341503", "1", "2000", "true", "true"}, // needs 10,000
		{"sent-delivery", "1", "1.000341503", "1", "2000", "false", "false"},
	} {
		if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Equal(row, want) }) {
			t.Errorf("no line %q in %q", want, rows)
		}
	}
	if want := 1 + 2*len(quantiles); len(rows) != want {
		t.Errorf("%d lines, want %d", len(rows), want)
	}
	if err := WriteCSV(filepath.Join(dir, "missing"), resultOf(t, nil)); err == nil {
		t.Error("wrote into a missing folder")
	}
}

func TestDistributions(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "delivery.hgrm"), []byte("of an earlier run"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteDistributions(dir, resultOf(t, map[string]*latency.Histogram{"delivery": histogram(time.Second), "sent-delivery": histogram(time.Second)})); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != "sent-delivery.hgrm" || entries[1].Name() != "untrusted-delivery.hgrm" {
		t.Errorf("files %v (%v)", entries, err)
	}
}

// BenchmarkLog is a second of five histograms, each with a thousand different
// records.
func BenchmarkLog(b *testing.B) {
	records := make(map[string]*latency.Histogram)
	for _, name := range []string{"delivery", "sent-delivery", "read-lag", "send-lag", "blocked"} {
		records[name] = histogram()
		for n := range 1000 {
			records[name].Record(time.Duration(n) * 20 * time.Microsecond)
		}
	}
	l := NewLog(b.TempDir(), "run-1")
	defer l.Discard()
	b.ReportAllocs()
	for b.Loop() {
		l.Observe(second(1, records))
	}
}
