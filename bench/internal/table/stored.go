package table

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/human"
	"fanbench/bench/internal/subject"
	"fanbench/bench/internal/trend"
	"fanbench/loadgen/result"
)

// Unpaired writes what two sets of stored runs, of one scenario each, say.
func Unpaired(w io.Writer, baseline, candidate []*result.Result, c compare.Comparison) error {
	var out strings.Builder
	out.WriteString(strings.ToUpper(string(c.Verdict)) + " (advisory)\n")
	for _, reason := range c.Reasons {
		fmt.Fprintf(&out, "  %s\n", reason)
	}
	fmt.Fprintf(&out, "\nbaseline   %s, %d runs\ncandidate  %s, %d runs\n\n", builds(baseline), len(baseline), builds(candidate), len(candidate))
	out.WriteString(judgedRows(c.Metrics))
	_, err := io.WriteString(w, out.String())
	return err
}

// builds names the servers and commits that some results are of.
func builds(all []*result.Result) string {
	return strings.Join(appearing(all, build), ", ")
}

// build names the server and the commit that a result is of.
func build(r *result.Result) string {
	commit := "commit not known"
	if r.Subject.Commit != "" {
		commit = r.Subject.Commit[:min(12, len(r.Subject.Commit))]
		if r.Subject.Dirty {
			commit += " (uncommitted changes)"
		}
	}
	return subject.Label(r) + " " + commit
}

// Trend is one metric of one scenario and target over stored runs.
type Trend struct {
	Name     string // the scenario's and the target's
	Metric   compare.Metric
	Points   []trend.Point
	Segments []trend.Segment
	Listed   bool // with every point
}

// Trends writes where metrics changed.
func Trends(w io.Writer, all []Trend) error {
	var out strings.Builder
	t := plain()
	t.AppendHeader(table.Row{"scenario, target", "metric", "runs", "from", "before", "after", "change", "p"})
	changes := 0
	for _, one := range all {
		format := human.Of(one.Metric.Unit)
		for _, s := range one.Segments {
			for _, c := range s.Changes {
				p := one.Points[c.At]
				mark := ""
				if (c.After > c.Before) == (one.Metric.Better == compare.Lower) {
					mark = " worse"
				}
				t.AppendRow(table.Row{one.Name, one.Metric.Name, len(one.Points), p.Commit[:min(12, len(p.Commit))],
					format(c.Before), format(c.After), percent(c.After/c.Before) + mark, fmt.Sprintf("%.1g", c.P)})
				changes++
			}
		}
	}
	if changes > 0 {
		out.WriteString(render(t) + "\n")
	}
	searched := 0
	for _, one := range all {
		out.WriteString(one.gaps())
		for _, s := range one.Segments {
			if s.Searched {
				searched++
			}
		}
		if one.Listed {
			out.WriteString(one.points())
		}
	}
	switch {
	case searched == 0:
		fmt.Fprintf(&out, "No series has the %d runs in one environment that a search takes.\n", trend.LeastPoints)
	case changes == 0:
		fmt.Fprintf(&out, "No change in %d series.\n", searched)
	}
	out.WriteString("This is a hint and gates nothing: bench ab judges two commits.\n")
	_, err := io.WriteString(w, out.String())
	return err
}

// gaps says where the environment changed, over which nothing is compared.
func (t Trend) gaps() string {
	var out strings.Builder
	for _, s := range t.Segments[min(1, len(t.Segments)):] {
		fmt.Fprintf(&out, "%s, %s: the environment changed at %s (%s); nothing is compared over it\n",
			t.Name, t.Metric.Name, t.Points[s.First].Time.UTC().Format("2006-01-02 15:04"), s.Environment)
	}
	return out.String()
}

func (t Trend) points() string {
	rows := plain()
	rows.AppendHeader(table.Row{t.Name, "commit", "environment", t.Metric.Name})
	format := human.Of(t.Metric.Unit)
	for _, p := range t.Points {
		rows.AppendRow(table.Row{p.Time.UTC().Format("2006-01-02 15:04"), p.Commit[:min(12, len(p.Commit))], p.Environment, format(p.Value)})
	}
	return render(rows) + "\n"
}
