package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"fanbench/bench/internal/compare"
)

// forest draws every metric's ratio with its interval, the band of changes that
// do not matter, and a dot for each pair, on one logarithmic axis.
type forest struct {
	rows  []compare.Judged
	reach float64 // of the axis to either side, ln(ratio)
}

// newForest is nil where nothing was measured on both sides.
func newForest(all []compare.Judged) *forest {
	f := &forest{}
	var dots []float64
	for _, j := range all {
		if j.N == 0 {
			continue
		}
		f.rows = append(f.rows, j)
		if j.Gating {
			f.reach = max(f.reach, math.Log1p(j.Effect), math.Log1p(j.Margin))
			for _, bound := range []*float64{j.Estimate, j.Low, j.High} {
				if bound != nil {
					f.reach = max(f.reach, math.Abs(math.Log(*bound)))
				}
			}
		}
		for _, r := range j.Ratios {
			if j.Gating && !math.IsNaN(r) {
				dots = append(dots, math.Abs(math.Log(r)))
			}
		}
	}
	if len(f.rows) == 0 {
		return nil
	}
	if len(dots) > 0 {
		// A few wild pairs lie on the edge, or they would press the rest together.
		slices.Sort(dots)
		f.reach = max(f.reach, dots[len(dots)*9/10])
	}
	f.reach = min(max(f.reach, math.Log1p(0.02))*1.15, math.Log(20))
	return f
}

// Wide has the names on the left and the numbers on the right of the drawing,
// Narrow above it.
func (f forest) Wide() template.HTML   { return f.svg(900, 258, 660, 40, false) }
func (f forest) Narrow() template.HTML { return f.svg(370, 10, 360, 62, true) }

func (f forest) svg(width, from, to, row float64, stacked bool) template.HTML {
	const head, foot = 8.0, 40.0
	height := head + row*float64(len(f.rows)) + foot
	x := func(ratio float64) float64 {
		at := math.Log(ratio) / f.reach
		return (from+to)/2 + min(1, max(-1, at))*(to-from)/2
	}
	var b strings.Builder
	b.WriteString(opening(width, height, "Ratios, candidate to baseline", f.description()))
	for _, t := range f.ticks(stacked) {
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %.0fV%.0f"/><text class="tick" x="%.1f" y="%.0f" text-anchor="middle">%s</text>`,
			x(t.at), head, height-foot, min(max(x(t.at), from+14), to-14), height-foot+16, t.label)
	}
	fmt.Fprintf(&b, `<path class="zero" d="M%.1f %.0fV%.0f"/>`, x(1), head, height-foot)
	for i, j := range f.rows {
		f.drawRow(&b, j, x, head+row*float64(i), row, width, from, to, stacked)
	}
	fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%.0f" text-anchor="middle">candidate to baseline</text></svg>`, (from+to)/2, height-6)
	return template.HTML(b.String()) // every text in it was escaped on its way in
}

// description is every row in words.
func (f forest) description() string {
	var all []string
	for _, j := range f.rows {
		all = append(all, sentence(j))
	}
	return strings.Join(all, "; ")
}

func (f forest) drawRow(b *strings.Builder, j compare.Judged, x func(float64) float64, y, row, width, from, to float64, stacked bool) {
	middle, half := y+row/2, 11.0
	if stacked {
		middle = y + row - 18
	}
	class := "reported"
	if j.Gating {
		class = string(j.Verdict)
		for _, band := range []struct {
			class, says string
			share       float64
		}{{"margin", "margin of equivalence", j.Margin}, {"least", "minimum effect", j.Effect}} {
			low, high := x(1/(1+band.share)), x(1+band.share)
			fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s: %s</title></rect>`,
				band.class, low, middle-half, high-low, 2*half, band.says, share(band.share))
		}
	}
	fmt.Fprintf(b, `<g class="row %s">`, class)
	for n, r := range j.Ratios {
		if math.IsNaN(r) {
			continue
		}
		shape := "dot"
		if math.Abs(math.Log(r)) > f.reach {
			shape = "dot beyond"
		}
		// Dots of like value would hide each other on one line.
		fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="3"><title>pair %d: %s</title></circle>`,
			shape, x(r), middle+float64(n%5-2)*3.4, n+1, change(r))
	}
	if j.Low != nil {
		fmt.Fprintf(b, `<path class="interval" d="M%.1f %.1fH%.1f"/>`, x(*j.Low), middle, x(*j.High))
	}
	fmt.Fprintf(b, `<circle class="estimate" cx="%.1f" cy="%.1f" r="5.5"><title>%s</title></circle></g>`,
		x(*j.Estimate), middle, template.HTMLEscapeString(sentence(j)))
	name, words := template.HTMLEscapeString(j.Name), template.HTMLEscapeString(numbers(j))
	if stacked {
		fmt.Fprintf(b, `<text class="name" x="%.0f" y="%.1f">%s</text><text class="tick" x="%.0f" y="%.1f" text-anchor="end">%s</text>`,
			from, y+16, name, to, y+31, words)
		return
	}
	fmt.Fprintf(b, `<text class="name" x="0" y="%.1f">%s</text><text class="tick" x="0" y="%.1f">%s is better</text>`, middle-3, name, middle+13, j.Better)
	verdict := string(j.Verdict)
	if !j.Gating {
		verdict = "reported"
	}
	fmt.Fprintf(b, `<text class="name %s" x="%.0f" y="%.1f" text-anchor="end">%s</text><text class="tick" x="%.0f" y="%.1f" text-anchor="end">%s</text>`,
		class, width, middle-3, verdict, width, middle+13, words)
}

// ticks are round changes, as many as there is room for on a side; where the
// changes are large, powers of two.
func (f forest) ticks(narrow bool) []tick {
	ticks := []tick{{1, "0"}}
	if f.reach > math.Ln2 {
		ticks[0].label = "×1"
		for ratio := 2.0; math.Log(ratio) <= f.reach; ratio *= 2 {
			ticks = append(ticks, tick{ratio, fmt.Sprintf("×%.0f", ratio)}, tick{1 / ratio, fmt.Sprintf("÷%.0f", ratio)})
		}
		return ticks
	}
	most := 4.0
	if narrow {
		most = 2
	}
	step := niceStep(math.Expm1(f.reach) / most)
	for i := 1.0; math.Log1p(i*step) <= f.reach; i++ {
		ticks = append(ticks, tick{1 + i*step, fmt.Sprintf("+%.3g %%", 100*i*step)})
	}
	for i := 1.0; i*step < 1 && -math.Log1p(-i*step) <= f.reach; i++ {
		ticks = append(ticks, tick{1 - i*step, fmt.Sprintf("−%.3g %%", 100*i*step)})
	}
	return ticks
}

// change writes a ratio as a change: "+3.1 %", and one of many times without
// decimals.
func change(ratio float64) string {
	decimals := 1
	if ratio >= 10 {
		decimals = 0
	}
	return strings.Replace(fmt.Sprintf("%+.*f %%", decimals, 100*(ratio-1)), "-", "−", 1)
}

func share(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

// numbers are the estimate and its interval: "+3.1 % (+1.2 % to +5.0 %)".
func numbers(j compare.Judged) string {
	s := change(*j.Estimate)
	if j.Low != nil {
		s += fmt.Sprintf(" (%s to %s)", change(*j.Low), change(*j.High))
	}
	return s
}

func sentence(j compare.Judged) string { return j.Name + ": " + numbers(j) }
