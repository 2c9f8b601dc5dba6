// Package latency holds histograms of durations: HDR histograms (High Dynamic
// Range, hdrhistogram.org) that speak time.Duration, count what does not fit
// and travel as JSON.
//
// It knows nothing of what a duration means, of clocks or of the result file.
package latency

import (
	"errors"
	"fmt"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Lowest is the finest step of a histogram. 16 ns keep three significant
	// digits from 16 µs upwards; what is shorter is exact to 16 ns.
	Lowest = 16 * time.Nanosecond
	// Highest is the longest duration that a histogram can hold, a little over
	// nine minutes. One less than a power of two, so that it ends the last
	// bucket and no memory lies beyond it.
	Highest time.Duration = 1<<39 - 1
	// Precise and Coarse are the usual numbers of significant digits: 208 KiB
	// and 29 KiB of counts. What a run records is Precise, its seconds too, so
	// that they add up to its totals exactly.
	Precise = 3
	Coarse  = 2
)

// Histogram counts durations from 0 to [Highest] with a relative error of
// 10^-digits. It has a single owner: no method may run beside another that
// records, merges or resets.
//
// A longer duration is recorded as Highest and counted as overflow; a negative
// one, which only a clock fault can bring about, is recorded as 0 and counted
// as negative. Nothing is dropped, nothing is clipped in silence.
type Histogram struct {
	counts   *hdr.Histogram
	overflow int64
	negative int64
}

// New returns an empty histogram with 1 to 5 significant digits, usually
// [Precise] or [Coarse]. Other numbers panic: they are a programmer's error.
func New(digits int) *Histogram {
	if digits < 1 || digits > 5 {
		panic(fmt.Sprintf("latency: %d significant digits, want 1 to 5", digits))
	}
	return &Histogram{counts: hdr.New(int64(Lowest), int64(Highest), digits)}
}

// Record counts one duration. It does not allocate.
func (h *Histogram) Record(d time.Duration) {
	if uint64(d) > uint64(Highest) { // negative ones too
		d = h.outside(d)
	}
	// The range has been checked: only a count of 2^63 could fail.
	_ = h.counts.RecordValue(int64(d))
}

// outside counts a duration that does not fit and returns its stand-in.
func (h *Histogram) outside(d time.Duration) time.Duration {
	if d < 0 {
		h.negative++
		return 0
	}
	h.overflow++
	return Highest
}

// Merge adds o's records to h. Both must have the same number of digits.
func (h *Histogram) Merge(o *Histogram) error {
	if h.Digits() != o.Digits() {
		return fmt.Errorf("merge histograms: %d and %d digits differ", h.Digits(), o.Digits())
	}
	if dropped := h.counts.Merge(o.counts); dropped != 0 {
		return fmt.Errorf("merge histograms: %d records do not fit", dropped)
	}
	h.overflow += o.overflow
	h.negative += o.negative
	return nil
}

// Without returns the records of h that are not in part, both with the same
// number of digits. It is an error if part is no part of h.
func (h *Histogram) Without(part *Histogram) (*Histogram, error) {
	if h.Digits() != part.Digits() {
		return nil, fmt.Errorf("subtract histograms: %d and %d digits differ", h.Digits(), part.Digits())
	}
	rest := New(h.Digits())
	rest.overflow, rest.negative = h.overflow-part.overflow, h.negative-part.negative
	taken := make(map[time.Duration]int64)
	for _, step := range part.Steps() {
		taken[step.Low] = step.Count
	}
	for _, step := range h.Steps() {
		// A count below 0 is refused.
		if err := rest.counts.RecordValues(int64(step.Low), step.Count-taken[step.Low]); err != nil {
			return nil, fmt.Errorf("subtract histograms: %w", err)
		}
	}
	if rest.Count() != h.Count()-part.Count() || rest.overflow < 0 || rest.negative < 0 {
		return nil, errors.New("subtract histograms: records that the whole does not have")
	}
	return rest, nil
}

// Quantile returns the duration below or at which the share q of all records
// lies; q is clamped to [0, 1]. The rule is nearest rank: with n records the
// one of rank q×n rounded to the nearest whole (at least 1, at most n), and of
// the step that it was counted in the upper end (the lower end for q = 0), as
// HDR histograms do everywhere. An empty histogram returns 0; see Count.
func (h *Histogram) Quantile(q float64) time.Duration {
	return time.Duration(h.counts.ValueAtPercentile(q * 100))
}

// Max is the upper end of the step that holds the longest record, 0 if empty.
func (h *Histogram) Max() time.Duration { return h.Quantile(1) }

// Min is the lower end of the step that holds the shortest record, 0 if empty.
func (h *Histogram) Min() time.Duration { return h.Quantile(0) }

// Mean is the arithmetic mean of the records' steps, 0 if empty.
func (h *Histogram) Mean() time.Duration { return time.Duration(math.Round(h.counts.Mean())) }

// Count is the number of records, overflow and negative ones included.
func (h *Histogram) Count() int64 { return h.counts.TotalCount() }

// Overflow is the number of records longer than [Highest].
func (h *Histogram) Overflow() int64 { return h.overflow }

// Negative is the number of records below 0.
func (h *Histogram) Negative() int64 { return h.negative }

// Digits is the number of significant digits.
func (h *Histogram) Digits() int { return int(h.counts.SignificantFigures()) }

// Reset forgets all records and keeps the memory.
func (h *Histogram) Reset() {
	h.counts.Reset()
	h.overflow, h.negative = 0, 0
}

// Clone returns an independent copy.
func (h *Histogram) Clone() *Histogram {
	return &Histogram{counts: h.counts.Clone(), overflow: h.overflow, negative: h.negative}
}

// Step is one step of a histogram that holds records: the durations from Low to
// High count as one.
type Step struct {
	Low, High time.Duration
	Count     int64
}

// Steps lists the steps that hold records, in rising order.
func (h *Histogram) Steps() []Step {
	var steps []Step
	for _, bar := range h.counts.Distribution() {
		if bar.Count > 0 {
			steps = append(steps, Step{time.Duration(bar.From), time.Duration(bar.To), bar.Count})
		}
	}
	return steps
}
