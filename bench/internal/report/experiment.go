package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/human"
)

// comparisonView is what the page of an experiment shows, already in words.
type comparisonView struct {
	shell
	Title     string
	Started   string
	Tone      string
	Verdict   string // in a word
	Words     string // what it means
	Notes     []string
	Baseline  string
	Candidate string
	Scenarios []scenarioView
	Reproduce string

	Design          []entry
	Factors, Detail []entry
}

type scenarioView struct {
	Name, Question, Verdict, Tone string
	Pairs                         string // how many count
	Reasons                       []string
	Decides                       bool // its verdict is the experiment's
	Forest                        *forest
	Metrics                       []metricRow
	Curves                        *chart
	Heats                         []*heat
	NoHeat                        bool // the trials left no intervals
	Timeline                      []chart
	Trials                        []pairRow
	Columns                       []string // of the trials' table: the gating metrics
	Configuration                 []entry
	Missing                       int // trials whose results are gone
}

type metricRow struct {
	Name, Baseline, Candidate, Change, Interval, Least, Margin, P, Verdict, Why string
}

type pairRow struct {
	Number                         int
	First, Void                    string
	Ratios                         []string
	BaselineFaults, CandidateFault bool
	Baseline, Candidate            string // directories
}

// Experiment writes the page of a comparison. runs are the trials' by the
// directories that pairs name; charts leave out what is missing there.
// reproduce is the command line that repeats it.
func Experiment(w io.Writer, e *experiment.Experiment, runs map[string]Run, reproduce string) error {
	v, err := newComparisonView(e, runs)
	if err != nil {
		return fmt.Errorf("report experiment %s: %w", e.ID, err)
	}
	v.Reproduce = reproduce
	return execute(w, "experiment.html", v)
}

var tones = map[compare.Verdict]string{
	compare.Regression: "bad", compare.Improvement: "good", compare.Equivalent: "good",
	compare.Inconclusive: "doubtful", compare.Invalid: "bad",
}

// experimentWords says what a comparison's verdict means.
func experimentWords(v compare.Verdict) string {
	return map[compare.Verdict]string{
		compare.Regression:   "The candidate is worse, by more than the minimum effect.",
		compare.Improvement:  "The candidate is better, by more than the minimum effect.",
		compare.Equivalent:   "Whatever difference there may be is below the minimum effect.",
		compare.Inconclusive: "These pairs allow no answer: neither a change nor the absence of one is shown.",
		compare.Invalid:      "There is nothing to judge by.",
	}[v]
}

func newComparisonView(e *experiment.Experiment, runs map[string]Run) (*comparisonView, error) {
	s, err := newShell(e)
	if err != nil {
		return nil, err
	}
	v := &comparisonView{
		shell: s, Title: fmt.Sprintf("%s → %s", e.Baseline.Name, e.Candidate.Name),
		Started: e.Started.UTC().Format("2006-01-02 15:04:05 UTC"),
		Tone:    tones[e.Verdict], Verdict: string(e.Verdict), Words: experimentWords(e.Verdict),
		Baseline: e.Baseline.String(), Candidate: e.Candidate.String(),
		Factors: sorted(e.Environment.Factors), Detail: sorted(e.Environment.Detail),
		Design: design(e),
	}
	if e.AA {
		v.Notes = append(v.Notes, "Both sides are the same server: whatever differs is noise.")
	}
	if e.Interrupted {
		v.Notes = append(v.Notes, "The comparison was interrupted: what stands here is a part of it.")
	}
	for i := range e.Scenarios {
		sv, err := newScenarioView(&e.Scenarios[i], runs)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", e.Scenarios[i].Name, err)
		}
		sv.Decides = e.Scenarios[i].Comparison.Verdict == e.Verdict
		interactive(&v.Plots, sv.Timeline)
		v.Scenarios = append(v.Scenarios, sv)
	}
	return v, nil
}

func design(e *experiment.Experiment) []entry {
	entries := []entry{
		{Name: "experiment", Value: e.ID}, {Name: "bench", Value: e.Tool},
		{Name: "took", Value: e.Ended.Sub(e.Started).Round(time.Second).String()},
		{Name: "affinity", Value: e.Affinity}, {Name: "seed", Value: fmt.Sprint(e.Seed)},
		{Name: "environment", Value: e.Environment.Key},
	}
	for _, s := range e.Scenarios {
		noise := "not measured"
		if s.Rules.Noise != nil {
			noise = "measured"
		}
		entries = append(entries, entry{Name: s.Name, Value: fmt.Sprintf("%d pairs wanted, at most %d void, chance of a false alarm %.3g, this machine's noise %s",
			s.Rules.Pairs, s.Rules.MostVoid, s.Rules.Alpha, noise)})
	}
	return entries
}

