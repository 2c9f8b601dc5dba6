package output

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fanbench/loadgen/result"
)

// WriteDistributions writes each histogram of a result into its folder as
// NAME.hgrm, or as untrusted-NAME.hgrm if a guard voided it: plotters show the
// file's name beside the curve.
func WriteDistributions(dir string, r *result.Result) error {
	for _, encoded := range r.Histograms {
		h, err := encoded.Decode()
		if err != nil {
			return err
		}
		name, other := encoded.Name, "untrusted-"+encoded.Name
		if voided(r, result.MetricGroup(encoded.Name)+".max") {
			name, other = other, name
		}
		var b bytes.Buffer
		if err := h.WriteDistribution(&b, "fanbench run "+r.RunID+", "+encoded.Name+" in milliseconds", verdictLine(r)); err != nil {
			return err
		}
		if err := result.Replace(filepath.Join(dir, name+".hgrm"), b.Bytes()); err != nil {
			return err
		}
		// What an earlier run in the same folder left under the other name would
		// be taken for this one's.
		if err := removed(filepath.Join(dir, other+".hgrm")); err != nil {
			return err
		}
	}
	return nil
}

// removed sees to it that a file is not there.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
