package export

import (
	"fmt"
	"io"

	"fanbench/loadgen/result"
)

// HGRM writes a histogram of a run as HdrHistogram's percentile distribution,
// in milliseconds, as its plotter reads it.
func HGRM(w io.Writer, r *result.Result, name string) error {
	stored, found := r.Histogram(name)
	if !found {
		var have []string
		for _, h := range r.Histograms {
			have = append(have, h.Name)
		}
		return fmt.Errorf("run %s has no histogram %q; it has %v", r.RunID, name, have)
	}
	h, err := stored.Decode()
	if err != nil {
		return err
	}
	if err := h.WriteDistribution(w, "[fanbench run "+r.RunID+", "+name+"]"); err != nil {
		return fmt.Errorf("write percentile distribution: %w", err)
	}
	return nil
}
