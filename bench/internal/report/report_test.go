package report_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/fixture"
	"fanbench/bench/internal/report"
	"fanbench/bench/internal/trend"
	"fanbench/loadgen/result"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var results = map[string]func() *result.Result{
	"fanout": fixture.Fanout, "overload": fixture.Overload, "storm": fixture.Storm, "broken": fixture.Broken,
}

func page(t *testing.T, r *result.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.HTML(&b, report.Run{Result: r, Reproduce: "bin/bench run fanout-10k --seed=1"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// comparison is the page of a made-up experiment; half of its runs have
// intervals.
func comparison(t *testing.T, dearer float64) string {
	t.Helper()
	e, results := fixture.Comparison(dearer)
	runs := map[string]report.Run{}
	for directory, r := range results {
		runs[directory] = report.Run{Result: r}
		if r.Scenario.Name == "fanout-10k" {
			runs[directory] = report.Run{Result: r, Intervals: fixture.Seconds(r)}
		}
	}
	var b bytes.Buffer
	if err := report.Experiment(&b, e, runs, "bin/bench ab main faster --seed=7"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// history is a page of stored runs: a step in one metric, none in another, and
// another machine at the end.
func history(t *testing.T) string {
	t.Helper()
	var all []report.Series
	for _, step := range []float64{1.3, 1} {
		var points []trend.Point
		for i := range 36 {
			p := trend.Point{Commit: fmt.Sprintf("%08x%032x", 0x5f2c9d7e+i, 0), Time: time.Date(2026, 11, 1+i/2, 12*(i%2), 0, 0, 0, time.UTC), Environment: "3f9a1c",
				Value: 6e-6 * (1 + 0.01*math.Sin(float64(7*i)))}
			if i >= 14 {
				p.Value *= step
			}
			if i >= 30 {
				p.Environment, p.Value = "<other>", p.Value/2
			}
			points = append(points, p)
		}
		m := compare.Metrics(false)[0]
		all = append(all, report.Series{Name: fmt.Sprintf("fanout-%v, server", step), Metric: m, Points: points, Segments: trend.Find(points, m.MinEffect)})
	}
	var b bytes.Buffer
	if err := report.Trend(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// everyPage is made once: a comparison's trials are many.
func everyPage(t *testing.T) map[string]string {
	t.Helper()
	once.Do(func() {
		every = map[string]string{"comparison": comparison(t, 1.15), "trend": history(t)}
		for name, make := range results {
			every[name] = page(t, make())
		}
	})
	return every
}

var (
	once  sync.Once
	every map[string]string
)

// The embedded result and the style are the same text elsewhere: a golden page
// holds what this package makes of the result.
var (
	embedded = regexp.MustCompile(`data:application/json;base64,[A-Za-z0-9+/=]+`)
	style    = regexp.MustCompile(`(?s)<style>.*?</style>`)
	script   = regexp.MustCompile(`(?s)<script>.*?</script>`)
)

// own is what this package made of the results.
func own(html string) string {
	html = style.ReplaceAllString(embedded.ReplaceAllString(html, "data:…"), "<style>…</style>")
	return script.ReplaceAllString(html, "<script>…</script>")
}

func TestGolden(t *testing.T) {
	for name, html := range everyPage(t) {
		t.Run(name, func(t *testing.T) {
			got := own(html)
			path := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the page differs from %s; go test -update rewrites it, then look at the difference", path)
			}
		})
	}
}

// A page must be whole without a network: nothing in it is fetched.
func TestSelfContained(t *testing.T) {
	remote := regexp.MustCompile(`(?i)https?://|//[a-z0-9.-]+\.[a-z]{2,}/|@import|url\(|<script[^>]* src|<link|<img|<iframe`)
	for name, html := range everyPage(t) {
		if found := remote.FindString(embedded.ReplaceAllString(html, "")); found != "" {
			t.Errorf("%s: the page refers to something outside: %q", name, found)
		}
	}
}

func TestDownloadIsTheResult(t *testing.T) {
	want := fixture.Fanout()
	found := embedded.FindString(page(t, want))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(found, "data:application/json;base64,"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := result.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got.RunID != want.RunID || len(got.Histograms) != len(want.Histograms) || got.Ledger != want.Ledger {
		t.Error("the embedded result is not the one reported")
	}
}

// What the page must say, in words that a reader finds.
func TestSays(t *testing.T) {
	for name, wants := range map[string][]string{
		"fanout":   {"Neither server nor generator was at its limit", "class=\"banner good\"", "108 planned = 108 sent", "p99.9", "only 100 publications"},
		"overload": {"Server and generator were both at their limit", "<s>190 ms</s>", "tripped, voids delivery"},
		"storm":    {"connections/s", "Open connections"},
		"broken":   {"Generator-limited", "ended early", "class=\"banner bad\"", "1008 slow &lt;i&gt;", "with uncommitted changes", "Stop the time service"},
	} {
		html := page(t, results[name]())
		for _, want := range wants {
			if !strings.Contains(html, want) {
				t.Errorf("%s: the page does not say %q", name, want)
			}
		}
	}
	verdicts := map[float64]string{1.15: "class=\"verdict word\">regression", 1: "class=\"verdict word\">equivalent"}
	for dearer, want := range verdicts {
		if html := comparison(t, dearer); !strings.Contains(html, want) || !strings.Contains(html, "faster-&lt;log&gt;") {
			t.Errorf("CPU times %v: the page does not say %q", dearer, want)
		}
	}
	for _, want := range []string{"1 change in 2 series", "&#43;29.5 %", "environment &lt;other&gt;", "<desc>36 runs; ", ">5f2c9d8c0000<", "gates nothing"} {
		if !strings.Contains(everyPage(t)["trend"], want) {
			t.Errorf("trend: the page does not say %q", want)
		}
	}
	if strings.Contains(page(t, fixture.Storm()), "Deliveries per second") {
		t.Error("storm: a chart of deliveries where there are none")
	}
}

// Every drawing has a name and says in words what it shows.
func TestDrawingsAreDescribed(t *testing.T) {
	for name, html := range everyPage(t) {
		drawings := strings.Count(html, `role="img"`)
		if described := strings.Count(html, `role="img"><title>`); drawings == 0 || described != drawings {
			t.Errorf("%s: %d of %d drawings have a name", name, described, drawings)
		}
		if said := own(html); strings.Contains(said, "<desc></desc>") || strings.Contains(said, "Inf") || strings.Contains(said, "NaN") {
			t.Errorf("%s: a drawing says nothing, or no number", name)
		}
	}
}

func TestBrokenHistogramIsAnError(t *testing.T) {
	r := fixture.Fanout()
	r.Histograms[0].Data = "nonsense"
	var b bytes.Buffer
	if err := report.HTML(&b, report.Run{Result: r}); err == nil || !strings.Contains(err.Error(), r.RunID) || !strings.Contains(err.Error(), "delivery") {
		t.Errorf("got %v, want an error that names the run and the histogram", err)
	}
	if b.Len() > 0 {
		t.Error("half a page was written")
	}
}
