package export

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/loadgen/result"
)

// suites is a JUnit file as CI systems read it.
type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []suite  `xml:"testsuite"`
}

type suite struct {
	Name     string `xml:"name,attr"`
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Skipped  int    `xml:"skipped,attr"`
	Cases    []test `xml:"testcase"`
}

type test struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *outcome `xml:"failure"`
	Error   *outcome `xml:"error"`
	Skipped *outcome `xml:"skipped"`
}

type outcome struct {
	Message string `xml:"message,attr"`
}

func (s *suite) add(name string, failure, trouble, skipped string) {
	t := test{Class: s.Name, Name: name}
	s.Tests++
	switch {
	case trouble != "":
		t.Error, s.Errors = &outcome{trouble}, s.Errors+1
	case failure != "":
		t.Failure, s.Failures = &outcome{failure}, s.Failures+1
	case skipped != "":
		t.Skipped, s.Skipped = &outcome{skipped}, s.Skipped+1
	}
	s.Cases = append(s.Cases, t)
}

// JUnit writes a comparison: a test case for each gating metric and one for the
// deliveries of each scenario. What is invalid is an error, not a failure, and
// what is inconclusive was skipped.
func JUnit(w io.Writer, e *experiment.Experiment) error {
	var all []suite
	for _, s := range e.Scenarios {
		one := suite{Name: "bench.ab." + s.Name}
		one.add(deliveries(s))
		gating := 0
		for _, j := range s.Comparison.Metrics {
			if !j.Gating {
				continue
			}
			gating++
			switch j.Verdict {
			case compare.Regression:
				one.add(j.Name, sentence(j), "", "")
			case compare.Invalid:
				one.add(j.Name, "", sentence(j), "")
			case compare.Inconclusive:
				one.add(j.Name, "", "", sentence(j))
			default:
				one.add(j.Name, "", "", "")
			}
		}
		// Too few pairs, or no metric at all, is no metric's fault.
		if s.Comparison.Verdict == compare.Invalid && one.Errors == 0 {
			one.add("pairs", "", reason(s), "")
		}
		all = append(all, one)
	}
	return writeSuites(w, all)
}

// deliveries is the test case of what went wrong in the candidate's trials.
func deliveries(s experiment.Scenario) (name, failure, trouble, skipped string) {
	for i, p := range s.Pairs {
		if p.Candidate.Faults.Any() {
			return "deliveries", fmt.Sprintf("pair %d: %s", i+1, p.Candidate.Faults), "", ""
		}
	}
	return "deliveries", "", "", ""
}

// reason is why a scenario cannot be judged, with each void pair's own.
func reason(s experiment.Scenario) string {
	why := "there is nothing to judge by"
	if len(s.Comparison.Reasons) > 0 {
		why = s.Comparison.Reasons[0]
	}
	for i, p := range s.Pairs {
		if void := p.Void(); void != "" {
			why += fmt.Sprintf("; pair %d: %s", i+1, void)
		}
	}
	return why
}

// JUnitRuns writes runs: a test case for each condition (SLO) of the scenario,
// one for the deliveries, and one for the run's validity.
func JUnitRuns(w io.Writer, runs []*result.Result) error {
	var all []suite
	for _, r := range runs {
		one := suite{Name: "bench.run." + r.Scenario.Name}
		trouble := ""
		if r.Verdict.Verdict != result.Valid {
			trouble = r.Verdict.Verdict
			if len(r.Verdict.Reasons) > 0 {
				trouble += ": " + r.Verdict.Reasons[0]
			}
		}
		one.add("valid", "", trouble, "")
		failure := ""
		if faults := experiment.Contribution(r).Faults; faults.Any() {
			failure = faults.String()
		}
		one.add("deliveries", failure, "", "")
		for _, o := range r.SLO {
			one.add(objective(o))
		}
		all = append(all, one)
	}
	return writeSuites(w, all)
}

func objective(o result.Objective) (name, failure, trouble, skipped string) {
	switch o.State {
	case result.ObjectiveMet:
		return o.Condition, "", "", ""
	case result.ObjectiveBreached:
		failure = "breached"
		if o.Value != nil {
			failure += ": " + result.Metric{Value: *o.Value, Unit: o.Unit}.String()
		}
		return o.Condition, failure, "", ""
	}
	return o.Condition, "", "unknown: " + o.Reason, ""
}

func writeSuites(w io.Writer, all []suite) error {
	b, err := xml.MarshalIndent(suites{Suites: all}, "", "  ")
	if err == nil {
		_, err = w.Write(slices.Concat([]byte(xml.Header), b, []byte("\n")))
	}
	if err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}
