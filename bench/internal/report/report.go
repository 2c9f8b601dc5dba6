// Package report turns a result, or a comparison with its trials, into one
// self-contained HTML page: it needs neither the network nor JavaScript, its
// charts are SVG drawn here. With JavaScript those over time get a cursor, by
// uPlot, which is part of the page with its licence.
//
// It is pure: results in, a page out. It judges nothing; verdicts, limits and
// marks stand in the results and are only put into words.
package report

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"

	"fanbench/bench/internal/intervals"
	"fanbench/loadgen/result"
)

//go:embed page.html experiment.html trend.html parts.html style.css charts.js uplot
var assets embed.FS

var pages = template.Must(template.ParseFS(assets, "page.html", "experiment.html", "trend.html", "parts.html"))

// Run is a result with what stands beside it.
type Run struct {
	Result *result.Result
	// Intervals of the histogram that answers the scenario's question, see
	// [Histogram]; nil if none were kept.
	Intervals []intervals.Interval
	// Reproduce is the command line that repeats the run, as a person would type
	// it; "" leaves that section out.
	Reproduce string
}

// Histogram is the name of the histogram whose intervals a page shows.
func Histogram(r *result.Result) string { return curveOf(r.Scenario).histogram }

// HTML writes the page of one run.
func HTML(w io.Writer, run Run) error {
	v, err := newView(run)
	if err != nil {
		return fmt.Errorf("report run %s: %w", run.Result.RunID, err)
	}
	return execute(w, "page.html", v)
}

// execute writes a page whole or not at all.
func execute(w io.Writer, name string, v any) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, v); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// shell is what every page has.
type shell struct {
	Style, UplotStyle template.CSS
	Uplot, Charts     template.JS
	Licence           template.HTML // of uPlot, as a comment
	Plots             []plot        // for the script
	Download          template.URL
}

// newShell reads the page's assets; data is what the page offers as a download.
func newShell(data any) (shell, error) {
	s := shell{
		Style: template.CSS(asset("style.css")), UplotStyle: template.CSS(asset("uplot/uPlot.min.css")),
		Charts: template.JS(asset("charts.js")),
	}
	// The first line is a comment with the library's address; a page that needs
	// no network names none. The name stands in the licence's comment.
	_, library, _ := bytes.Cut(asset("uplot/uPlot.iife.min.js"), []byte("\n"))
	s.Uplot = template.JS(library)
	s.Licence = template.HTML("<!-- uPlot 1.6.32\n\n" + string(asset("uplot/LICENSE")) + "\n-->")
	raw, err := json.MarshalIndent(data, "", "  ")
	if err != nil {
		return s, fmt.Errorf("encode the download: %w", err)
	}
	// Base64 in a link is a download without a script, and cannot be mistaken
	// for markup.
	s.Download = template.URL("data:application/json;base64," + base64.StdEncoding.EncodeToString(raw))
	return s, nil
}

func asset(name string) []byte {
	b, err := assets.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return b
}
