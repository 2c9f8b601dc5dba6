package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// point is in the axes' units, not in pixels.
type point struct{ x, y float64 }

// line is one curve. Points with a NaN y are gaps: missing is not zero.
type line struct {
	Name  string
	Class string // colour and dashes, in style.css
	// Untrusted: voided by a guard, drawn pale and struck through in the legend.
	Untrusted bool
	points    []point
	// faint continues points where the sample is too small to be relied on.
	faint []point
}

func (l line) class() string {
	if l.Untrusted {
		return l.Class + " pale"
	}
	return l.Class
}

type tick struct {
	at    float64
	label string // "" draws a grid line without a label
}

// axis maps min…max onto the drawing; log does so by the logarithm.
type axis struct {
	min, max float64
	log      bool
	ticks    []tick
	label    func(float64) string
}

// write writes a value of the axis for people.
func (a axis) write(v float64) string {
	if a.label == nil || math.IsInf(v, 0) {
		return fmt.Sprint(v)
	}
	return a.label(v)
}

// place returns where v lies on the axis, 0 at its start and 1 at its end.
func (a axis) place(v float64) float64 {
	lo, hi := a.min, a.max
	if a.log {
		lo, hi, v = math.Log10(lo), math.Log10(hi), math.Log10(v)
	}
	if hi == lo {
		return 0
	}
	return min(1, max(0, (v-lo)/(hi-lo)))
}

// band is a stretch of the x axis with a name: a phase.
type band struct {
	name     string
	from, to float64
	bright   bool // the others are shaded
}

// area lies between two curves: the envelope of several trials.
type area struct {
	class        string
	lower, upper []point // with the same x
}

// chart is a line chart; drawing it needs no script in the page.
type chart struct {
	Title  string
	Note   string
	height float64 // of the wide drawing, in pixels
	Lines  []line
	areas  []area
	kind   string // of the values: seconds, bytes or count
	// Plot is the number, from 1, of the data for the script; 0 for a chart that
	// stays as it is drawn here.
	Plot   int
	x, y   axis
	xLabel string
	bands  []band
}

// Wide and Narrow are the same chart for two window widths: scaling one drawing
// down would make its text too small to read.
func (c chart) Wide() template.HTML   { return c.svg(900, c.height) }
func (c chart) Narrow() template.HTML { return c.svg(370, min(c.height, 300)) }

// Margins around the drawing, in pixels.
const (
	left, right = 62.0, 14.0
	top, bottom = 22.0, 44.0
)

func (c chart) svg(width, height float64) template.HTML {
	var b strings.Builder
	x := func(v float64) float64 { return left + c.x.place(v)*(width-left-right) }
	y := func(v float64) float64 { return height - bottom - c.y.place(v)*(height-top-bottom) }

	b.WriteString(opening(width, height, c.Title, c.description()))
	c.drawBands(&b, x, height)
	c.drawAxes(&b, x, y, width, height)
	for _, a := range c.areas {
		fmt.Fprintf(&b, `<path class="area %s" d="%s"/>`, a.class, a.outline(x, y))
	}
	for _, l := range c.Lines {
		class := l.class()
		for _, path := range paths(l.points, x, y) {
			fmt.Fprintf(&b, `<path class="line %s" d="%s"/>`, class, path)
		}
		for _, path := range paths(l.faint, x, y) {
			fmt.Fprintf(&b, `<path class="line faint %s" d="%s"/>`, class, path)
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // every text in it was escaped on its way in
}

// opening begins a drawing: its name, and for who cannot see it, what it shows.
func opening(width, height float64, title, description string) string {
	return fmt.Sprintf(`<svg viewBox="0 0 %.0f %.0f" role="img"><title>%s</title><desc>%s</desc>`,
		width, height, template.HTMLEscapeString(title), template.HTMLEscapeString(description))
}

// description says what is drawn, for who cannot see it.
func (c chart) description() string {
	var b strings.Builder
	for _, l := range c.Lines {
		low, high := math.Inf(1), math.Inf(-1)
		for _, p := range slices.Concat(l.points, l.faint) {
			if !math.IsNaN(p.y) {
				low, high = min(low, p.y), max(high, p.y)
			}
		}
		fmt.Fprintf(&b, "%s: from %s to %s. ", l.Name, c.y.write(low), c.y.write(high))
	}
	return strings.TrimSpace(b.String())
}

// outline goes along the upper curve and back along the lower one.
func (a area) outline(x, y func(float64) float64) string {
	var b strings.Builder
	command := "M"
	for _, p := range a.upper {
		fmt.Fprintf(&b, "%s%.1f %.1f", command, x(p.x), y(p.y))
		command = "L"
	}
	for _, p := range slices.Backward(a.lower) {
		fmt.Fprintf(&b, "L%.1f %.1f", x(p.x), y(p.y))
	}
	return b.String() + "Z"
}

func (c chart) drawBands(b *strings.Builder, x func(float64) float64, height float64) {
	for _, band := range c.bands {
		from, to := x(band.from), x(band.to)
		class := "band"
		if band.bright {
			class += " bright"
		}
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.0f" width="%.1f" height="%.0f"/>`,
			class, from, top, max(0, to-from), height-top-bottom)
		// A label wider than its band would run into the next one.
		if to-from > 6.5*float64(len(band.name)) {
			fmt.Fprintf(b, `<text class="phase" x="%.1f" y="%.0f">%s</text>`,
				(from+to)/2, top-7, template.HTMLEscapeString(band.name))
		}
	}
}

func (c chart) drawAxes(b *strings.Builder, x, y func(float64) float64, width, height float64) {
	// As many labels as fit: about 8 px a character and some air.
	free := math.Inf(-1)
	for _, t := range c.x.ticks {
		at := x(t.at)
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %.0fV%.0f"/>`, at, top, height-bottom)
		half := 4*float64(len(t.label)) + 4
		at = min(at, width-half) // the last label must not leave the drawing
		if t.label != "" && at-half > free {
			fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%.0f" text-anchor="middle">%s</text>`,
				at, height-bottom+17, template.HTMLEscapeString(t.label))
			free = at + half
		}
	}
	for _, t := range c.y.ticks {
		at := y(t.at)
		fmt.Fprintf(b, `<path class="grid" d="M%.0f %.1fH%.0f"/>`, left, at, width-right)
		fmt.Fprintf(b, `<text class="tick" x="%.0f" y="%.1f" text-anchor="end">%s</text>`,
			left-8, at+4, template.HTMLEscapeString(t.label))
	}
	fmt.Fprintf(b, `<text class="tick" x="%.0f" y="%.0f" text-anchor="end">%s</text>`,
		width-right, height-8, template.HTMLEscapeString(c.xLabel))
}

