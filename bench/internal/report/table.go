package report

import (
	"fmt"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/result"
)

// groups are the table's rows: the metrics' prefix and what it is called.
var groups = []struct{ prefix, name string }{
	{"delivery", "delivery, from due"},
	{"sent_delivery", "delivery, from sent"},
	{"read_delivery", "round trip by read (with generator)"},
	{"first", "first subscriber"},
	{"median", "median subscriber"},
	{"completion", "completion"},
	{"spread", "spread"},
	{"connect", "connect"},
	{"blocked", "blocked"},
	{"send_lag", "send lag (generator)"},
	{"read_lag", "read lag (generator)"},
}

type percentileRow struct {
	Name  string
	Basis string // what the row rests on
	Cells []cell
}

type cell struct {
	Value             string
	Marked, Untrusted bool
}

// percentileTable lists the groups that were measured at all. A closed loop has
// no due times: its round trip is the one by arrival.
func percentileTable(r *result.Result) []percentileRow {
	var rows []percentileRow
	for _, g := range groups {
		if r.Scenario.ClosedLoop() {
			switch g.prefix {
			case "delivery", "send_lag":
				continue
			case "sent_delivery":
				g.name = "round trip by arrival (server)"
			}
		}
		row := percentileRow{Name: g.name}
		any := false
		for _, q := range result.Quantiles {
			m, trusted, found := r.Metric(g.prefix + "." + q.Name)
			if !found {
				row.Cells = append(row.Cells, cell{})
				continue
			}
			any = true
			row.Cells = append(row.Cells, cell{m.String(), m.Marked, !trusted})
			if m.Publications > 0 {
				row.Basis = fmt.Sprintf("%s publications", human.Grouped(m.Publications))
			} else if m.N > 0 {
				row.Basis = fmt.Sprintf("%s samples", human.Grouped(m.N))
			}
		}
		if any {
			rows = append(rows, row)
		}
	}
	return rows
}
