package result

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// formatDuration is a duration with three significant digits: 1.23 ms.
func formatDuration(d time.Duration) string {
	return scaled(float64(d), []scale{{1, "ns"}, {1e3, "µs"}, {1e6, "ms"}, {1e9, "s"}})
}

// formatBytes is a size with three significant digits: 1.50 KiB.
func formatBytes(n float64) string {
	return scaled(n, []scale{{1, "B"}, {1 << 10, "KiB"}, {1 << 20, "MiB"}, {1 << 30, "GiB"}})
}

type scale struct {
	size float64
	name string
}

// scaled writes a value in the largest scale in which it is at least 1, as far
// as three digits show; whole values of the smallest scale stay whole.
func scaled(v float64, scales []scale) string {
	chosen := scales[0]
	for _, s := range scales[1:] {
		if significant(math.Abs(v)) >= s.size {
			chosen = s
		}
	}
	if chosen == scales[0] && v == math.Trunc(v) {
		return formatNumber(v) + " " + chosen.name
	}
	return digits(v/chosen.size) + " " + chosen.name
}

// significant rounds to three significant digits.
func significant(v float64) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	return math.Round(v/unit) * unit
}

// digits writes a number with three significant digits and no exponent.
func digits(v float64) string {
	rounded := significant(v)
	switch size := math.Abs(rounded); {
	case size >= 100:
		return grouped(strconv.FormatFloat(rounded, 'f', 0, 64))
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 1 || size == 0:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

// formatNumber writes whole numbers below 1,000 as they are, others with three
// significant digits.
func formatNumber(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return digits(v)
}

// formatCount writes a count in full: 2,000,000.
func formatCount(n uint64) string { return grouped(strconv.FormatUint(n, 10)) }

// grouped sets commas between thousands.
func grouped(number string) string {
	sign, rest := "", number
	if after, negative := strings.CutPrefix(number, "-"); negative {
		sign, rest = "-", after
	}
	for i := len(rest) - 3; i > 0; i -= 3 {
		rest = rest[:i] + "," + rest[i:]
	}
	return sign + rest
}

// plural is "1 delivery" or "2 deliveries".
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%s %s", formatCount(n), many)
}
