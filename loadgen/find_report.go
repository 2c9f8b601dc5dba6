package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"fanbench/loadgen/internal/find"
	"fanbench/loadgen/result"
)

// lines is where each probe's line goes as soon as there is one.
func (f *finder) lines() io.Writer {
	if f.command.JSON {
		return f.err
	}
	return f.out
}

// probeLine prints a probe as soon as it was made, so columns have fixed widths.
func probeLine(w io.Writer, a axis, number int, p find.Probe) {
	row := func(number string, cells ...string) {
		fmt.Fprintf(w, "%3s", number)
		widths := []int{12, 12, 12, 8, 10}
		for i, cell := range cells[:len(widths)] {
			fmt.Fprint(w, strings.Repeat(" ", max(1, widths[i]-utf8.RuneCountInString(cell))), cell)
		}
		fmt.Fprintf(w, "  %s\n", strings.Join(cells[len(widths):], "  "))
	}
	if number == 1 {
		row("", a.name, "p50", "p99", "target", "generator", "verdict")
	}
	row(fmt.Sprint(number), a.format(p.Load), shown(p.P50), shown(p.P99), cores(p.TargetCPUs), cores(p.GeneratorCPUs), said(p))
}

// shown is a quantile, struck through and marked as in a run's summary.
func shown(q *find.Quantile) string {
	if q == nil {
		return "-"
	}
	text := seconds(q.Seconds)
	if q.Marked {
		text += "*"
	}
	if q.Untrusted {
		text = "~~" + text + "~~"
	}
	return text
}

func seconds(s float64) string { return result.Metric{Value: s, Unit: "seconds"}.String() }

func cores(n *float64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f CPU", *n)
}

// said is the run's verdict and what it means for the load.
func said(p find.Probe) string {
	text := cmp.Or(p.Verdict, "no run")
	if p.Outcome == find.Held || p.Outcome == find.Broke {
		text += ", " + string(p.Outcome)
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// summarize prints the curve, the capacity and the knee.
func summarize(w io.Writer, a axis, c *find.Capacity) {
	var marked, untrusted bool
	for _, p := range c.Probes {
		for _, q := range []*find.Quantile{p.P50, p.P99} {
			marked = marked || q != nil && q.Marked
			untrusted = untrusted || q != nil && q.Untrusted
		}
	}
	if marked {
		fmt.Fprintln(w, "* rests on fewer publications than the quantile needs; --find-measure makes probes longer")
	}
	if untrusted {
		fmt.Fprintln(w, "~~ ~~ voided by a guard, and not in the curve")
	}
	fmt.Fprintf(w, "\n%s, median of each load's probes, on a logarithmic scale:\n", c.Latency)
	curve(w, a, c)
	fmt.Fprintf(w, "\n%-10s %s\n", "capacity", capacity(a, c))
	fmt.Fprintf(w, "%-10s %s\n", "knee", knee(a, c))
}

// bar is the widest bar of the curve, in columns.
const bar = 40

// curve draws a bar for each load.
func curve(w io.Writer, a axis, c *find.Capacity) {
	samples := find.Medians(c.Samples())
	if len(samples) == 0 {
		fmt.Fprintf(w, "  no %s that can be trusted\n", c.Latency)
		return
	}
	byLatency := func(a, b find.Sample) int { return cmp.Compare(a.Latency, b.Latency) }
	least, most := slices.MinFunc(samples, byLatency).Latency, slices.MaxFunc(samples, byLatency).Latency
	for _, s := range samples {
		held, broke := 0, 0
		for _, p := range c.Probes {
			switch {
			case p.Load == s.Load && p.Outcome == find.Held:
				held++
			case p.Load == s.Load && p.Outcome == find.Broke:
				broke++
			}
		}
		length := 1.0
		if most > least {
			length += (bar - 1) * math.Log(s.Latency/least) / math.Log(most/least)
		}
		fmt.Fprintf(w, "%12s  held %d of %d  %9s  %s\n", a.format(s.Load), held, held+broke, seconds(s.Latency), strings.Repeat("█", int(math.Round(length))))
	}
}

// capacity says what was found, as an interval.
func capacity(a axis, c *find.Capacity) string {
	lower, upper := "nothing held", "nothing is known to break it"
	if c.Lower != nil {
		lower = a.format(*c.Lower) + " held"
	}
	if c.Upper != nil {
		upper = a.format(*c.Upper) + " did not"
	}
	both := lower + ", " + upper
	switch c.State {
	case find.Found:
		return fmt.Sprintf("%s to %s (±%.1f %%): %s", a.format(*c.Lower), a.format(*c.Upper), 100**c.HalfWidth, both)
	case find.Above:
		return fmt.Sprintf("%s or more: the largest load asked held", a.format(*c.Lower))
	case find.Below:
		return fmt.Sprintf("below %s: the smallest load asked did not hold", a.format(*c.Upper))
	case find.Limited:
		return fmt.Sprintf("the generator is the limit, at %s; %s", a.format(*c.Ceiling), both)
	default:
		return fmt.Sprintf("not found, %s; so far %s", c.Reason, both)
	}
}

func knee(a axis, c *find.Capacity) string {
	switch k := c.Knee; {
	case k == nil:
		return "not known: too little of the curve can be trusted"
	case k.Load == nil:
		return fmt.Sprintf("none: %s grows no faster than %s", c.Latency, c.Axis)
	case k.First:
		return fmt.Sprintf("%s or below: from there on %s grows faster than %s", a.format(*k.Load), c.Latency, c.Axis)
	default:
		return fmt.Sprintf("between %s and %s: from there on %s grows faster than %s", a.format(*k.Load), a.format(*k.Next), c.Latency, c.Axis)
	}
}
