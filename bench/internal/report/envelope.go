package report

import (
	"fmt"
	"math"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// arm is one side's trials that count.
type arm struct {
	name, class string
	runs        []Run
}

// curveOf says which histogram answers the scenario's question.
func curveOf(s scenario.Scenario) curve {
	switch {
	case s.Workload == scenario.Connect:
		return openings[0]
	case s.LatencyFrom == scenario.FromSent || s.ClosedLoop():
		return curves[1]
	}
	return curves[0]
}

// envelopes draws both sides' percentile curves: the median of the trials, and
// what lies between the lowest and the highest of them.
func envelopes(arms []arm) (*chart, error) {
	var first *result.Result
	for _, a := range arms {
		if len(a.runs) > 0 {
			first = a.runs[0].Result
		}
	}
	if first == nil {
		return nil, nil
	}
	style := curveOf(first.Scenario)
	c := &chart{
		Title: "Percentiles of " + style.name, height: 360, xLabel: "percentile of samples, on the scale of 1 ÷ (1−q)",
		Note: "Line: median of the trials. Shaded: from the lowest trial to the highest. Cut where a trial has fewer publications than the quantile needs, 10 ÷ (1−q).",
	}
	var values []float64
	reach := 0.0
	for _, a := range arms {
		l, envelope, err := a.envelope(style)
		if err != nil {
			return nil, err
		}
		if len(l.points) == 0 {
			continue
		}
		for i := range l.points {
			values = append(values, envelope.lower[i].y, envelope.upper[i].y)
			reach = max(reach, l.points[i].x)
		}
		c.Lines, c.areas = append(c.Lines, l), append(c.areas, envelope)
	}
	if len(c.Lines) == 0 {
		return nil, nil
	}
	reach = max(1, reach)
	c.y = logAxis(values, human.Seconds)
	c.x = axis{min: 0, max: reach, ticks: percentileTicks(reach)}
	return c, nil
}

func (a arm) envelope(style curve) (line, area, error) {
	l := line{Name: a.name, Class: a.class}
	var all []*latency.Histogram
	end := math.Inf(1)
	for _, run := range a.runs {
		stored, found := run.Result.Histogram(style.histogram)
		if !found || stored.Count == 0 {
			continue
		}
		h, err := stored.Decode()
		if err != nil {
			return line{}, area{}, fmt.Errorf("run %s: %w", run.Result.RunID, err)
		}
		firm := float64(h.Count())
		if style.correlated {
			firm = min(firm, float64(run.Result.Ledger.MeasuredSent))
		}
		end = min(end, tail(firm))
		l.Untrusted = l.Untrusted || void(run.Result, style.metric)
		all = append(all, h)
	}
	envelope := area{class: a.class}
	if len(all) == 0 {
		return l, envelope, nil
	}
	samples := make([][]point, len(all))
	for i, h := range all {
		samples[i] = sample(h, 0, end)
	}
	for i, p := range samples[0] {
		column := make([]float64, len(samples))
		for n := range samples {
			column[n] = samples[n][i].y
		}
		low, middle, high := spread(column)
		l.points = append(l.points, point{p.x, middle})
		envelope.lower = append(envelope.lower, point{p.x, low})
		envelope.upper = append(envelope.upper, point{p.x, high})
	}
	return l, envelope, nil
}