func newScenarioView(s *experiment.Scenario, runs map[string]Run) (scenarioView, error) {
	c := s.Comparison
	v := scenarioView{
		Name: s.Name, Verdict: string(c.Verdict), Tone: tones[c.Verdict], Reasons: c.Reasons,
		Pairs: fmt.Sprintf("%d pairs", c.Counted), Forest: newForest(c.Metrics),
	}
	if c.Voided > 0 {
		v.Pairs += fmt.Sprintf(", %d more are void", c.Voided)
	}
	for _, j := range c.Metrics {
		if j.N > 0 {
			v.Metrics = append(v.Metrics, newMetricRow(j))
		}
		if j.Gating {
			v.Columns = append(v.Columns, j.Name)
		}
	}
	v.Trials = pairRows(s)
	arms := []arm{{name: "baseline", class: "c0"}, {name: "candidate", class: "c2"}}
	for _, p := range s.Pairs {
		for side, t := range []compare.Trial{p.Baseline, p.Candidate} {
			run, found := runs[t.Directory]
			switch {
			case p.Void() != "":
			case !found:
				v.Missing++
			default:
				arms[side].runs = append(arms[side].runs, run)
			}
		}
	}
	var err error
	if v.Curves, err = envelopes(arms); err != nil {
		return v, err
	}
	v.Heats = heats(arms)
	v.NoHeat = len(v.Heats) == 0
	v.Timeline = sides(arms)
	for _, a := range arms {
		if len(a.runs) > 0 {
			v.Question = a.runs[0].Result.Scenario.Question
			v.Configuration = flatten(a.runs[0].Result.Scenario)
		}
	}
	return v, nil
}

// heats are a map for each side, on one scale of latency.
func heats(arms []arm) []*heat {
	var every []Run
	for _, a := range arms {
		every = append(every, a.runs...)
	}
	whole := newHeat("", "", every, nil)
	if whole == nil {
		return nil
	}
	var all []*heat
	for _, a := range arms {
		if h := newHeat("Latency over time, "+a.name, a.class, a.runs, &whole.y); h != nil {
			h.Note = "All trials of the side, added up. " + heatNote
			all = append(all, h)
		}
	}
	return all
}

func newMetricRow(j compare.Judged) metricRow {
	row := metricRow{Name: j.Name, Why: j.Why, Verdict: string(j.Verdict)}
	if !j.Gating {
		row.Verdict = "reported"
	}
	format := human.Of(j.Unit)
	row.Baseline, row.Candidate, row.Change = format(*j.Baseline), format(*j.Candidate), change(*j.Estimate)
	if j.Low != nil {
		row.Interval = change(*j.Low) + " to " + change(*j.High)
	}
	if j.Gating {
		row.Least, row.Margin, row.P = share(j.Effect), share(j.Margin), fmt.Sprintf("%.4f", j.Adjusted)
	}
	return row
}

// pairRows lists every pair, void ones too, in the order in which they were made.
func pairRows(s *experiment.Scenario) []pairRow {
	var rows []pairRow
	counted := 0
	for i, p := range s.Pairs {
		row := pairRow{
			Number: i + 1, First: "candidate", Void: p.Void(), Baseline: p.Baseline.Directory, Candidate: p.Candidate.Directory,
			BaselineFaults: p.Baseline.Faults.Any(), CandidateFault: p.Candidate.Faults.Any(),
		}
		if p.BaselineFirst {
			row.First = "baseline"
		}
		for _, j := range s.Comparison.Metrics {
			if !j.Gating {
				continue
			}
			cell := ""
			if row.Void == "" && counted < len(j.Ratios) && j.Ratios[counted] > 0 {
				cell = change(j.Ratios[counted])
			}
			row.Ratios = append(row.Ratios, cell)
		}
		if row.Void == "" {
			counted++
		}
		rows = append(rows, row)
	}
	return rows
}

// ID is the scenario's anchor in the page.
func (v scenarioView) ID() string { return strings.ReplaceAll(v.Name, " ", "-") }
