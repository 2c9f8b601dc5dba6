package export

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
)

// mostCharacters of a comment on GitHub are 65,536; a job's summary may have
// 1 MiB. What is written here fits both.
const mostCharacters = 65_000

// Marker stands in the first line of a comment, so that the next comparison
// replaces it instead of adding another one.
const Marker = "<!-- fanbench comparison -->"

// Markdown writes a comparison: the verdict first, details folded, and first what
// the verdict rests on. What would make it too long for a comment is left out
// from the end, block by block, and it says so.
func Markdown(w io.Writer, e *experiment.Experiment) error {
	var head strings.Builder
	fmt.Fprintf(&head, "%s\n## %s bench: %s\n\n", Marker, signs[e.Verdict], e.Verdict)
	if e.AA {
		head.WriteString("Both sides are the same server: whatever differs is noise.\n\n")
	}
	if e.Interrupted {
		head.WriteString("The comparison was interrupted: this is a part of it.\n\n")
	}
	fmt.Fprintf(&head, "baseline %s, candidate %s\n\n", code(e.Baseline), code(e.Candidate))
	// The most telling first: the order is what is lost last.
	ordered := slices.Clone(e.Scenarios)
	slices.SortStableFunc(ordered, func(x, y experiment.Scenario) int {
		return slices.Index(tellings, x.Comparison.Verdict) - slices.Index(tellings, y.Comparison.Verdict)
	})
	var blocks []string
	for _, part := range []func(experiment.Scenario) string{reasons, details, pairTable} {
		for _, s := range ordered {
			blocks = append(blocks, part(s))
		}
	}
	foot := fmt.Sprintf("\nThis machine: %s. Experiment %s, seed %d. change: Hodges-Lehmann estimate over the pairs; interval: exact, after Holm's correction.\n",
		plain(e.Environment.Key), plain(e.ID), e.Seed)
	for i, block := range blocks {
		if head.Len()+len(block)+len(foot)+len(cut) > mostCharacters {
			foot = fmt.Sprintf(cut, len(blocks)-i, len(blocks)) + foot
			break
		}
		head.WriteString(block)
	}
	out := head.String() + foot
	if _, err := io.WriteString(w, out); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

// cut says what is missing.
const cut = "\n%d of %d parts are too many for this place; they are in the report.\n"

// tellings are the verdicts, the most telling first.
var tellings = []compare.Verdict{compare.Regression, compare.Invalid, compare.Inconclusive, compare.Improvement, compare.Equivalent}

// reasons are what a scenario's verdict rests on.
func reasons(s experiment.Scenario) string {
	var b strings.Builder
	for _, reason := range s.Comparison.Reasons {
		fmt.Fprintf(&b, "- **%s** %s\n", plain(s.Name), plain(reason))
	}
	return b.String()
}

var signs = map[compare.Verdict]string{
	compare.Regression: "❌", compare.Improvement: "✅", compare.Equivalent: "✅", compare.Inconclusive: "❔", compare.Invalid: "⚠️",
}

// details is a scenario's table, folded.
func details(s experiment.Scenario) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>%s: %s, %d pairs", plain(s.Name), s.Comparison.Verdict, s.Comparison.Counted)
	if v := s.Comparison.Voided; v > 0 {
		fmt.Fprintf(&b, ", %d more are void", v)
	}
	b.WriteString("</summary>\n\n| metric | baseline | candidate | change | interval | least | p | verdict |\n|---|--:|--:|--:|--:|--:|--:|---|\n")
	for _, j := range s.Comparison.Metrics {
		if j.N == 0 {
			continue
		}
		least, p, verdict := "", "", "reported"
		if j.Gating {
			least, p, verdict = fmt.Sprintf("%.1f %%", 100*j.Effect), fmt.Sprintf("%.4f", j.Adjusted), string(j.Verdict)
		}
		if j.Why != "" {
			verdict += ": " + j.Why
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", plain(j.Name), value(j.Baseline, j.Unit), value(j.Candidate, j.Unit),
			change(*j.Estimate), interval(j), least, p, plain(verdict))
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

// pairTable lists a scenario's pairs, folded.
func pairTable(s experiment.Scenario) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>%s: the pairs</summary>\n\n| pair | first |", plain(s.Name))
	rule := "\n|--:|---|"
	for _, j := range s.Comparison.Metrics {
		if j.Gating {
			fmt.Fprintf(&b, " %s |", plain(j.Name))
			rule += "--:|"
		}
	}
	b.WriteString(" void |" + rule + "---|\n")
	counted := 0
	for i, p := range s.Pairs {
		first, void := "candidate", p.Void()
		if p.BaselineFirst {
			first = "baseline"
		}
		fmt.Fprintf(&b, "| %d | %s |", i+1, first)
		for _, j := range s.Comparison.Metrics {
			if !j.Gating {
				continue
			}
			cell := ""
			if void == "" && counted < len(j.Ratios) && j.Ratios[counted] > 0 {
				cell = change(j.Ratios[counted])
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		fmt.Fprintf(&b, " %s |\n", plain(void))
		if void == "" {
			counted++
		}
	}
	b.WriteString("\n</details>\n")
	return b.String()
}

// plain is text that Markdown and HTML leave as it is.
func plain(s string) string {
	return strings.NewReplacer("\\", "\\\\", "&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "\\|", "`", "\\`", "*", "\\*", "_", "\\_", "~", "\\~", "[", "\\[", "@", "&#64;", "\n", " ").Replace(s)
}

func code(a experiment.Arm) string {
	return "`" + strings.NewReplacer("`", "'", "\n", " ").Replace(a.String()) + "`"
}
