package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/export"
	"fanbench/bench/internal/fixture"
	"fanbench/loadgen/result"
)

func text(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMarkdown(t *testing.T) {
	e, _ := fixture.Comparison(1.15)
	got := text(t, func(w io.Writer) error { return export.Markdown(w, e) })
	lines := strings.Split(got, "\n")
	if lines[0] != export.Marker || lines[1] != "## ❌ bench: regression" {
		t.Errorf("begins with %q and %q, want the marker and the verdict", lines[0], lines[1])
	}
	if strings.Count(got, "<details>") != 4 || strings.Count(got, "</details>") != 4 || !strings.Contains(got, "`faster-<log> (9e8d7c6b5a49 with") {
		t.Errorf("details of two scenarios and their pairs are folded, and names stand as they are:\n%s", got)
	}
}

// Why a pair is void is a program's own words: no table breaks by them.
func TestMarkdownOfForeignWords(t *testing.T) {
	e, _ := fixture.Comparison(1.15)
	e.Scenarios[0].Pairs[0].Baseline.Invalid = "no result: a|b c\\|d ~~e~~ <f> @g"
	got := text(t, func(w io.Writer) error { return export.Markdown(w, e) })
	if want := `| baseline: no result: a\|b c\\\|d \~\~e\~\~ &lt;f&gt; &#64;g |`; !strings.Contains(got, want) {
		t.Errorf("no cell %s in\n%s", want, got)
	}
}

// Two hundred scenarios, or pairs without end, fit a comment of 65,536
// characters and a summary of 1 MiB: the verdict and what it rests on stand, no
// block is torn, and what is left out is said.
func TestMarkdownFits(t *testing.T) {
	many, _ := fixture.Comparison(1.15)
	regressed := many.Scenarios[0]
	many.Scenarios[0] = many.Scenarios[1]
	for len(many.Scenarios) < 199 {
		s := many.Scenarios[1]
		s.Name = fmt.Sprintf("scenario-%d", len(many.Scenarios))
		many.Scenarios = append(many.Scenarios, s)
	}
	many.Scenarios = append(many.Scenarios, regressed)
	long, _ := fixture.Comparison(1.15)
	for range 10 {
		long.Scenarios[0].Pairs = append(long.Scenarios[0].Pairs, long.Scenarios[0].Pairs...)
	}
	for name, e := range map[string]*experiment.Experiment{"200 scenarios": many, "13,312 pairs": long} {
		got := text(t, func(w io.Writer) error { return export.Markdown(w, e) })
		if n := len(got); n > 65_536 || n < 2_000 {
			t.Errorf("%s: %d bytes", name, n)
		}
		verdict := strings.Index(got, "## ❌ bench: regression")
		reason := strings.Index(got, "- **fanout-10k** target.cpu\\_per\\_delivery\\_seconds: regression")
		if verdict < 0 || reason < verdict || reason > 1_000 {
			t.Errorf("%s: the verdict is at %d, its reason at %d; want both first", name, verdict, reason)
		}
		if !strings.Contains(got, "parts are too many for this place") || strings.Count(got, "<details>") != strings.Count(got, "</details>") ||
			!strings.HasSuffix(got, "after Holm's correction.\n") {
			t.Errorf("%s: it is torn, or does not say what is missing:\n…%s", name, got[max(0, len(got)-600):])
		}
	}
}

type junit struct {
	Suites []struct {
		Name string `xml:"name,attr"`

		Cases []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// states are the test cases with . passed, F failed, E error, S skipped.
func states(t *testing.T, file string) string {
	t.Helper()
	var parsed junit
	if err := xml.Unmarshal([]byte(file), &parsed); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range parsed.Suites {
		row := ""
		for _, c := range s.Cases {
			switch {
			case c.Error != nil:
				row += "E"
			case c.Failure != nil:
				row += "F"
			case c.Skipped != nil:
				row += "S"
			default:
				row += "."
			}
		}
		all = append(all, row)
	}
	return strings.Join(all, " ")
}

func TestJUnitOfComparisons(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*experiment.Scenario)
		want   string // deliveries and four gating metrics in each of two suites
	}{
		{"a regression", func(*experiment.Scenario) {}, ".F... ....."},
		{"a loss", func(s *experiment.Scenario) { s.Pairs[2].Candidate.Faults.Lost = 1 }, "FF... ....."},
		{"too few pairs", func(s *experiment.Scenario) { s.Rules.Pairs = 99 }, ".F...E ....."},
		{"a missing value", func(s *experiment.Scenario) { delete(s.Pairs[0].Baseline.Values, "delivery.p50") }, ".F..E ....."},
		{"no interval", func(s *experiment.Scenario) { s.Pairs, s.Rules.Pairs = s.Pairs[:3], 3 }, ".SSSS ....."},
	} {
		e, _ := fixture.Comparison(1.15)
		s := &e.Scenarios[0]
		c.change(s)
		s.Comparison = compare.Judge(s.Pairs, s.Rules)
		if got := states(t, text(t, func(w io.Writer) error { return export.JUnit(w, e) })); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestJUnitOfRuns(t *testing.T) {
	for _, c := range []struct {
		name string
		run  *result.Result
		want string // valid, deliveries, objectives
	}{
		{"a valid run", fixture.Fanout(), ".."},
		{"each state of an objective", fixture.Objectives(fixture.Fanout()), "...FE"},
		{"lost deliveries of an untrusted run", fixture.Broken(), "EF"},
	} {
		if got := states(t, text(t, func(w io.Writer) error { return export.JUnitRuns(w, []*result.Result{c.run}) })); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// The real benchstat compares the two files: a table for each unit with both
// columns, and nothing to complain about.
func TestBenchstat(t *testing.T) {
	e, _ := fixture.Comparison(1.15)
	e.Environment.Factors["cpu_model"], e.Environment.Factors["logical_cpus"] = "Example CPU", "2"
	folder := t.TempDir()
	for _, side := range []experiment.Side{experiment.Baseline, experiment.Candidate} {
		file := text(t, func(w io.Writer) error {
			return export.GoBench(w, e.Environment, "commit of the "+string(side), export.Records(e, side))
		})
		if err := os.WriteFile(filepath.Join(folder, string(side)+".txt"), []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	stat := exec.Command("go", "tool", "-modfile="+filepath.Join(root, "scripts/tools/go.mod"), "benchstat",
		filepath.Join(folder, "baseline.txt"), filepath.Join(folder, "candidate.txt"))
	stat.Dir = root
	var stdout, stderr bytes.Buffer
	stat.Stdout, stat.Stderr = &stdout, &stderr
	if err := stat.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("benchstat: %v, says %q", err, &stderr)
	}
	got := stdout.String()
	if n := strings.Count(got, "goos: linux"); n != 1 {
		t.Errorf("%d headers, want one for both files:\n%s", n, got)
	}
	for _, want := range []string{"baseline.txt", "candidate.txt", "vs base", "target.cpu-sec/delivery", "+14.", "deliveries/s", "delivery.p50-sec", "Run/scenario=fanout-10k-2"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, complaint := range []string{"need >=", "differs from baseline", "must be >0"} {
		if strings.Contains(got, complaint) {
			t.Errorf("benchstat complains: %q in\n%s", complaint, got)
		}
	}
}

func TestCSV(t *testing.T) {
	e, _ := fixture.Comparison(1)
	rows, err := csv.NewReader(strings.NewReader(text(t, func(w io.Writer) error { return export.CSV(w, e) }))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	trials := map[string]bool{}
	void := map[string]bool{}
	for _, row := range rows[1:] {
		trials[row[8]] = true
		if row[7] != "" {
			void[row[0]+row[1]] = true
		}
	}
	if len(trials) != 49 || len(void) != 1 { // 13 and 12 pairs, of a void one only the first trial
		t.Errorf("%d trials, %d void pairs; want 49 and 1", len(trials), len(void))
	}
	rows, err = csv.NewReader(strings.NewReader(text(t, func(w io.Writer) error {
		return export.CSVRuns(w, []*result.Result{fixture.Overload()})
	}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if voided := strings.HasPrefix(row[3], "delivery."); (row[9] == "false") != voided {
			t.Errorf("%s: trusted is %s", row[3], row[9])
		}
	}
}

func TestHGRM(t *testing.T) {
	got := text(t, func(w io.Writer) error { return export.HGRM(w, fixture.Fanout(), "delivery") })
	for _, want := range []string{"Value", "Percentile", "TotalCount", "1/(1-Percentile)", "#[Mean ", "20000]"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in the distribution", want)
		}
	}
	if err := export.HGRM(io.Discard, fixture.Storm(), "delivery"); err == nil || !strings.Contains(err.Error(), "connect") {
		t.Errorf("a histogram that is not there: %v, want the names of those that are", err)
	}
}
