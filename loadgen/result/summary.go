package result

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"fanbench/loadgen/scenario"
)

// Summary prints a result for people: what was asked, the verdict, the account,
// and the numbers with what they rest on. A number that cannot be trusted is
// struck through, ~~like this~~, and the guard that voids it named.
func Summary(w io.Writer, r *Result) error {
	s := &summary{r: r}
	s.verdict()
	s.objectives()
	s.ledger()
	s.quantiles()
	s.costs()
	s.failures()
	s.warnings()
	if _, err := io.WriteString(w, s.String()); err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	return nil
}

// summary is the text of one result while it grows.
type summary struct {
	strings.Builder
	r *Result
}

func (s *summary) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// limits says in plain words what each limit means.
var limits = map[string]string{
	"server":    "the server was the limit",
	"generator": "the generator was the limit, not the server",
	"link":      "the network between them was the limit",
	"both":      "server and generator both were at their limit",
	"none":      "neither server nor generator was at its limit",
}

// disturbed are the same where others had the generator's machine.
var disturbed = map[string]string{
	"generator": "the generator's machine was the limit, not the server",
	"both":      "server and the generator's machine both were at their limit",
}

func (s *summary) verdict() {
	v := s.r.Verdict
	s.line("%s: %s", s.r.Scenario.Name, s.r.Scenario.Question)
	partial := ""
	switch {
	case v.Interrupted:
		partial = " (partial: interrupted)"
	case v.Partial:
		partial = " (partial: the run ended early)"
	}
	plain, known := limits[v.Limit]
	if v.Disturbed {
		plain, known = disturbed[v.Limit]
	}
	if !known {
		plain = v.Limit
	}
	s.line("%s%s: %s", strings.ToUpper(v.Verdict), partial, plain)
	for _, reason := range v.Reasons {
		s.line("  - %s", reason)
	}
	for _, g := range v.Guards {
		if g.Tripped && len(g.Voids) > 0 && g.Remedy != "" {
			s.line("  remedy for %s: %s", g.Name, g.Remedy)
		}
	}
	for _, absent := range v.Absent {
		s.line("  not judged: %s: %s", absent.Source, absent.Reason)
	}
}

// objectives are the scenario's conditions, with what was found.
func (s *summary) objectives() {
	if len(s.r.SLO) > 0 {
		s.line("")
	}
	for _, o := range s.r.SLO {
		found := "not observed"
		if o.Value != nil {
			found = Metric{Value: *o.Value, Unit: o.Unit}.String()
		}
		if o.At != nil {
			found += fmt.Sprintf(" in the second that ended %.1f s into the measured phase", *o.At)
		}
		if o.Reason != "" {
			found += " (" + o.Reason + ")"
		}
		s.line("SLO %-8s  %s: %s", o.State, o.Condition, found)
	}
}

func (s *summary) ledger() {
	l := s.r.Ledger
	if l.Planned > 0 || l.Sent > 0 {
		s.line("\npublications  planned %s = sent %s + unsent %s", formatCount(l.Planned), formatCount(l.Sent), formatCount(l.Unsent))
		s.line("deliveries    expected %s = delivered %s + lost %s + excluded %s",
			formatCount(l.Expected), formatCount(l.Delivered), formatCount(l.Lost), formatCount(l.Excluded))
		s.line("              duplicated %s, reordered %s, corrupt %s, misrouted %s%s", formatCount(l.Duplicated),
			formatCount(l.Reordered), formatCount(l.Corrupt), formatCount(l.Misrouted), s.oddities())
	}
	s.apart()
	s.movement()
	if l.Lost > 0 {
		s.line("              lost on open connections %s, on connections that the target closed %s", formatCount(l.LostUp), formatCount(l.LostDown))
	}
	if l.Expected > 0 && !l.GapsAgree {
		s.line("              the two counts of lost deliveries DIFFER: this account cannot be trusted")
	}
}

// apart are the subscribers that are in no other count.
func (s *summary) apart() {
	if a := s.r.Slow; a != nil {
		s.line("slow readers  %s, ended by the target %s; expected %s = delivered %s + missing %s", formatCount(a.Subscribers),
			formatCount(a.Ended), formatCount(a.Expected), formatCount(a.Delivered), formatCount(a.Missing))
	}
	if a := s.r.Silent; a != nil {
		s.line("silent peers  %s, ended by the target %s", formatCount(a.Subscribers), formatCount(a.Ended))
	}
}

// movement is who left, who was lost and who came back.
func (s *summary) movement() {
	if left, _ := s.cell("churn.left"); left != absent {
		joined, _ := s.cell("churn.joined")
		s.line("churn         left %s, came back %s", left, joined)
	}
	if reconnects, _ := s.cell("reconnects"); reconnects != absent {
		recovery, _ := s.cell("recovery_seconds")
		s.line("reconnects    %s; until all were open again %s", reconnects, recovery)
	}
}

// oddities are the ledger's entries that a clean run does not have.
func (s *summary) oddities() string {
	var b strings.Builder
	l := s.r.Ledger
	for _, entry := range []struct {
		name  string
		count uint64
	}{{"of another run", l.Foreign}, {"without stamp", l.Unknown}, {"late", l.Late}} {
		if entry.count > 0 {
			fmt.Fprintf(&b, ", %s %s", entry.name, formatCount(entry.count))
		}
	}
	return b.String()
}

// row of the table of quantiles: what the metrics' names begin with, and what
// people call it.
type row struct{ metric, title string }

