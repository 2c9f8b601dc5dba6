package latency

import (
	"errors"
	"fmt"
	"io"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Log writes histograms of intervals as HdrHistogram's log, version 1.3: a line
// each with its tag, start, length, maximum in milliseconds and the counts, in
// nanoseconds. Starts count from the log's base time, so that its clock is the
// caller's.
type Log struct {
	w    io.Writer
	log  *hdr.HistogramLogWriter
	base int64 // milliseconds since the epoch
}

// NewLog writes the head of a log whose intervals count from start. Comments,
// a line each, say what the log is of.
func NewLog(w io.Writer, start time.Time, comments ...string) (*Log, error) {
	l := &Log{w: w, log: hdr.NewHistogramLogWriter(w), base: start.UnixMilli()}
	l.log.SetBaseTime(l.base)
	var err error
	for _, c := range comments {
		err = errors.Join(err, l.Comment(c))
	}
	// The library's own lines for the times hold whole seconds only.
	seconds := float64(l.base) / 1000
	err = errors.Join(err, l.log.OutputLogFormatVersion(),
		l.Comment(fmt.Sprintf("[BaseTime: %.3f (seconds since epoch)]", seconds)),
		l.Comment(fmt.Sprintf("[StartTime: %.3f (seconds since epoch), %s]", seconds, time.UnixMilli(l.base).UTC().Format(time.RFC3339))),
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
	h.counts.SetTag(tag)
	h.counts.SetStartTimeMs(l.base + start.Milliseconds())
	h.counts.SetEndTimeMs(l.base + end.Milliseconds())
	if err := l.log.OutputIntervalHistogram(h.counts); err != nil {
		return fmt.Errorf("log histogram %s: %w", tag, err)
	}
	return nil
}
