package export

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/loadgen/result"
)

// Record is one line of the Go benchmark format.
type Record struct {
	Scenario     string
	Publications uint64
	Values       map[string]float64 // by the metrics' names in results
}

// Records are one side's trials that count.
func Records(e *experiment.Experiment, side experiment.Side) []Record {
	var all []Record
	for _, s := range e.Scenarios {
		for _, p := range s.Pairs {
			if p.Void() != "" {
				continue
			}
			t := p.Baseline
			if side == experiment.Candidate {
				t = p.Candidate
			}
			values := map[string]float64{}
			for _, j := range s.Comparison.Metrics {
				// What one side lacks in a pair would be compared with other trials.
				if j.N == s.Comparison.Counted {
					values[j.Name] = t.Values[j.Name]
				}
			}
			all = append(all, Record{s.Name, t.Publications, values})
		}
	}
	return all
}

// RecordOf is a run's line, of what is compared and can be trusted.
func RecordOf(r *result.Result) Record {
	t := experiment.Contribution(r)
	values := map[string]float64{}
	for _, m := range slices.Concat(compare.Metrics(false), compare.Metrics(true)) {
		if v := t.Values[m.Name]; v > 0 {
			values[m.Name] = v
		}
	}
	return Record{r.Scenario.Name, t.Publications, values}
}

// GoBench writes the Go benchmark format, see
// https://go.dev/design/14313-benchmark-format. The header holds only what is
// the same on both sides of a comparison: benchstat makes a table of its own
// for every value of a key. note goes into a comment.
func GoBench(w io.Writer, environment result.Environment, note string, records []Record) error {
	var b strings.Builder
	f := environment.Factors
	for _, line := range [][2]string{{"goos", "linux"}, {"goarch", f["arch"]}, {"pkg", "fanbench"}, {"cpu", f["cpu_model"]}} {
		if line[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", line[0], oneLine(line[1]))
		}
	}
	fmt.Fprintf(&b, "# %s\n", oneLine(note))
	metrics := map[string]compare.Metric{}
	for _, m := range slices.Concat(compare.Metrics(false), compare.Metrics(true)) {
		metrics[m.Name] = m
	}
	used := map[string]bool{}
	for _, r := range records {
		for name := range r.Values {
			used[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if m, known := metrics[name]; known {
			fmt.Fprintf(&b, "Unit %s better=%s\n", unitOf(m), m.Better)
		}
	}
	cpus := f["logical_cpus"]
	if cpus == "" {
		cpus = "1"
	}
	for _, r := range records {
		// A name that ends in a number would be taken for GOMAXPROCS.
		fmt.Fprintf(&b, "BenchmarkRun/scenario=%s-%s %d", strings.ReplaceAll(oneLine(r.Scenario), " ", "-"), cpus, max(1, r.Publications))
		for _, name := range slices.Sorted(maps.Keys(r.Values)) {
			if m, known := metrics[name]; known && r.Values[name] > 0 {
				fmt.Fprintf(&b, " %g %s", r.Values[name], unitOf(m))
			}
		}
		b.WriteString("\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write Go benchmark format: %w", err)
	}
	return nil
}

// unitOf makes benchstat's unit of a metric: target.cpu_per_delivery_seconds is
// target.cpu-sec/delivery, and delivery.p50 is delivery.p50-sec.
func unitOf(m compare.Metric) string {
	short := map[string]string{"seconds": "sec", "bytes": "B"}[m.Unit]
	if short == "" {
		return m.Unit
	}
	name := strings.TrimSuffix(m.Name, "_"+m.Unit)
	what, per, found := strings.Cut(name, "_per_")
	if !found {
		return name + "-" + short
	}
	return what + "-" + short + "/" + per
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