// paths writes the stretches of a curve between its gaps.
func paths(points []point, x, y func(float64) float64) []string {
	var all []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			all = append(all, b.String())
			b.Reset()
		}
	}
	for i, p := range points {
		if math.IsNaN(p.y) {
			flush()
			continue
		}
		command := "L"
		if b.Len() == 0 {
			command = "M"
			if i == len(points)-1 || math.IsNaN(points[i+1].y) { // a lone reading: make it visible
				fmt.Fprintf(&b, "M%.1f %.1fh1", x(p.x), y(p.y))
				continue
			}
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", command, x(p.x), y(p.y))
	}
	flush()
	return all
}

// logAxis covers the values with powers of ten; over a few of those it begins
// and ends at 1, 2 or 5 of them.
func logAxis(values []float64, label func(float64) string) axis {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v > 0 {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if math.IsInf(lo, 1) {
		lo, hi = 1e-6, 1e-3
	}
	first, end := math.Floor(math.Log10(lo)), math.Ceil(math.Log10(hi))
	if end == first {
		end++
	}
	a := axis{min: math.Pow(10, first), max: math.Pow(10, end), log: true, label: label}
	decades := end - first
	for e := first; e <= end; e++ {
		for _, s := range []float64{1, 2, 5} {
			v := s * math.Pow(10, e)
			if v > a.max*1.0001 || len(a.ticks) > 1 && a.ticks[len(a.ticks)-1].at >= hi {
				break // one above all values is enough
			}
			if v <= lo*1.0001 {
				a.min, a.ticks = v, nil // the last below all values
			}
			t := tick{at: v}
			if s == 1 || decades <= 2 {
				t.label = label(v)
			}
			a.ticks = append(a.ticks, t)
		}
	}
	last := len(a.ticks) - 1
	a.max = a.ticks[last].at
	if decades <= 3 { // there is room for labels at both ends
		a.ticks[0].label, a.ticks[last].label = label(a.min), label(a.max)
		return a
	}
	a.ticks = slices.DeleteFunc(a.ticks, func(t tick) bool { return t.label == "" })
	return a
}

// linearAxis covers from…the largest value with about five round steps.
func linearAxis(from float64, values []float64, label func(float64) string) axis {
	hi := from
	for _, v := range values {
		if !math.IsNaN(v) {
			hi = max(hi, v)
		}
	}
	if hi == from {
		hi = from + 1
	}
	step := niceStep((hi - from) / 5)
	a := axis{min: from, max: from + math.Ceil((hi-from)/step-1e-9)*step, label: label}
	for i := 0; from+float64(i)*step <= a.max*1.0001; i++ {
		v := from + float64(i)*step
		a.ticks = append(a.ticks, tick{v, label(v)})
	}
	return a
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power*1.0001 {
			return m * power
		}
	}
	return 10 * power
}
