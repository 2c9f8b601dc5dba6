package latency

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Log writes histograms of intervals as HdrHistogram's log, version 1.3: a line
// each with its tag, start, length, maximum in milliseconds and the counts, in
// nanoseconds. Starts count from the log's base time, so that its clock is the
// caller's.
type Log struct {
	w   io.Writer
	log *hdr.HistogramLogWriter // of all lines but the histograms'
}

// NewLog writes the head of a log whose intervals count from start. Comments,
// a line each, say what the log is of.
func NewLog(w io.Writer, start time.Time, comments ...string) (*Log, error) {
	l := &Log{w: w, log: hdr.NewHistogramLogWriter(w)}
	base := start.UnixMilli()
	var err error
	for _, c := range comments {
		err = errors.Join(err, l.Comment(c))
	}
	// The library's own lines for the times hold whole seconds only.
	seconds := float64(base) / 1000
	err = errors.Join(err, l.log.OutputLogFormatVersion(),
		l.Comment(fmt.Sprintf("[BaseTime: %.3f (seconds since epoch)]", seconds)),
		l.Comment(fmt.Sprintf("[StartTime: %.3f (seconds since epoch), %s]", seconds, time.UnixMilli(base).UTC().Format(time.RFC3339))),
		l.log.OutputLegend())
	return l, err
}

// Comment writes a line that readers skip. It must not begin with the words of
// the log's own, such as "[StartTime:".
func (l *Log) Comment(text string) error { return l.log.OutputComment(text) }

// Write adds the records of one interval, with its edges to the millisecond. The
// tag may hold no comma, blank or line break. Overflow is among the longest
// records and negative ones among the shortest, as everywhere.
func (l *Log) Write(tag string, start, end time.Duration, h *Histogram) error {
	if tag == "" || strings.ContainsAny(tag, ", \r\n") {
		return fmt.Errorf("log histogram: tag %q splits its line", tag)
	}
	counts, err := h.Encode()
	if err != nil {
		return err
	}
	start, end = start.Truncate(time.Millisecond), end.Truncate(time.Millisecond)
	_, err = fmt.Fprintf(l.w, "Tag=%s,%f,%f,%f,%s\n", tag, start.Seconds(), (end - start).Seconds(), float64(h.counts.Max())/float64(time.Millisecond), counts)
	if err != nil {
		return fmt.Errorf("log histogram %s: %w", tag, err)
	}
	return nil
}
