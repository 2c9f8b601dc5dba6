// Package human writes numbers for people: three significant digits and the
// unit that suits the size. Files keep the exact values; only text and HTML
// come through here.
package human

import (
	"math"
	"strconv"
	"strings"
)

type unit struct {
	size float64
	name string
}

var (
	durations = []unit{{1e-9, "ns"}, {1e-6, "µs"}, {1e-3, "ms"}, {1, "s"}}
	sizes     = []unit{{1, "B"}, {1 << 10, "KiB"}, {1 << 20, "MiB"}, {1 << 30, "GiB"}}
	counts    = []unit{{1, ""}, {1e3, "k"}, {1e6, "M"}, {1e9, "G"}}
)

// Of writes numbers of a metric with this unit: seconds, bytes or a count.
func Of(unit string) func(float64) string {
	switch unit {
	case "seconds":
		return Seconds
	case "bytes":
		return Bytes
	}
	return Count
}

// Seconds writes a duration given in seconds: "7.12 ms".
func Seconds(s float64) string { return write(s, durations) }

// Bytes writes a size: "1.07 KiB".
func Bytes(b float64) string { return write(b, sizes) }

// Count writes a number of things: "52.3k", exact below a thousand.
func Count(n float64) string { return strings.ReplaceAll(write(n, counts), " ", "") }

// Pair writes two durations or sizes by one of the functions above with the
// unit once where they share it: "0.9/0.7 KiB", "80 µs/1.2 ms".
func Pair(format func(float64) string, a, b float64) string {
	x, y := format(a), format(b)
	number, unit, _ := strings.Cut(x, " ")
	if _, other, _ := strings.Cut(y, " "); unit == other {
		return number + "/" + y
	}
	return x + "/" + y
}

// Grouped writes an exact count with thousands apart: "10,002".
func Grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// write picks the largest unit not above the rounded value.
func write(v float64, units []unit) string {
	if v == 0 {
		return strings.TrimSpace("0 " + units[0].name)
	}
	rounded := math.Abs(significant(v))
	u := units[0]
	for _, candidate := range units[1:] {
		if rounded >= candidate.size {
			u = candidate
		}
	}
	return strings.TrimSpace(digits(v/u.size) + " " + u.name)
}

// significant rounds to three significant digits, so that 999.9 µs becomes
// 1 ms rather than 1000 µs.
func significant(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 2, 64), 64)
	return r
}

// digits writes three significant digits without an exponent and without
// trailing zeros after the point.
func digits(v float64) string {
	decimals := 0
	if r := math.Abs(significant(v)); r > 0 {
		decimals = max(0, 2-int(math.Floor(math.Log10(r))))
	}
	s := strconv.FormatFloat(significant(v), 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
