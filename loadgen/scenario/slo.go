package scenario

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Condition is one service-level objective on a metric or ledger entry, written
//
//	delivery.p99 < 50ms
//	lost == 0
//	target.rss_per_connection < 2KiB after 5s abort
//
// In JSON it is that text.
type Condition struct {
	// Metric is its name in a result. A unit at the end of that name
	// ("_bytes", "_seconds") may be left out in the text.
	Metric string
	// Op is one of < <= > >= == !=.
	Op string
	// Value is in the metric's unit: seconds, bytes, or a plain number.
	Value float64
	// Unit of Value: seconds, bytes or 1.
	Unit string
	// After is how far into the measured phase the condition begins to matter
	// while the run is under way.
	After time.Duration
	// Abort ends the run as soon as the condition does not hold.
	Abort bool
}

// Units of a condition's value.
const (
	Seconds = "seconds"
	Bytes   = "bytes"
	Number  = "1"
)

const conditionForms = `want "METRIC OPERATOR VALUE", and behind it "after DURATION" or "abort": "delivery.p99 < 50ms after 5s abort"`

// UnmarshalText reads a condition.
func (c *Condition) UnmarshalText(text []byte) error {
	s := string(text)
	at := strings.IndexAny(s, "<>=!")
	if at < 0 {
		return fmt.Errorf("%q has no operator; %s", s, conditionForms)
	}
	end := at
	for end < len(s) && strings.IndexByte("<>=!", s[end]) >= 0 {
		end++
	}
	read := Condition{Op: s[at:end]}
	if !knownOperator(read.Op) {
		return fmt.Errorf("operator %q is unknown; want <, <=, >, >=, == or !=", read.Op)
	}
	name := strings.TrimSpace(s[:at])
	metric, unit, known := lookUp(name)
	if !known {
		return fmt.Errorf("metric %q is unknown%s", name, suggestion(name, metricNames()))
	}
	read.Metric, read.Unit = metric, unit
	words := strings.Fields(s[end:])
	if len(words) == 0 {
		return fmt.Errorf("%q has no value; %s", s, conditionForms)
	}
	value, err := conditionValue(words[0], metric, unit)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	read.Value = value
	if err := read.suffixes(words[1:]); err != nil {
		return err
	}
	*c = read
	return nil
}

// suffixes reads what stands behind the value.
func (c *Condition) suffixes(words []string) error {
	for len(words) > 0 {
		switch {
		case words[0] == "abort" && !c.Abort:
			c.Abort, words = true, words[1:]
		case words[0] == "after" && len(words) > 1 && c.After == 0:
			after, err := parseDuration(words[1])
			if err != nil {
				return fmt.Errorf("after: %w", err)
			}
			c.After, words = after, words[2:]
		default:
			return fmt.Errorf("%q is out of place; %s", strings.Join(words, " "), conditionForms)
		}
	}
	return nil
}

// conditionValue reads a value in a metric's unit; that of a share may be
// written as a percentage.
func conditionValue(text, metric, unit string) (float64, error) {
	switch unit {
	case Seconds:
		d, err := parseDuration(text)
		return d.Seconds(), err
	case Bytes:
		n, err := quantity(text, sizeUnits)
		if err != nil {
			err = fmt.Errorf("%w; %s", err, sizeForms)
		}
		return n, err
	}
	if strings.HasSuffix(metric, "_share") {
		if whole, percent := strings.CutSuffix(text, "%"); percent {
			n, err := conditionValue(whole, "", unit)
			return n / 100, err
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(text, "xXpP_") {
		return 0, fmt.Errorf("%q is not a plain number, which this metric wants", text)
	}
	return n, nil
}

func knownOperator(op string) bool {
	switch op {
	case "<", "<=", ">", ">=", "==", "!=":
		return true
	}
	return false
}

// Holds says whether a value, in the condition's unit, is as it should be.
func (c Condition) Holds(value float64) bool {
	switch c.Op {
	case "<":
		return value < c.Value
	case "<=":
		return value <= c.Value
	case ">":
		return value > c.Value
	case ">=":
		return value >= c.Value
	case "==":
		return value == c.Value
	case "!=":
		return value != c.Value
	}
	return false
}

// OfTarget: the metric is a reading of the target's process.
func (c Condition) OfTarget() bool { return strings.HasPrefix(c.Metric, "target.") }

// MarshalText writes what UnmarshalText reads.
func (c Condition) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c Condition) String() string {
	value := strconv.FormatFloat(c.Value, 'g', -1, 64)
	switch c.Unit {
	case Seconds:
		value = time.Duration(math.Round(c.Value * 1e9)).String()
	case Bytes:
		value = strconv.FormatFloat(c.Value, 'f', -1, 64) + "B"
		if c.Value == math.Trunc(c.Value) {
			value = Size(c.Value).String()
		}
	}
	text := fmt.Sprintf("%s %s %s", c.Metric, c.Op, value)
	if c.After > 0 {
		text += " after " + c.After.String()
	}
	if c.Abort {
		text += " abort"
	}
	return text
}

// check says what is wrong with a condition that was not read from text.
func (c Condition) check() error {
	metric, unit, known := lookUp(c.Metric)
	if !known || metric != c.Metric || unit != c.Unit || !knownOperator(c.Op) || c.After < 0 || math.IsNaN(c.Value) || math.IsInf(c.Value, 0) {
		return errors.New(`"` + c.String() + `" is not a condition; ` + conditionForms)
	}
	return nil
}
