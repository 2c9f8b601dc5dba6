package report

import (
	"math"
	"slices"
)

// plot is a chart over time for the script in the page, which replaces the
// drawing by one with a cursor. It holds what the drawing holds.
type plot struct {
	Title string       `json:"title"`
	Kind  string       `json:"kind"` // of the values: seconds, bytes or count
	X     plotAxis     `json:"x"`
	Y     plotAxis     `json:"y"`
	Bands []plotBand   `json:"bands"`
	Lines []plotLine   `json:"lines"`
	Times []float64    `json:"times"`
	Data  [][]*float64 `json:"data"` // by line, one for each time; null is a gap
}

type plotAxis struct {
	Min   float64    `json:"min"`
	Max   float64    `json:"max"`
	Log   bool       `json:"log"`
	Ticks []plotTick `json:"ticks"`
}

type plotTick struct {
	At    float64 `json:"at"`
	Label string  `json:"label"`
}

type plotBand struct {
	Name   string  `json:"name"`
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	Bright bool    `json:"bright"`
}

type plotLine struct {
	Name      string `json:"name"`
	Class     string `json:"class"`
	Untrusted bool   `json:"untrusted"`
}

// plot brings the chart's lines onto common times.
func (c chart) plot() plot {
	p := plot{Title: c.Title, Kind: c.kind, X: c.x.plot(), Y: c.y.plot(), Bands: []plotBand{}}
	for _, b := range c.bands {
		p.Bands = append(p.Bands, plotBand{b.name, b.from, b.to, b.bright})
	}
	for _, l := range c.Lines {
		for _, at := range l.points {
			p.Times = append(p.Times, at.x)
		}
	}
	slices.Sort(p.Times)
	p.Times = slices.Compact(p.Times)
	for _, l := range c.Lines {
		p.Lines = append(p.Lines, plotLine{l.Name, l.Class, l.Untrusted})
		values := make([]*float64, len(p.Times))
		for _, at := range l.points {
			i, _ := slices.BinarySearch(p.Times, at.x)
			if !math.IsNaN(at.y) {
				y := max(at.y, c.y.min) // nothing lies below a logarithmic axis
				values[i] = &y
			}
		}
		p.Data = append(p.Data, values)
	}
	return p
}

func (a axis) plot() plotAxis {
	p := plotAxis{Min: a.min, Max: a.max, Log: a.log}
	for _, t := range a.ticks {
		p.Ticks = append(p.Ticks, plotTick{t.at, t.label})
	}
	return p
}

// interactive numbers the charts and collects what the script draws them from.
func interactive(plots *[]plot, charts []chart) {
	for i := range charts {
		charts[i].Plot = len(*plots) + 1
		*plots = append(*plots, charts[i].plot())
	}
}
