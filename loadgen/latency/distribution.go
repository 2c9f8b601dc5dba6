package latency

import (
	"bytes"
	"fmt"
	"io"
)

// ticks per half distance to 100 %: as many lines of a distribution lie between
// 50 and 75 %, between 75 and 87.5 % and so on. Five is what other programs
// write.
const ticks = 5

// WriteDistribution writes the percentile distribution as HdrHistogram's plotters
// read it (.hgrm), with values in milliseconds. Comments stand at the end, a line
// each.
func (h *Histogram) WriteDistribution(w io.Writer, comments ...string) error {
	const millisecond = 1e6 // of the counts' nanoseconds
	var b bytes.Buffer
	fmt.Fprintf(&b, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")
	if h.Count() > 0 {
		for _, at := range h.counts.CumulativeDistributionWithTicks(ticks) {
			fmt.Fprintf(&b, "%12.3f %14.12f %10d", float64(at.ValueAt)/millisecond, at.Quantile/100, at.Count)
			if at.Quantile < 100 {
				fmt.Fprintf(&b, " %14.2f", 1/(1-at.Quantile/100))
			}
			b.WriteByte('\n')
		}
	}
	// The library's own lines hold six digits of the percentile, of which a long
	// tail needs more; its footer is the standard one.
	var own bytes.Buffer
	if _, err := h.counts.PercentilesPrint(&own, 1, millisecond); err != nil {
		return fmt.Errorf("write distribution: %w", err)
	}
	b.Write(own.Bytes()[bytes.Index(own.Bytes(), []byte("#[Mean")):])
	for _, c := range comments {
		fmt.Fprintf(&b, "# %s\n", c)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write distribution: %w", err)
	}
	return nil
}
