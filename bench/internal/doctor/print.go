package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Print writes the report as a table, each shortfall's remedy below it, and
// ends with what can run.
func Print(w io.Writer, r Report) error {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(table.Row{"", "limit", "here", "needed"})
	for _, row := range r.Rows {
		t.AppendRow(table.Row{string(row.Status), row.Name, row.Value, row.Need})
	}
	var out strings.Builder
	for line := range strings.SplitSeq(t.Render(), "\n") {
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for _, row := range r.Rows {
		if row.Status != OK {
			fmt.Fprintf(&out, "\n%s: %s\n  remedy: %s\n", row.Status, explain(row), row.Remedy)
		}
	}
	fmt.Fprintf(&out, "\n%s\n", r.Conclusion())
	_, err := io.WriteString(w, out.String())
	return err
}

func explain(row Row) string {
	s := fmt.Sprintf("%s: %s, needed %s", row.Name, row.Value, row.Need)
	if len(row.Blocks) > 0 {
		s += "; cannot run here: " + strings.Join(row.Blocks, ", ")
	}
	return s
}

// Conclusion says in one line what can run.
func (r Report) Conclusion() string {
	runnable := r.Runnable()
	switch len(runnable) {
	case len(r.Scenarios):
		return fmt.Sprintf("All %d scenarios can run on this host.", len(r.Scenarios))
	case 0:
		return fmt.Sprintf("None of the %d scenarios can run on this host.", len(r.Scenarios))
	default:
		return fmt.Sprintf("%d of %d scenarios can run on this host: %s.",
			len(runnable), len(r.Scenarios), strings.Join(runnable, ", "))
	}
}
