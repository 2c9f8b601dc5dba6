// Package table lays results out as text: many runs one below the other, or
// two side by side. It is pure and judges nothing.
package table

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Run is one row: a result, or why there is none. A run without a result keeps
// its row, or it would vanish from the table.
type Run struct {
	Scenario string
	Target   string // for Targets
	Round    int    // for Targets, from 0
	Result   *result.Result
	Problem  string // where Result is nil
}

// Runs writes one row for each run and what the columns mean below them.
func Runs(w io.Writer, runs []Run) error {
	t := plain()
	t.AppendHeader(table.Row{"", "", "deliv.", "delivery", "compl.", "lag p99", "lost/", "CPU/deliv.", "RSS/conn.", "verdict,"})
	t.AppendHeader(table.Row{"scenario", "conns", "per s", "p50/p99", "p99", "send/read", "dup/re.", "server/gen.", "server/gen.", "limit"})
	var results []*result.Result
	for _, run := range runs {
		if run.Result == nil {
			t.AppendRow(table.Row{run.Scenario, "", "", "", "", "", "", "", "", "no result, " + run.Problem})
			continue
		}
		t.AppendRow(row(run.Result))
		results = append(results, run.Result)
	}
	out := render(t) + "\n" + basisNote + "\n"
	for _, n := range notes(results) {
		out += n.mark + "  " + n.text + "\n"
	}
	_, err := io.WriteString(w, out)
	return err
}

// Line sums a run up in one line.
func Line(r *result.Result) string {
	parts := []string{Verdict(r.Verdict)}
	add := func(name, label string, format func(float64) string) {
		if s := one(r, name, format); s != "" {
			parts = append(parts, strings.TrimSpace(label+" "+s))
		}
	}
	if r.Scenario.Workload == scenario.Connect {
		add("connections_per_second", "connections/s", human.Count)
		add("connect.p99", "connect p99", human.Seconds)
	} else {
		add("deliveries_per_second", "deliveries/s", human.Count)
		add(basis(r)+".p50", "p50", human.Seconds)
		add(basis(r)+".p99", "p99", human.Seconds)
		parts = append(parts, fmt.Sprintf("lost %s of %s", human.Grouped(r.Ledger.Lost), human.Grouped(r.Ledger.Expected)))
	}
	return r.Scenario.Name + ": " + strings.Join(parts, "; ")
}

// plain is a table of columns set apart by two spaces.
func plain() table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	return t
}

// render ends each line at its last character, whatever its columns' width.
func render(t table.Writer) string {
	var b strings.Builder
	for line := range strings.SplitSeq(t.Render(), "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// tight writes a number without the space before its unit: a row is long.
func tight(format func(float64) string) func(float64) string {
	return func(v float64) string { return strings.ReplaceAll(format(v), " ", "") }
}

func row(r *result.Result) table.Row {
	rate, rateMark := "deliveries_per_second", ""
	delivery, mark := basis(r), ""
	if r.Scenario.LatencyFrom == scenario.FromSent {
		mark = "†"
	}
	if r.Scenario.Workload == scenario.Connect {
		rate, rateMark, delivery, mark = "connections_per_second", "‡", "connect", "‡"
	}
	pair := func(a, b string, format func(float64) string) string {
		return strings.ReplaceAll(two(r, a, b, format), " ", "")
	}
	return table.Row{
		r.Scenario.Name,
		human.Grouped(uint64(connections(r.Scenario))),
		suffix(one(r, rate, human.Count), rateMark),
		suffix(pair(delivery+".p50", delivery+".p99", human.Seconds), mark),
		one(r, "completion.p99", tight(human.Seconds)),
		pair("send_lag.p99", "read_lag.p99", human.Seconds),
		ledger(r),
		pair("target.cpu_per_delivery_seconds", "generator.cpu_per_delivery_seconds", human.Seconds),
		pair("target.rss_per_connection_bytes", "generator.rss_per_connection_bytes", human.Bytes),
		Verdict(r.Verdict),
	}
}

// basis is the metric group that the scenario reports first.
func basis(r *result.Result) string {
	if r.Scenario.LatencyFrom == scenario.FromSent {
		return "sent_delivery"
	}
	return "delivery"
}

// connections of a scenario, publishers included.
func connections(s scenario.Scenario) int {
	if s.Workload == scenario.Fanout {
		return s.Connections + s.Publishers
	}
	return s.Connections
}

// Verdict names a verdict and, where it adds something, the limit.
func Verdict(v result.Verdict) string {
	s := v.Verdict
	if v.Limit != "" && !strings.HasPrefix(s, v.Limit) {
		s += ", " + v.Limit
	}
	if v.Partial {
		s += ", partial"
	}
	return s
}

// one writes a metric; voided ones stand between tildes, absent ones are empty.
func one(r *result.Result, name string, format func(float64) string) string {
	m, trusted, observed := r.Metric(name)
	switch {
	case !observed:
		return ""
	case !trusted:
		return struck(format(m.Value))
	default:
		return format(m.Value) + marked(m)
	}
}

// two writes a pair of metrics, with the unit once where they share it.
func two(r *result.Result, a, b string, format func(float64) string) string {
	x, trusted, observed := r.Metric(a)
	y, alsoTrusted, alsoObserved := r.Metric(b)
	switch {
	case !observed && !alsoObserved:
		return ""
	case !observed || !alsoObserved || trusted != alsoTrusted:
		return dash(one(r, a, format)) + "/" + dash(one(r, b, format))
	case !trusted:
		return struck(human.Pair(format, x.Value, y.Value))
	default:
		return human.Pair(format, x.Value, y.Value) + marked(x, y)
	}
}

func marked(all ...result.Metric) string {
	for _, m := range all {
		if m.Marked {
			return "*"
		}
	}
	return ""
}

// struck marks what a guard voided, in a way that also survives a plain file.
func struck(s string) string { return "~" + s + "~" }

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func suffix(s, mark string) string {
	if s == "" {
		return ""
	}
	return s + mark
}

// ledger writes lost/duplicated/reordered where anything was expected.
func ledger(r *result.Result) string {
	l := r.Ledger
	if l.Expected == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%s/%s", human.Count(float64(l.Lost)), human.Count(float64(l.Duplicated)), human.Count(float64(l.Reordered)))
}

const basisNote = "conns: publishers too. lost/dup/re.: lost, duplicated, reordered. gen.: the generator.\n" +
	"Delivery and completion count from when the publication was due; arrival is the kernel's time stamp."

type note struct{ mark, text string }

// notes explains the marks that occur in the results.
func notes(results []*result.Result) []note {
	var few, void, sent, connect bool
	for _, r := range results {
		sent = sent || r.Scenario.LatencyFrom == scenario.FromSent
		connect = connect || r.Scenario.Workload == scenario.Connect
		void = void || len(r.Untrusted) > 0
		for _, m := range r.Metrics {
			few = few || m.Marked
		}
	}
	var all []note
	for _, n := range []struct {
		occurs bool
		note
	}{
		{few, note{"*", "fewer publications than the quantile needs, 10 ÷ (1−q)"}},
		{void, note{"~", "voided by a guard, not to be trusted; the result says by which"}},
		{sent, note{"†", "from the first attempt to write: under overload the plan's due times are not kept"}},
		{connect, note{"‡", "connections per second, and the time from SYN to the 101 answer"}},
	} {
		if n.occurs {
			all = append(all, n.note)
		}
	}
	return all
}
