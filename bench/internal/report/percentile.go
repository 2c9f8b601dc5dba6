package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// curve says how one histogram of a result is drawn.
type curve struct {
	histogram string
	metric    string // prefix of the metrics made from it
	name      string
	class     string
	// correlated: one publication makes many samples, so that the publications
	// and not the samples bound what a quantile may claim.
	correlated bool
	// marked: past that bound the curve goes on, faint, as delivery quantiles
	// are printed and marked. Otherwise it is cut.
	marked bool
}

// The generator's own faults are dashed, the rest is solid.
var curves = []curve{
	{"delivery", "delivery", "delivery, from due", "c0", true, true},
	{"sent-delivery", "sent_delivery", "delivery, from sent", "c1", true, true},
	{"completion", "completion", "completion (last subscriber)", "c2", true, false},
	{"send-lag", "send_lag", "send lag (generator)", "c3 dashed", true, false},
	{"read-lag", "read_lag", "read lag (generator)", "c4 dashed", false, false},
}

// openings is the only curve where connections are what was measured; beside
// deliveries its scale would only press the others together.
var openings = []curve{{"connect", "connect", "connect, SYN to 101", "c2", false, false}}

const (
	// needed observations behind a quantile q: needed ÷ (1−q).
	needed = 10
	// shortest duration that is drawn; what is shorter lies on the edge.
	shortest = time.Microsecond
	// resolution of a curve in points per power of ten of 1/(1−q).
	resolution = 40
)

// percentiles draws the result's histograms over x = log10(1/(1−q)), which
// gives the tail the room that it needs.
func percentiles(r *result.Result) (chart, error) {
	c := chart{
		Title:  "Percentiles",
		height: 360,
		xLabel: "percentile of samples, on the scale of 1 ÷ (1−q)",
		Note: "Dashed: the generator's own contribution. " +
			"Dotted: fewer publications than the quantile needs, 10 ÷ (1−q); completion is cut there.",
	}
	var values []float64
	reach := 1.0
	shown := curves
	if r.Scenario.Workload == scenario.Connect {
		shown = openings
		c.Note = ""
	}
	for _, style := range shown {
		stored, found := r.Histogram(style.histogram)
		if !found || stored.Count == 0 {
			continue
		}
		h, err := stored.Decode()
		if err != nil {
			return chart{}, err
		}
		l := trace(style, h, r.Ledger.MeasuredSent)
		l.Untrusted = void(r, style.metric)
		for _, p := range slices.Concat(l.points, l.faint) {
			values = append(values, p.y)
			reach = max(reach, p.x)
		}
		c.Lines = append(c.Lines, l)
	}
	c.y = logAxis(values, human.Seconds)
	c.x = axis{min: 0, max: reach, ticks: percentileTicks(reach)}
	return c, nil
}

// void: a guard voided the metrics of this prefix.
func void(r *result.Result, metric string) bool {
	_, trusted, observed := r.Metric(metric + ".p50")
	return observed && !trusted
}

// trace samples a histogram at even steps of the x axis.
func trace(style curve, h *latency.Histogram, publications uint64) line {
	samples := float64(h.Count())
	firm := samples
	if style.correlated {
		firm = min(samples, float64(publications))
	}
	l := line{Name: style.name, Class: style.class}
	l.points = sample(h, 0, tail(firm))
	if style.marked && tail(samples) > tail(firm) {
		l.faint = sample(h, tail(firm), tail(samples))
	}
	return l
}

// tail is the x up to which n observations carry a quantile.
func tail(n float64) float64 { return max(0, math.Log10(n/needed)) }

func sample(h *latency.Histogram, from, to float64) []point {
	steps := max(1, int(math.Ceil((to-from)*resolution)))
	points := make([]point, 0, steps+1)
	for i := range steps + 1 {
		x := from + (to-from)*float64(i)/float64(steps)
		d := max(shortest, h.Quantile(1-math.Pow(10, -x)))
		points = append(points, point{x, d.Seconds()})
	}
	return points
}

// percentileTicks: 0, 50, 90, 99, 99.9 … as far as the axis reaches.
func percentileTicks(reach float64) []tick {
	ticks := []tick{{0, "0"}, {math.Log10(2), "50"}}
	for nines := 1.0; nines <= reach+1e-9; nines++ {
		q := 100 * (1 - math.Pow(10, -nines))
		ticks = append(ticks, tick{nines, fmt.Sprintf("%.*f", max(0, int(nines)-2), q)})
	}
	return ticks
}
