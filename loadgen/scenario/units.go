package scenario

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of events per second, written "200/s", "30/min" or "5/h".
// In JSON it is a number.
type Rate float64

// Size is a number of bytes, written "128B", "64KiB" or "1MB". In JSON it is a
// number.
type Size int64

// ByteRate is a number of bytes per second, written "1KiB/s". In JSON it is a
// number.
type ByteRate float64

// Share is a part of a whole, from 0 to 1, written "1%". In JSON it is a number.
type Share float64

// A unit is how many base units its name stands for.
type unit struct {
	name string
	base float64
}

var (
	rateUnits = []unit{{"/s", 1}, {"/min", 1.0 / 60}, {"/h", 1.0 / 3600}}
	// Bytes come last: "B" is a suffix of all the others.
	sizeUnits = []unit{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

	byteRateUnits = perSecond(sizeUnits)
	shareUnits    = []unit{{"%", 0.01}}
)

func perSecond(units []unit) []unit {
	rates := make([]unit, len(units))
	for i, u := range units {
		rates[i] = unit{u.name + "/s", u.base}
	}
	return rates
}

// Forms that an error message shows.
const (
	rateForms     = `want a rate with its unit: "200/s", "30/min" or "5/h"`
	sizeForms     = `want a size with its unit: "128B", "64KiB", "1MiB" or "1MB"`
	byteRateForms = `want bytes per second with their unit: "512B/s" or "1KiB/s"`
	shareForms    = `want a percentage up to 100%: "1%"`
	durationForms = `want a duration with its unit: "500ms", "10s" or "1m30s"`
)

// quantity splits a number from its unit. A zero needs no unit.
func quantity(text string, units []unit) (float64, error) {
	text = strings.TrimSpace(text)
	if text == "0" {
		return 0, nil
	}
	for _, u := range units {
		number, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		number = strings.TrimSpace(number)
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(number, "xXpP_") {
			return 0, fmt.Errorf("%q is not a number", number)
		}
		if n < 0 {
			return 0, fmt.Errorf("%s is negative", number)
		}
		return n * u.base, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Errorf("%s has no unit", text)
	}
	return 0, fmt.Errorf("%q has no known unit", text)
}

// UnmarshalText reads "200/s", "30/min" or "5/h"; 0 needs no unit.
func (r *Rate) UnmarshalText(text []byte) error {
	n, err := quantity(string(text), rateUnits)
	if err != nil {
		return fmt.Errorf("%w; %s", err, rateForms)
	}
	*r = Rate(n)
	return nil
}

// MarshalText writes the rate per second.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s" }

// MarshalJSON writes events per second as a number.
func (r Rate) MarshalJSON() ([]byte, error) { return json.Marshal(float64(r)) }

// UnmarshalJSON reads events per second.
func (r *Rate) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*float64)(r)) }

// UnmarshalText reads "128B", "64KiB" or "1MB", a whole number of bytes after
// the unit is applied; 0 needs no unit.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := quantity(string(text), sizeUnits)
	if err != nil {
		return fmt.Errorf("%w; %s", err, sizeForms)
	}
	if n != math.Trunc(n) || n > 1<<50 {
		return fmt.Errorf("%s is not a whole number of bytes up to 1 PiB; %s", text, sizeForms)
	}
	*s = Size(n)
	return nil
}

// MarshalText writes the size with the largest binary unit that leaves a whole
// number.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for _, u := range []unit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n := Size(u.base); s >= n && s%n == 0 {
			return strconv.FormatInt(int64(s/n), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalJSON writes bytes as a number.
func (s Size) MarshalJSON() ([]byte, error) { return json.Marshal(int64(s)) }

// UnmarshalJSON reads bytes.
func (s *Size) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*int64)(s)) }

// UnmarshalText reads "1KiB/s"; 0 needs no unit.
func (r *ByteRate) UnmarshalText(text []byte) error {
	n, err := quantity(string(text), byteRateUnits)
	if err != nil {
		return fmt.Errorf("%w; %s", err, byteRateForms)
	}
	*r = ByteRate(n)
	return nil
}

// MarshalText writes bytes per second.
func (r ByteRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r ByteRate) String() string {
	if n := Size(r); ByteRate(n) == r {
		return n.String() + "/s"
	}
	return strconv.FormatFloat(float64(r), 'f', -1, 64) + "B/s"
}

// MarshalJSON writes bytes per second as a number.
func (r ByteRate) MarshalJSON() ([]byte, error) { return json.Marshal(float64(r)) }

// UnmarshalJSON reads bytes per second.
func (r *ByteRate) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*float64)(r)) }

// UnmarshalText reads "1%"; 0 needs no unit.
func (s *Share) UnmarshalText(text []byte) error {
	n, err := quantity(string(text), shareUnits)
	if err == nil && n > 1 {
		err = fmt.Errorf("%s is more than all", text)
	}
	if err != nil {
		return fmt.Errorf("%w; %s", err, shareForms)
	}
	*s = Share(n)
	return nil
}

// MarshalText writes the share in percent.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Share) String() string { return strconv.FormatFloat(float64(s)*100, 'g', 6, 64) + "%" }

// MarshalJSON writes the share as a number from 0 to 1.
func (s Share) MarshalJSON() ([]byte, error) { return json.Marshal(float64(s)) }

// UnmarshalJSON reads a number from 0 to 1.
func (s *Share) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*float64)(s)) }

// parseDuration reads a Go duration that is not negative; 0 needs no unit.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err == nil && d < 0:
		return 0, fmt.Errorf("%s is negative; %s", text, durationForms)
	case err == nil:
		return d, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Errorf("%s has no unit; %s", text, durationForms)
	}
	return 0, fmt.Errorf("%q is not a duration; %s", text, durationForms)
}
