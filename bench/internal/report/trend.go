package report

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/human"
	"fanbench/bench/internal/stats"
	"fanbench/bench/internal/trend"
)

// Series is one metric of one scenario and target over stored runs, with what
// was found in it.
type Series struct {
	Name     string // the scenario's and the target's
	Metric   compare.Metric
	Points   []trend.Point
	Segments []trend.Segment
}

// trendView is what the page of a trend shows, already in words.
type trendView struct {
	shell
	Tone, Verdict, Words string
	Changes              []changeRow
	Groups               []trendGroup
}

// trendGroup is what there is of one scenario and target.
type trendGroup struct {
	Name   string
	Charts []trendChart
}

type changeRow struct {
	Name, Metric, Commit, When, Before, After, Change, Tone, P string
}

// Trend writes the page of metrics over stored runs.
func Trend(w io.Writer, all []Series) error {
	v, err := newTrendView(all)
	if err != nil {
		return fmt.Errorf("report trend: %w", err)
	}
	return execute(w, "trend.html", v)
}

func newTrendView(all []Series) (*trendView, error) {
	page, err := newShell(all)
	if err != nil {
		return nil, err
	}
	v := &trendView{shell: page, Tone: "good"}
	searched := 0
	for _, s := range all {
		if len(v.Groups) == 0 || v.Groups[len(v.Groups)-1].Name != s.Name {
			v.Groups = append(v.Groups, trendGroup{Name: s.Name})
		}
		in := &v.Groups[len(v.Groups)-1]
		in.Charts = append(in.Charts, trendChart{s})
		for _, segment := range s.Segments {
			if segment.Searched {
				searched++
			}
			for _, c := range segment.Changes {
				v.Changes = append(v.Changes, s.row(c))
			}
		}
	}
	switch {
	case searched == 0:
		v.Tone, v.Verdict = "doubtful", fmt.Sprintf("Not searched: no series has the %d runs in one environment that it takes", trend.LeastPoints)
	case len(v.Changes) == 0:
		v.Verdict = fmt.Sprintf("No change in %d series", searched)
	case len(v.Changes) == 1:
		v.Tone, v.Verdict = "doubtful", fmt.Sprintf("1 change in %d series", searched)
	default:
		v.Tone, v.Verdict = "doubtful", fmt.Sprintf("%d changes in %d series", len(v.Changes), searched)
	}
	v.Words = "A hint where to look, which gates nothing: between stored runs more changes than the commit. bench ab judges two commits."
	return v, nil
}

func (s Series) row(c trend.Change) changeRow {
	p, format := s.Points[c.At], human.Of(s.Metric.Unit)
	row := changeRow{
		Name: s.Name, Metric: s.Metric.Name, Commit: short(p.Commit), When: p.Time.UTC().Format("2006-01-02 15:04"),
		Before: format(c.Before), After: format(c.After), Change: change(c.After / c.Before), P: fmt.Sprintf("%.1g", c.P), Tone: "improvement",
	}
	if s.worse(c) {
		row.Tone = "regression"
	}
	return row
}

func (s Series) worse(c trend.Change) bool {
	return (c.After > c.Before) == (s.Metric.Better == compare.Lower)
}

func short(commit string) string { return commit[:min(12, len(commit))] }

// trendChart draws a series: a dot for each run, a line for each level, and a
// mark where the level changed.
type trendChart struct{ Series }

func (c trendChart) Title() string { return c.Metric.Name }

func (c trendChart) Note() string {
	return fmt.Sprintf("%s is better. A dot is a run, a line the median of a level, a vertical line a change; levels end where the environment changed.", c.Metric.Better)
}

func (c trendChart) Wide() template.HTML   { return c.svg(900, 240) }
func (c trendChart) Narrow() template.HTML { return c.svg(370, 240) }

func (c trendChart) svg(width, height float64) template.HTML {
	var values []float64
	for _, p := range c.Points {
		values = append(values, p.Value)
	}
	n := float64(len(values))
	format := human.Of(c.Metric.Unit)
	fromZero := fromZero(format)
	if c.Metric.Unit == "bytes" {
		fromZero = mebibytes
		if stats.Median(values) < 1<<20 {
			fromZero = func(values []float64) axis { return linearAxis(0, values, format) }
		}
	}
	frame := chart{
		x: axis{min: -0.5, max: n - 0.5, ticks: c.ticks(width)}, y: fromZero(values),
		xLabel: "commits of the runs, oldest first", bands: c.environments(),
	}
	var b strings.Builder
	x := func(v float64) float64 { return left + frame.x.place(v)*(width-left-right) }
	y := func(v float64) float64 { return height - bottom - frame.y.place(v)*(height-top-bottom) }
	b.WriteString(opening(width, height, c.Metric.Name+" over stored runs", c.description()))
	frame.drawBands(&b, x, height)
	frame.drawAxes(&b, x, y, width, height)
	for _, s := range c.Segments {
		c.drawLevels(&b, s, x, y, height)
	}
	for i, p := range c.Points {
		fmt.Fprintf(&b, `<circle class="run" cx="%.1f" cy="%.1f" r="3"><title>%s, %s: %s</title></circle>`, x(float64(i)), y(p.Value),
			template.HTMLEscapeString(short(p.Commit)), p.Time.UTC().Format("2006-01-02 15:04"), format(p.Value))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // every text in it was escaped on its way in
}

// drawLevels draws the medians between the changes of a segment.
func (c trendChart) drawLevels(b *strings.Builder, s trend.Segment, x, y func(float64) float64, height float64) {
	from := s.First
	level := func(to int) {
		var values []float64
		for _, p := range c.Points[from:to] {
			values = append(values, p.Value)
		}
		fmt.Fprintf(b, `<path class="line c0" d="M%.1f %.1fH%.1f"/>`, x(float64(from)-0.4), y(stats.Median(values)), x(float64(to)-0.6))
		from = to
	}
	for _, change := range s.Changes {
		level(change.At)
		class := "improvement"
		if c.worse(change) {
			class = "regression"
		}
		fmt.Fprintf(b, `<g class="%s"><path class="interval" d="M%.1f %.0fV%.0f"><title>%s</title></path></g>`,
			class, x(float64(change.At)-0.5), top, height-bottom, template.HTMLEscapeString(c.sentence(change)))
	}
	level(s.End)
}

func (c trendChart) sentence(change trend.Change) string {
	r := c.row(change)
	return fmt.Sprintf("%s at %s: %s to %s", r.Change, r.Commit, r.Before, r.After)
}

func (c trendChart) description() string {
	all := []string{fmt.Sprintf("%d runs", len(c.Points))}
	for _, s := range c.Segments {
		for _, change := range s.Changes {
			all = append(all, c.sentence(change))
		}
	}
	return strings.Join(all, "; ")
}

// environments shade every second stretch in one environment.
func (c trendChart) environments() []band {
	var bands []band
	for i, s := range c.Segments {
		if len(c.Segments) > 1 {
			bands = append(bands, band{"environment " + s.Environment, float64(s.First) - 0.5, float64(s.End) - 0.5, i%2 == 0})
		}
	}
	return bands
}

// ticks name commits, as many as there is room for.
func (c trendChart) ticks(width float64) []tick {
	every := int(math.Ceil(float64(len(c.Points)) * 80 / (width - left - right)))
	var ticks []tick
	for i := 0; i < len(c.Points); i += max(1, every) {
		ticks = append(ticks, tick{float64(i), c.Points[i].Commit[:min(7, len(c.Points[i].Commit))]})
	}
	return ticks
}