func (s *summary) quantiles() {
	rows := []row{{"delivery", "delivery from due"}, {"sent_delivery", "delivery from sent"}}
	if s.r.Scenario.LatencyFrom == scenario.FromSent {
		rows[0], rows[1] = rows[1], rows[0]
	}
	if s.r.Scenario.ClosedLoop() {
		// Arrival is the target's; reading adds this generator's own queue.
		rows = []row{{"sent_delivery", "round trip by arrival (server)"}, {"read_delivery", "round trip by read (with generator)"}}
	}
	rows = append(rows, row{"first", "first subscriber"}, row{"median", "median subscriber"}, row{"completion", "completion"}, row{"spread", "spread"}, row{"slow_delivery", "slow delivery, at most"}, row{"recovery", "recovery"}, row{"read_lag", "read lag"})
	if !s.r.Scenario.ClosedLoop() { // without due times there is nothing to lag behind
		rows = append(rows, row{"send_lag", "send lag"})
	}
	rows = append(rows, row{"blocked", "blocked"}, row{"connect", "connect"})

	t := newTable()
	header := table.Row{""}
	for _, q := range Quantiles {
		header = append(header, q.Name)
	}
	t.AppendHeader(append(header, "publications"))
	filled, marked := false, false
	for _, row := range rows {
		cells, observed := table.Row{row.title}, false
		publications := ""
		for _, q := range Quantiles {
			cell, m := s.cell(row.metric + "." + q.Name)
			cells = append(cells, cell)
			observed, marked = observed || cell != absent, marked || m.Marked
			if m.Publications > 0 {
				publications = formatCount(m.Publications)
			}
		}
		if observed {
			t.AppendRow(append(cells, publications))
			filled = true
		}
	}
	if !filled {
		return
	}
	s.line("\n%s", t.Render())
	if marked {
		s.line("* rests on fewer than 10/(1-q) publications and gates nothing")
	}
	if m, _, observed := s.r.Metric("slow_delivery.exact_share"); observed {
		s.line("Slow delivery is an upper bound: %s %% of the arrivals have a time stamp of their own, and what waits in a small receive buffer shares the last one's.", digits(100*m.Value))
	}
	if contributed := Contribution(s.r); contributed != "" {
		s.line("%s", contributed)
	}
	s.overflow()
}

// absent stands for what was not observed.
const absent = "-"

// cell is a metric as the table shows it.
func (s *summary) cell(name string) (string, Metric) {
	m, trusted, observed := s.r.Metric(name)
	if !observed {
		return absent, m
	}
	cell := m.String()
	if m.Marked {
		cell += "*"
	}
	if !trusted {
		cell = "~~" + cell + "~~"
	}
	return cell, m
}

// Contribution bounds the generator's own part of a result's latencies, in a
// sentence to stand by every table of them; empty if nothing was delivered.
func Contribution(r *Result) string {
	send, _, sent := r.Metric("send_lag.p99.9")
	read, _, got := r.Metric("read_lag.p99.9")
	switch {
	case sent && got && !r.Scenario.ClosedLoop():
		return fmt.Sprintf("The generator contributed ≤ %v at p99.9 from due time (send lag); by arrival its read lag of %v does not count.", send, read)
	case got:
		return fmt.Sprintf("The generator contributed ≤ %v at p99.9 by read (read lag), and nothing by arrival.", read)
	}
	return ""
}

// overflow says which histograms hold records that they could not tell apart.
func (s *summary) overflow() {
	for _, h := range s.r.Histograms {
		if h.Overflow > 0 {
			s.line("%s: %s longer than %v, counted as that", h.Name, plural(uint64(h.Overflow), "record was", "records were"),
				Metric{Value: float64(h.Highest) / 1e9, Unit: "seconds"})
		}
		if h.Negative > 0 {
			s.line("%s: %s below 0, a clock fault, counted as 0", h.Name, plural(uint64(h.Negative), "record was", "records were"))
		}
	}
}

// costs are the throughput and what it took on both sides.
func (s *summary) costs() {
	var rates []string
	for _, name := range []string{"deliveries_per_second", "connections_per_second"} {
		if cell, _ := s.cell(name); cell != absent {
			rates = append(rates, cell)
		}
	}
	if len(rates) > 0 {
		s.line("\nthroughput    %s", strings.Join(rates, ", "))
	}
	t := newTable()
	t.AppendHeader(table.Row{"", "generator", "target"})
	filled := false
	for _, row := range []row{{"cpu_per_delivery_seconds", "CPU per delivery"}, {"cpu_seconds", "CPU time"}, {"rss_per_connection_bytes", "memory per connection"}} {
		generator, _ := s.cell("generator." + row.metric)
		target, _ := s.cell("target." + row.metric)
		if generator != absent || target != absent {
			t.AppendRow(table.Row{row.title, generator, target})
			filled = true
		}
	}
	if filled {
		s.line("\n%s", t.Render())
	}
}

func (s *summary) failures() {
	if len(s.r.Failures) == 0 {
		return
	}
	s.line("\nfailures")
	for _, f := range s.r.Failures {
		s.line("  %s: %s, first: %s", f.Bucket, formatCount(f.Count), f.First)
	}
}

func (s *summary) warnings() {
	if len(s.r.Warnings) == 0 {
		return
	}
	s.line("\nwarnings")
	for _, warning := range s.r.Warnings {
		s.line("  %s", warning.Text)
		if warning.Remedy != "" {
			s.line("    remedy: %s", warning.Remedy)
		}
	}
}

// newTable has columns set apart by space alone, numbers to the right.
func newTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleDefault)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	t.Style().Box.PaddingLeft = ""
	t.Style().Box.PaddingRight = "  "
	columns := []table.ColumnConfig{{Number: 1, Align: text.AlignLeft}}
	for n := 2; n <= 2+len(Quantiles); n++ {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	t.SuppressTrailingSpaces()
	return t
}
