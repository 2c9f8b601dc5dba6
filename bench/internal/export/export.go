// Package export writes results and comparisons for other programs and places:
// Markdown for pull requests, JUnit for CI, the Go benchmark format for
// benchstat, CSV for spreadsheets, and HdrHistogram's percentile text.
//
// It is pure and judges nothing. Pages for people are package report's, tables
// for terminals package table's.
package export

import (
	"fmt"
	"strings"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/human"
)

// change writes a ratio as a change: "+3.1 %".
func change(ratio float64) string { return fmt.Sprintf("%+.1f %%", 100*(ratio-1)) }

// interval writes a judged metric's interval; "" without one.
func interval(j compare.Judged) string {
	if j.Low == nil {
		return ""
	}
	return change(*j.Low) + " to " + change(*j.High)
}

// value writes a metric's value for people.
func value(v *float64, unit string) string {
	if v == nil {
		return ""
	}
	switch unit {
	case "seconds":
		return human.Seconds(*v)
	case "bytes":
		return human.Bytes(*v)
	}
	return human.Count(*v)
}

// sentence says a metric's verdict in one line.
func sentence(j compare.Judged) string {
	s := fmt.Sprintf("%s: %s", j.Name, j.Verdict)
	if j.Estimate != nil {
		s += ", " + change(*j.Estimate)
	}
	if i := interval(j); i != "" {
		s += " (" + i + ")"
	}
	return strings.TrimSuffix(s+": "+j.Why, ": ")
}
