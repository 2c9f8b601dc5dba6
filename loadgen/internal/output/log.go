package output

import (
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

// LogName is what the histogram log is called in a run's folder.
const LogName = "latency.hlog.gz"

// Log writes the histograms of each second into a gzipped histogram log, tagged
// with their names. Nothing is on the disk before the first record; a log that
// was there before stays until Finish.
//
// It has what the engines record, which comes by the second. What is made of the
// accounts of a whole run, such as its completion times, is in the result alone.
type Log struct {
	path  string
	runID string
	start time.Time // of the run

	draft *result.Draft // nil before the first record
	zip   *gzip.Writer
	log   *latency.Log
	sums  map[string]*latency.Histogram // of what was written, by tag
	last  time.Duration                 // end of the latest second
	err   error                         // the first; nothing is written after it
}

// NewLog is a log in a run's folder.
func NewLog(dir, runID string) *Log {
	return &Log{path: filepath.Join(dir, LogName), runID: runID, sums: make(map[string]*latency.Histogram)}
}

// Observe adds a second.
func (l *Log) Observe(s Second) {
	l.start = s.Started
	for _, name := range s.recorded() {
		h := s.Histograms[name]
		l.write(name, s.Start, s.End, h)
		if l.sums[name] == nil {
			l.sums[name] = latency.New(h.Digits())
		}
		l.fail(l.sums[name].Merge(h))
	}
	l.last = s.End
	if l.zip != nil && l.err == nil {
		l.fail(l.zip.Flush()) // what is on the disk can be read to the last second
	}
}

func (l *Log) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// write adds a line, and the log's head before the first.
func (l *Log) write(tag string, start, end time.Duration, h *latency.Histogram) {
	if l.err == nil && l.draft == nil {
		l.err = l.open()
	}
	if l.err == nil {
		l.err = l.log.Write(tag, start, end, h)
	}
}

func (l *Log) open() (err error) {
	if err = os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	if l.draft, err = result.NewDraft(l.path); err != nil {
		return err
	}
	l.zip = gzip.NewWriter(l.draft)
	l.log, err = latency.NewLog(l.zip, l.start, "[fanbench run "+l.runID+"; values in nanoseconds, maxima in milliseconds]")
	return err
}

// Finish adds what was recorded after the last second, so that the intervals of
// a tag add up to the result's histogram, and the verdict as a comment; then it
// puts the log in its place. A run without a record leaves no log: an earlier
// one's would be taken for its own.
func (l *Log) Finish(r *result.Result) error {
	l.start = r.Times.Started
	end := l.last
	for _, p := range r.Times.Phases {
		end = max(end, time.Duration(p.End*float64(time.Second)))
	}
	for _, whole := range r.Histograms {
		if engine.Records(whole.Name) {
			l.finish(whole, end)
		}
	}
	if l.draft != nil {
		l.close(verdictLine(r))
	} else if l.err == nil {
		l.err = removed(l.path)
	}
	if l.err != nil {
		return fmt.Errorf("write %s: %w", LogName, l.err)
	}
	return nil
}

// close ends the draft, with a last comment, one way or the other.
func (l *Log) close(comment string) {
	if l.err == nil {
		l.err = l.log.Comment(comment)
	}
	l.fail(l.zip.Close())
	if l.err == nil {
		l.err = l.draft.Keep()
	} else {
		l.draft.Discard()
	}
	l.draft = nil
}

func (l *Log) finish(whole result.Histogram, end time.Duration) {
	h, err := whole.Decode()
	if err != nil {
		l.fail(err)
		return
	}
	sum := l.sums[whole.Name]
	if sum == nil { // no second had any of it
		sum = latency.New(h.Digits())
	}
	rest, err := h.Without(sum)
	switch {
	case err != nil: // a worker was lost, and its records with it
		if l.err == nil {
			l.err = l.log.Comment("[" + whole.Name + ": the result lacks records that were seen here]")
		}
	case rest.Count() > 0:
		l.write(whole.Name, l.last, end, rest)
	}
}

// Discard ends a log of a run that has no result.
func (l *Log) Discard() {
	if l.draft != nil {
		l.draft.Discard()
		l.draft = nil
	}
	l.fail(errors.New("the log was discarded"))
}

// verdictLine is what a reader of a file by itself must know.
func verdictLine(r *result.Result) string {
	line := "[verdict: " + r.Verdict.Verdict
	if names := Untrusted(r); len(names) > 0 {
		line += "; untrusted: " + strings.Join(names, ", ")
	}
	return line + "]"
}
