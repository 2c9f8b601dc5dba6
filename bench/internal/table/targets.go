package table

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"fanbench/bench/internal/human"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// Targets writes one table for each scenario: per target the median and range
// over the rounds, and the ratio to the first target, which is formed within
// each round, since what disturbed a round disturbed both.
func Targets(w io.Writer, runs []Run) error {
	var out strings.Builder
	var results []*result.Result
	for _, name := range appearing(runs, func(r Run) string { return r.Scenario }) {
		var own []Run
		for _, r := range runs {
			if r.Scenario != name {
				continue
			}
			own = append(own, r)
			if r.Result != nil {
				results = append(results, r.Result)
			}
		}
		out.WriteString(targets(name, own) + "\n")
	}
	out.WriteString(targetsNote)
	for _, n := range notes(results) {
		if strings.Contains(out.String(), n.mark) { // each table says itself from when it counts
			fmt.Fprintf(&out, "%s  %s\n", n.mark, n.text)
		}
	}
	if strings.Contains(out.String(), some) {
		fmt.Fprintf(&out, "%s  not of all rounds: the others have no such value, or one that a guard voided\n", some)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

const (
	targetsNote = "Median over the rounds, and below it the range. ÷: ratio within each round, its median and range.\n" +
		"lost/dup/re.: lost, duplicated, reordered, over all rounds. Arrival is the kernel's time stamp.\n"
	// some marks what does not rest on all rounds.
	some = "°"
)

// column is a metric as a table of targets shows it.
type column struct {
	head   [2]string
	metric string
	format func(float64) string
}

// columns of a scenario, and what its latency is.
func columns(r *result.Result) (all []column, basis string) {
	seconds, bytes := tight(human.Seconds), tight(human.Bytes)
	memory := column{[2]string{"RSS/", "conn."}, "target.rss_per_connection_bytes", bytes}
	if r != nil && r.Scenario.Workload == scenario.Connect {
		return []column{
			{[2]string{"conns.", "per s"}, "connections_per_second", human.Count},
			{[2]string{"connect", "p50"}, "connect.p50", seconds},
			{[2]string{"connect", "p99"}, "connect.p99", seconds},
			{[2]string{"CPU/", "conn."}, "target.cpu_per_connection_seconds", seconds},
			memory,
		}, "connect: from SYN to the 101 answer"
	}
	group, basis := "delivery", "delivery: from when the publication was due"
	if r != nil && r.Scenario.LatencyFrom == scenario.FromSent {
		group, basis = "sent_delivery", "delivery: from the first attempt to write"
	}
	return []column{
		{[2]string{"deliv.", "per s"}, "deliveries_per_second", human.Count},
		{[2]string{"delivery", "p50"}, group + ".p50", seconds},
		{[2]string{"delivery", "p99"}, group + ".p99", seconds},
		{[2]string{"send lag", "p99"}, "send_lag.p99", seconds},
		{[2]string{"CPU/", "deliv."}, "target.cpu_per_delivery_seconds", seconds},
		memory,
	}, basis
}

// targets is the table of one scenario.
func targets(name string, runs []Run) string {
	var sample *result.Result
	rounds := 0
	for _, r := range runs {
		rounds = max(rounds, r.Round+1)
		if sample == nil {
			sample = r.Result
		}
	}
	all, basis := columns(sample)
	if sample != nil {
		name += ": " + sample.Scenario.Question
	}
	t := plain()
	for line := range 2 {
		head := table.Row{[2]string{"", "target"}[line]}
		for _, c := range all {
			head = append(head, c.head[line])
		}
		t.AppendHeader(append(head, [2]string{"lost/", "dup/re."}[line], [2]string{"", "verdicts"}[line]))
	}
	add := func(row table.Row) {
		if slices.ContainsFunc(row[1:], func(cell any) bool { return cell != "" }) { // one round has no range
			t.AppendRow(row)
		}
	}
	var first map[int]*result.Result
	for i, target := range appearing(runs, func(r Run) string { return r.Target }) {
		own := of(runs, target)
		median, spread := table.Row{target}, table.Row{""}
		ratio, ratioSpread := table.Row{"÷ " + runs[0].Target}, table.Row{""}
		for _, c := range all {
			m, s := c.values(own, rounds)
			median, spread = append(median, m), append(spread, s)
			m, s = c.ratios(own, first, rounds)
			ratio, ratioSpread = append(ratio, m), append(ratioSpread, s)
		}
		add(append(median, sums(own), verdicts(own, rounds)))
		add(spread)
		if i == 0 {
			first = own // everybody else's ratios are to it
			continue
		}
		add(ratio)
		add(ratioSpread)
	}
	return fmt.Sprintf("%s\n%s, %s\n\n%s", name, count(rounds, "round"), basis, render(t))
}

// appearing lists what the runs are of, in the order of appearance.
func appearing[T any](runs []T, key func(T) string) []string {
	var all []string
	for _, r := range runs {
		if k := key(r); !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return all
}

// of is a target's results by round, nil where there is none.
func of(runs []Run, target string) map[int]*result.Result {
	own := make(map[int]*result.Result)
	for _, r := range runs {
		if r.Target == target {
			own[r.Round] = r.Result
		}
	}
	return own
}

// values are a metric's median and range. What no round can vouch for is struck.
func (c column) values(own map[int]*result.Result, rounds int) (median, spread string) {
	var good, void []float64
	marked := ""
	for _, r := range own {
		if r == nil {
			continue
		}
		m, trusted, observed := r.Metric(c.metric)
		switch {
		case observed && trusted:
			good = append(good, m.Value)
		case observed:
			void = append(void, m.Value)
		}
		if trusted && m.Marked {
			marked = "*"
		}
	}
	if len(good) == 0 && len(void) > 0 {
		middle, spread := summary(void, c.format)
		if spread != "" {
			spread = struck(spread)
		}
		return struck(middle), spread
	}
	median, spread = summary(good, c.format)
	return suffix(median, marked+partial(len(good), rounds)), spread
}

// ratios are formed where both values of a round can be trusted.
func (c column) ratios(own, first map[int]*result.Result, rounds int) (median, spread string) {
	var all []float64
	for round, r := range own {
		base := first[round]
		if r == nil || base == nil {
			continue
		}
		x, trusted, _ := base.Metric(c.metric)
		y, alsoTrusted, _ := r.Metric(c.metric)
		if trusted && alsoTrusted && x.Value != 0 {
			all = append(all, y.Value/x.Value)
		}
	}
	median, spread = summary(all, human.Count)
	return suffix(median, partial(len(all), rounds)), spread
}

func partial(n, rounds int) string {
	if n < rounds {
		return some
	}
	return ""
}

// summary is the median and, of several values, the range.
func summary(values []float64, format func(float64) string) (median, spread string) {
	n := len(values)
	if n == 0 {
		return "", ""
	}
	slices.Sort(values)
	median = format(values[(n-1)/2]/2 + values[n/2]/2)
	if n > 1 {
		spread = format(values[0]) + "–" + format(values[n-1])
	}
	return median, spread
}

// sums adds up what must be 0 over all rounds.
func sums(own map[int]*result.Result) string {
	var total result.Ledger
	for _, r := range own {
		if r != nil {
			total.Expected += r.Ledger.Expected
			total.Lost += r.Ledger.Lost
			total.Duplicated += r.Ledger.Duplicated
			total.Reordered += r.Ledger.Reordered
		}
	}
	return ledger(&result.Result{Ledger: total})
}

// verdicts counts them, the most frequent first.
func verdicts(own map[int]*result.Result, rounds int) string {
	counts := make(map[string]int)
	for round := range rounds {
		r, made := own[round]
		switch {
		case r != nil:
			counts[Verdict(r.Verdict)]++
		case made:
			counts["no result"]++
		default: // interrupted before its turn
			counts["not run"]++
		}
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d× %s", counts[name], name)
	}
	return strings.Join(names, "; ")
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
