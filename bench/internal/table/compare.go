package table

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/result"
)

// Compare writes two results side by side with the ratio of each metric.
func Compare(w io.Writer, a, b *result.Result) error {
	t := plain()
	t.AppendHeader(table.Row{"metric", "A", "B", "B ÷ A", "better"})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 2, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight},
		{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
	})
	for _, name := range names(a, b) {
		t.AppendRow(pair(name, a, b))
	}
	for _, entry := range account(a, b) {
		t.AppendRow(entry)
	}
	t.AppendRow(table.Row{"verdict, limit", Verdict(a.Verdict), Verdict(b.Verdict)})

	var out strings.Builder
	fmt.Fprintf(&out, "A  %s\nB  %s\n\n", identity(a), identity(b))
	for _, difference := range Differences(a, b) {
		fmt.Fprintf(&out, "warning: %s\n", difference)
	}
	fmt.Fprintf(&out, "%s\n%s", render(t), caveat)
	for _, n := range notes([]*result.Result{a, b}) {
		if n.mark == "*" || n.mark == "~" { // the others belong to the table of runs
			fmt.Fprintf(&out, "%s  %s\n", n.mark, n.text)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// Differences says what keeps two results from being comparable at all.
func Differences(a, b *result.Result) []string {
	var all []string
	if a.Scenario.Hash() != b.Scenario.Hash() {
		all = append(all, fmt.Sprintf("the scenarios differ (%s, %s): the ratios compare different work", a.Scenario.Name, b.Scenario.Name))
	}
	if a.Environment.Key != b.Environment.Key {
		all = append(all, fmt.Sprintf("the environments differ (%s): the ratios compare machines as well", factors(a, b)))
	}
	return all
}

// factors names what differs between two environments.
func factors(a, b *result.Result) string {
	keys := map[string]bool{}
	for k := range a.Environment.Factors {
		keys[k] = true
	}
	for k := range b.Environment.Factors {
		keys[k] = true
	}
	var parts []string
	for k := range keys {
		if x, y := a.Environment.Factors[k], b.Environment.Factors[k]; x != y {
			parts = append(parts, fmt.Sprintf("%s %q and %q", k, x, y))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("keys %s and %s", a.Environment.Key, b.Environment.Key)
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func identity(r *result.Result) string {
	return fmt.Sprintf("%s, %s, %s, run %s", r.Scenario.Name, build(r), r.Times.Started.UTC().Format("2006-01-02 15:04:05 UTC"), r.RunID)
}

// names lists every metric that either result has, trusted or not.
func names(a, b *result.Result) []string {
	set := map[string]bool{}
	for _, r := range []*result.Result{a, b} {
		for name := range r.Metrics {
			set[name] = true
		}
		for name := range r.Untrusted {
			set[name] = true
		}
	}
	var all []string
	for name := range set {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// pair writes one metric of both; a ratio only where both can be trusted.
func pair(name string, a, b *result.Result) table.Row {
	x, trusted := a.Metrics[name]
	y, alsoTrusted := b.Metrics[name]
	ratio := ""
	if trusted && alsoTrusted && x.Value != 0 {
		ratio = fmt.Sprintf("%.3f", y.Value/x.Value)
	}
	better := x.Better
	if better == "" {
		better = y.Better
	}
	return table.Row{name, value(a, name), value(b, name), ratio, better}
}

func value(r *result.Result, name string) string {
	m, _, _ := r.Metric(name)
	format := human.Count
	switch m.Unit {
	case "seconds":
		format = human.Seconds
	case "bytes":
		format = human.Bytes
	}
	return one(r, name, format)
}

// account compares the ledger entries that must not grow.
func account(a, b *result.Result) []table.Row {
	var rows []table.Row
	x, y := a.Ledger, b.Ledger
	for _, e := range []struct {
		name string
		a, b uint64
	}{
		{"sent", x.Sent, y.Sent},
		{"delivered", x.Delivered, y.Delivered},
		{"lost", x.Lost, y.Lost},
		{"duplicated", x.Duplicated, y.Duplicated},
		{"reordered", x.Reordered, y.Reordered},
	} {
		rows = append(rows, table.Row{e.name, human.Grouped(e.a), human.Grouped(e.b)})
	}
	return rows
}

const caveat = `This table does not judge. Two single runs differ by chance as well: repeat both, in turn and on one machine,
before calling either faster.
`
