// Package intervals reads the histograms that loadgen keeps for every second of
// a run, the gzipped HdrHistogram log beside its result.
//
// The histograms of the whole run are in the result itself.
package intervals

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"fanbench/loadgen/latency"
)

// FileName of the log in a run's directory.
const FileName = "latency.hlog.gz"

// Interval is what was recorded in a stretch of a run.
type Interval struct {
	Start  time.Time
	Length time.Duration
	Steps  []latency.Step // that hold records
}

// Read returns the intervals of one histogram, by its name in the result, in
// the log of a run's directory. A run without a log has none.
func Read(dir, name string) ([]Interval, error) {
	f, err := os.Open(filepath.Join(dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read intervals: %w", err)
	}
	defer f.Close()
	all, err := decode(f, name)
	if err != nil {
		return nil, fmt.Errorf("read intervals %s: %w", f.Name(), err)
	}
	return all, nil
}

func decode(compressed io.Reader, name string) ([]Interval, error) {
	plain, err := gzip.NewReader(bufio.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	// The log's reader takes any error for the end, so the whole is read first.
	log, err := io.ReadAll(plain)
	if err != nil {
		return nil, err
	}
	reader := hdrhistogram.NewHistogramLogReader(bytes.NewReader(log))
	var all []Interval
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			return nil, fmt.Errorf("interval %d: %w", len(all)+1, err)
		}
		if h == nil {
			return all, nil
		}
		if strings.ReplaceAll(h.Tag(), "_", "-") != name {
			continue
		}
		one := Interval{Start: time.UnixMilli(h.StartTimeMs()), Length: time.Duration(h.EndTimeMs()-h.StartTimeMs()) * time.Millisecond}
		for _, bar := range h.Distribution() {
			if bar.Count > 0 {
				one.Steps = append(one.Steps, latency.Step{Low: time.Duration(bar.From), High: time.Duration(bar.To), Count: bar.Count})
			}
		}
		all = append(all, one)
	}
}
