package table

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/human"
	"fanbench/bench/internal/noise"
)

// Experiment writes what an experiment found, the verdict with its reasons
// first, then a table for each scenario.
func Experiment(w io.Writer, e *experiment.Experiment) error {
	var out strings.Builder
	out.WriteString(strings.ToUpper(string(e.Verdict)))
	if e.AA {
		out.WriteString(" (both sides are the same server)")
	}
	if e.Interrupted {
		out.WriteString(" (interrupted)")
	}
	out.WriteString("\n")
	for _, s := range e.Scenarios {
		for _, reason := range s.Comparison.Reasons {
			fmt.Fprintf(&out, "  %s: %s\n", s.Name, reason)
		}
	}
	fmt.Fprintf(&out, "\nbaseline   %s\ncandidate  %s\n", e.Baseline, e.Candidate)
	for _, s := range e.Scenarios {
		out.WriteString("\n" + comparison(s))
	}
	out.WriteString(experimentNote)
	if unmeasured(e) {
		out.WriteString("The noise of this machine has not been measured for all of these scenarios: the stated minimum effects alone\n" +
			"were applied. Run bench noise once on this machine.\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

const experimentNote = `
change: Hodges-Lehmann estimate over the pairs, candidate to baseline; interval: exact, at the level that Holm's correction
leaves the metric. least: the minimum effect, the larger of the stated one and twice the noise of such an estimate on this
machine (docs/comparing.md).
`

func unmeasured(e *experiment.Experiment) bool {
	return slices.ContainsFunc(e.Scenarios, func(s experiment.Scenario) bool { return s.Rules.Noise == nil })
}

// comparison is one scenario's table.
func comparison(s experiment.Scenario) string {
	c := s.Comparison
	title := fmt.Sprintf("%s: %s, %d pairs", s.Name, c.Verdict, c.Counted)
	if c.Voided > 0 {
		title += fmt.Sprintf(", %d more are void:", c.Voided)
	}
	title += "\n"
	for i, p := range s.Pairs {
		if why := p.Void(); why != "" {
			title += fmt.Sprintf("  pair %d: %s\n", i+1, why)
		}
	}
	return title + judgedRows(c.Metrics)
}

// judgedRows is the table of judged metrics.
func judgedRows(metrics []compare.Judged) string {
	t := plain()
	t.AppendHeader(table.Row{"metric", "baseline", "candidate", "change", "interval", "least", "p", "verdict"})
	for _, j := range metrics {
		if j.N == 0 {
			continue
		}
		format := human.Of(j.Unit)
		row := table.Row{j.Name, format(*j.Baseline), format(*j.Candidate), percent(*j.Estimate), "", "", "", string(j.Verdict)}
		if j.Low != nil {
			row[4] = percent(*j.Low) + " to " + percent(*j.High)
		}
		if j.Gating {
			row[5], row[6] = fmt.Sprintf("%.1f %%", 100*j.Effect), fmt.Sprintf("%.4f", j.Adjusted)
		} else {
			row[7] = "reported"
			if j.Why != "" {
				row[7] = "reported: " + j.Why
			}
		}
		t.AppendRow(row)
	}
	return render(t)
}

// percent writes a ratio as a change: "+3.1 %".
func percent(ratio float64) string { return fmt.Sprintf("%+.1f %%", 100*(ratio-1)) }

// Progress is one line about an experiment under way: how far it is, and what
// the last scenario's leading metric looks like so far.
func Progress(p experiment.Progress) string {
	s := p.Scenario
	line := fmt.Sprintf("%d of %d pairs", p.Done, p.Planned)
	if p.Left > 0 {
		line += fmt.Sprintf(", %v left", p.Left.Round(time.Second))
	}
	last := s.Pairs[len(s.Pairs)-1]
	if why := last.Void(); why != "" {
		return fmt.Sprintf("%s; %s: void, %s", line, s.Name, why)
	}
	i := slices.IndexFunc(s.Comparison.Metrics, func(j compare.Judged) bool { return j.N > 0 })
	if i < 0 {
		return line
	}
	j := s.Comparison.Metrics[i]
	line += fmt.Sprintf("; %s: %s %s", s.Name, j.Name, percent(*j.Estimate))
	if j.Low != nil {
		line += fmt.Sprintf(" (%s to %s)", percent(*j.Low), percent(*j.High))
	}
	return line
}

// Noise writes the profile of the scenarios that an experiment measured.
func Noise(w io.Writer, p noise.Profile, e *experiment.Experiment) error {
	t := plain()
	t.AppendHeader(table.Row{"scenario", "metric", "noise", "stated least"})
	for _, s := range e.Scenarios {
		measured := p.Scenarios[s.Hash].Noise
		for _, m := range s.Rules.Metrics {
			if v, known := measured[m.Name]; known && m.Gating {
				t.AppendRow(table.Row{s.Name, m.Name, fmt.Sprintf("%.1f %%", 100*v), fmt.Sprintf("%.1f %%", 100*m.MinEffect)})
			}
		}
	}
	_, err := io.WriteString(w, fmt.Sprintf("Noise of this machine (environment %s, affinity %s): 19 of 20 pairs of trials of one server\ndiffer by less. %d scenarios are known.\n\n%s",
		p.Environment, p.Affinity, len(slices.Collect(maps.Keys(p.Scenarios))), render(t)))
	return err
}
