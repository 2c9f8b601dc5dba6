package report

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// ledger lists the account; what the scenario does not allow and is not 0 is
// bad.
func ledger(r *result.Result) []entry {
	l := r.Ledger
	bad := map[string]bool{}
	for _, name := range r.Faults().Kinds() {
		bad[name] = true
	}
	var rows []entry
	for _, row := range []struct {
		name string
		n    uint64
	}{
		{"planned", l.Planned},
		{"sent", l.Sent},
		{"unsent", l.Unsent},
		{"expected", l.Expected},
		{"delivered", l.Delivered},
		{"lost", l.Lost},
		{"lost on open connections", l.LostUp},
		{"lost on closed connections", l.LostDown},
		{"excluded", l.Excluded},
		{"duplicated", l.Duplicated},
		{"reordered", l.Reordered},
		{"corrupt", l.Corrupt},
		{"misrouted", l.Misrouted},
		{"late", l.Late},
		{"of another run", l.Foreign},
		{"without a stamp", l.Unknown},
	} {
		rows = append(rows, entry{row.name, human.Grouped(row.n), bad[row.name]})
	}
	return rows
}

// balance writes the ledger's two equations and whether the second count agrees.
func balance(l result.Ledger) []string {
	agree := "The second, independent count (gaps in the sequences, closing counts) gives the same losses."
	if !l.GapsAgree {
		agree = "The second, independent count (gaps in the sequences, closing counts) gives other losses: do not trust this account."
	}
	return []string{
		equation("planned", l.Planned, []string{"sent", "unsent"}, []uint64{l.Sent, l.Unsent}),
		equation("expected", l.Expected, []string{"delivered", "lost", "excluded"}, []uint64{l.Delivered, l.Lost, l.Excluded}),
		agree,
	}
}

func equation(name string, whole uint64, names []string, parts []uint64) string {
	var sum uint64
	var terms []string
	for i, p := range parts {
		sum += p
		terms = append(terms, fmt.Sprintf("%s %s", human.Grouped(p), names[i]))
	}
	sign := "="
	if sum != whole {
		sign = "≠"
	}
	return fmt.Sprintf("%s %s %s %s", human.Grouped(whole), name, sign, strings.Join(terms, " + "))
}

// flatten lists the resolved scenario, nested keys with dots.
func flatten(s scenario.Scenario) []entry {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain numbers, strings and lists always encode
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		panic(err)
	}
	delete(tree, "question") // stands at the top of the page
	delete(tree, "name")
	var rows []entry
	walk("", tree, func(key string, value any) {
		rows = append(rows, entry{Name: strings.TrimSuffix(key, "_ns"), Value: setting(key, value)})
	})
	sort.Slice(rows, func(i, j int) bool { return rows[i].Name < rows[j].Name })
	return rows
}

func walk(prefix string, tree map[string]any, leaf func(string, any)) {
	for key, value := range tree {
		if below, ok := value.(map[string]any); ok {
			walk(prefix+key+".", below, leaf)
			continue
		}
		leaf(prefix+key, value)
	}
}

func setting(key string, value any) string {
	switch v := value.(type) {
	case float64:
		if strings.HasSuffix(key, "_ns") {
			return time.Duration(v).String()
		}
		return fmt.Sprintf("%.15g", v)
	case []any:
		var parts []string
		for _, p := range v {
			parts = append(parts, fmt.Sprint(p))
		}
		if len(parts) == 0 {
			return "none"
		}
		return strings.Join(parts, " ")
	default:
		return fmt.Sprint(v)
	}
}
