package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"fanbench/bench/internal/human"
	"fanbench/bench/internal/intervals"
)

// heat is a map of latency over time: how many deliveries of each stretch took
// how long. Lines of percentiles hide several modes; this shows them.
type heat struct {
	Title, Note string
	class       string // of its colour
	runs        []Run  // added up, each from its own start
	x, y        axis
	bands       []band
}

// heatNote says how to read a map.
const heatNote = "The stronger a cell, the more deliveries (by the square root). Two bands are two modes; a column that reaches up is a stall."

const (
	heatHeight = 260.0
	perDecade  = 10 // rows of the map in a power of ten
	shades     = 8
)

// newHeat is nil where no run has a record; y nil fits the axis to the records.
func newHeat(title, class string, runs []Run, y *axis) *heat {
	h := &heat{Title: title, class: class}
	var values []float64
	end := 0.0
	for _, run := range runs {
		if len(run.Intervals) == 0 {
			continue
		}
		h.runs = append(h.runs, run)
		for _, i := range run.Intervals {
			end = max(end, run.offset(i)+i.Length.Seconds())
			for _, s := range i.Steps {
				values = append(values, max(shortest, s.High).Seconds())
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	for _, p := range h.runs[0].Result.Times.Phases {
		h.bands = append(h.bands, band{p.Name, p.Start, p.End, p.Name == "measure"})
		end = max(end, p.End)
	}
	h.x = timeAxis(end)
	h.y = logAxis(values, human.Seconds)
	if y != nil {
		h.y = *y
	}
	return h
}

// offset is where an interval begins, in seconds since the start of its run.
func (r Run) offset(i intervals.Interval) float64 {
	return max(0, i.Start.Sub(r.Result.Times.Started).Seconds())
}

func (h heat) Wide() template.HTML   { return h.svg(900, heatHeight, 120) }
func (h heat) Narrow() template.HTML { return h.svg(370, heatHeight, 45) }

// svg draws at most so many columns. Cells of one shade are one path, which
// keeps the page small.
func (h heat) svg(width, height float64, atMost int) template.HTML {
	columns := min(atMost, max(1, int(math.Ceil(h.x.max))))
	rows := int(math.Round(perDecade * math.Log10(h.y.max/h.y.min)))
	counts := make([]float64, columns*rows)
	highest := 0.0
	for _, run := range h.runs {
		for _, i := range run.Intervals {
			column := min(columns-1, int(run.offset(i)/h.x.max*float64(columns)))
			for _, s := range i.Steps {
				middle := max(shortest, (s.Low+s.High)/2).Seconds()
				row := min(rows-1, int(h.y.place(middle)*float64(rows)))
				counts[column*rows+row] += float64(s.Count)
				highest = max(highest, counts[column*rows+row])
			}
		}
	}
	frame := chart{Title: h.Title, x: h.x, y: h.y, bands: h.bands, xLabel: "seconds since the start of the run"}
	var b strings.Builder
	x := func(v float64) float64 { return left + h.x.place(v)*(width-left-right) }
	y := func(v float64) float64 { return height - bottom - h.y.place(v)*(height-top-bottom) }
	b.WriteString(opening(width, height, h.Title, fmt.Sprintf("From %s to %s, over %.3g seconds.", h.y.write(h.y.min), h.y.write(h.y.max), h.x.max)))
	frame.drawBands(&b, x, height)
	frame.drawAxes(&b, x, y, width, height)
	w, tall := (width-left-right)/float64(columns), (height-top-bottom)/float64(rows)
	var cells [shades]strings.Builder
	for i, n := range counts {
		if n == 0 {
			continue
		}
		// The root, because eyes tell dark shades apart less well than pale ones.
		shade := min(shades-1, int(math.Sqrt(n/highest)*shades))
		column, row := i/rows, i%rows
		fmt.Fprintf(&cells[shade], "M%.1f %.1fh%.1fv%.1fh-%.1fz", left+float64(column)*w, height-bottom-float64(row+1)*tall, w, tall, w)
	}
	for shade := range cells {
		if cells[shade].Len() > 0 {
			fmt.Fprintf(&b, `<path class="cell %s" opacity="%.2f" d="%s"/>`, h.class, 0.12+0.88*float64(shade)/(shades-1), cells[shade].String())
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // every text in it was escaped on its way in
}
