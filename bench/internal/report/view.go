package report

import (
	"fmt"
	"sort"
	"strings"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// view is what the template shows, already in words.
type view struct {
	shell
	Reproduce string

	Scenario string
	Question string
	Started  string
	Subject  string
	Tone     string // good, doubtful, bad: the banner's colour
	Verdict  string
	Limit    string
	Reasons  []string

	Tiles  []tile
	Curves *chart // nil without a histogram
	Heat   *heat  // nil without intervals
	Table  []percentileRow
	// Contribution is the generator's own part of the table.
	Contribution string
	Columns      []string
	Timeline     []chart
	Ledger       []entry
	Balance      []string
	Guards       []guard
	Failures     []result.Failure
	Warnings     []result.Warning

	Configuration []entry
	Factors       []entry
	Detail        []entry
	Commands      []entry
}

type entry struct {
	Name, Value string
	Bad         bool
}

// tile is one key number.
type tile struct {
	Label, Value, Unit, Note string
	Untrusted                bool
}

type guard struct {
	Name, Value, Limit, Voids, Remedy string
	Tripped                           bool
}

func newView(run Run) (*view, error) {
	r := run.Result
	page, err := newShell(r)
	if err != nil {
		return nil, err
	}
	v := &view{
		shell:     page,
		Reproduce: run.Reproduce,

		Scenario: r.Scenario.Name,
		Question: r.Scenario.Question,
		Started:  r.Times.Started.UTC().Format("2006-01-02 15:04:05 UTC"),
		Subject:  subjectLine(r.Subject),
		Tone:     tone(r),
		Verdict:  verdictWords(r.Verdict),
		Limit:    limitWords(r.Verdict),
		Reasons:  r.Verdict.Reasons,
		Tiles:    tiles(r),
		Table:    percentileTable(r),

		Contribution: result.Contribution(r),

		Ledger:   ledger(r),
		Balance:  balance(r.Ledger),
		Guards:   guards(r.Verdict.Guards),
		Failures: r.Failures,
		Warnings: r.Warnings,

		Configuration: flatten(r.Scenario),
		Factors:       sorted(r.Environment.Factors),
		Detail:        sorted(r.Environment.Detail),
	}
	v.Configuration = append([]entry{{Name: "url", Value: r.URL}, {Name: "seed", Value: fmt.Sprint(r.Seed)}}, v.Configuration...)
	if len(r.Subject.Command) > 0 {
		v.Commands = append(v.Commands, entry{Name: "server", Value: strings.Join(r.Subject.Command, " ")})
	}
	for _, q := range result.Quantiles {
		v.Columns = append(v.Columns, q.Name)
	}
	curves, err := percentiles(r)
	if err != nil {
		return nil, err
	}
	if len(curves.Lines) > 0 {
		v.Curves = &curves
	}
	if v.Heat = newHeat("Latency over time", "c0", []Run{run}, nil); v.Heat != nil {
		v.Heat.Note = heatNote
	}
	v.Timeline = timelines(r)
	interactive(&v.Plots, v.Timeline)
	return v, nil
}

func subjectLine(s result.Subject) string {
	name := s.Name
	if name == "" {
		name = "target"
	}
	if s.Commit == "" {
		return name + ", commit not known"
	}
	line := name + " at " + s.Commit[:min(12, len(s.Commit))]
	if s.Dirty {
		line += " with uncommitted changes"
	}
	return line
}

func tone(r *result.Result) string {
	switch {
	case r.Verdict.Verdict == result.Valid && !r.Verdict.Partial && !r.Faults().Any():
		return "good"
	case r.Verdict.Verdict == result.Invalid || r.Faults().Any():
		return "bad"
	default:
		return "doubtful"
	}
}

// verdictWords says what a verdict means.
func verdictWords(v result.Verdict) string {
	words := map[string]string{
		result.Valid:            "Valid: every metric that the scenario requires can be trusted.",
		result.GeneratorLimited: "Generator-limited: a required metric measures the generator, not the target.",
		result.LinkLimited:      "Link-limited: a required metric measures the network, not the target.",
		result.Invalid:          "Invalid: a required metric cannot be trusted.",
	}[v.Verdict]
	if words == "" {
		words = v.Verdict
	}
	if v.Partial {
		words += " The run ended early: what stands here is a part of it."
	}
	return words
}

// limitWords says what a limit means.
func limitWords(v result.Verdict) string {
	limit := v.Limit
	if v.Disturbed { // others had a part of the generator's machine
		limit += ", disturbed"
	}
	words := map[string]string{
		"server":               "The server was the limit: it carried as much as it could here.",
		"generator":            "The generator was the limit: how much more the server could carry is not known.",
		"both":                 "Server and generator were both at their limit.",
		"generator, disturbed": "The generator's machine was the limit, of which others had a part: how much more the server could carry is not known.",
		"both, disturbed":      "The server and the generator's machine, of which others had a part, were both at their limit.",
		"link":                 "The link was the limit: how much more the server could carry is not known.",
		"none":                 "Neither server nor generator was at its limit.",
	}[limit]
	if words == "" {
		return "What the limit was is not known."
	}
	return words
}

// tiles are the key numbers of the scenario's workload, those that exist.
func tiles(r *result.Result) []tile {
	group, basis := "delivery", "from due"
	if r.Scenario.LatencyFrom == scenario.FromSent {
		group, basis = "sent_delivery", "from sent"
	}
	wanted := []struct{ name, label, note string }{
		{"deliveries_per_second", "throughput", "the drain counted"},
		{group + ".p50", "delivery p50", basis},
		{group + ".p99", "delivery p99", basis},
		{"completion.p99", "completion p99", "last subscriber, from due"},
		{"connections_per_second", "connections", ""},
		{"connect.p99", "connect p99", "SYN to 101"},
		{"target.cpu_per_delivery_seconds", "server CPU", "per delivery"},
		{"generator.cpu_per_delivery_seconds", "generator CPU", "per delivery"},
		{"target.rss_per_connection_bytes", "server memory", "resident per connection"},
		{"generator.rss_per_connection_bytes", "generator memory", "resident per connection"},
	}
	if r.Scenario.Workload != scenario.Connect {
		// Opening connections is not the question of the others.
		wanted = append(wanted[:4:4], wanted[6:]...)
	}
	var all []tile
	for _, want := range wanted {
		m, trusted, found := r.Metric(want.name)
		if !found {
			continue
		}
		t := tile{Label: want.label, Note: want.note, Untrusted: !trusted}
		t.Value, t.Unit, _ = strings.Cut(m.String(), " ")
		if m.Marked {
			t.Note += fmt.Sprintf("; only %s publications", human.Grouped(m.Publications))
		}
		all = append(all, t)
	}
	l := r.Ledger
	if l.Expected > 0 {
		all = append(all, tile{
			Label: "lost / duplicated / reordered",
			Value: fmt.Sprintf("%s / %s / %s", human.Grouped(l.Lost), human.Grouped(l.Duplicated), human.Grouped(l.Reordered)),
			Note:  "of " + human.Grouped(l.Expected) + " deliveries",
		})
	}
	return all
}

func guards(all []result.Guard) []guard {
	var rows []guard
	for _, g := range all {
		row := guard{Name: g.Name, Limit: quantity(g.Limit, g.Unit), Voids: strings.Join(g.Voids, ", "), Remedy: g.Remedy, Tripped: g.Tripped}
		row.Value = "no such source here"
		if g.Value != nil {
			row.Value = quantity(*g.Value, g.Unit)
		}
		rows = append(rows, row)
	}
	return rows
}

// quantity writes a guard's number; those without a unit are shares or counts.
func quantity(v float64, unit string) string {
	return strings.TrimSpace(result.Metric{Value: v, Unit: unit}.String())
}

func sorted(m map[string]string) []entry {
	entries := make([]entry, 0, len(m))
	for k, val := range m {
		entries = append(entries, entry{Name: k, Value: val})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name < entries[j].Name })
	return entries
}
