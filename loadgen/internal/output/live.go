package output

import (
	_ "embed" // for the schema
	"encoding/json"
	"fmt"
	"io"
	"time"

	"fanbench/loadgen/result"
)

// LiveSchema is the JSON Schema of a line of the live stream.
//
//go:embed live.schema.json
var LiveSchema []byte

// backlog is how many lines may wait for a reader that is slow to take them.
// Those that find no place are dropped and counted: the stream must not hold up
// the run.
const backlog = 60

// patience is how long Discard waits for the reader of what was written.
const patience = time.Second

// Live writes a run as JSON, one object a line: one when it begins, one each
// second, one with the verdict. Before the last, nothing in it has been judged.
type Live struct {
	opening opening
	begun   bool
	lines   chan []byte
	done    chan error
	dropped uint64
}

// opening, moment and closing are the lines, by their kind.
type opening struct {
	Kind     string    `json:"kind"` // run
	RunID    string    `json:"run_id"`
	Scenario string    `json:"scenario"`
	URL      string    `json:"url"`
	Started  time.Time `json:"started"`
}

type moment struct {
	Kind   string  `json:"kind"` // second
	Phase  string  `json:"phase"`
	Start  float64 `json:"start_seconds"` // since the run's start, as End
	End    float64 `json:"end_seconds"`
	Counts Counts  `json:"counts"`
	// Series by column; null is a missing reading.
	Series map[string]*float64 `json:"series"`
	// Histograms of this second alone, by name; none without a record.
	Histograms map[string]figures `json:"histograms"`
	Dropped    uint64             `json:"dropped,omitempty"` // lines so far
}

type figures struct {
	Count     int64              `json:"count"`
	Quantiles map[string]float64 `json:"quantiles_seconds"` // p50, p90, …, max
}

type closing struct {
	Kind      string   `json:"kind"` // end
	Verdict   string   `json:"verdict"`
	Limit     string   `json:"limit"`
	Partial   bool     `json:"partial"`
	Untrusted []string `json:"untrusted"` // histograms that a guard voided
	Dropped   uint64   `json:"dropped,omitempty"`
}

// NewLive begins a stream. What implements io.Closer is closed at its end; wrap
// what must stay open.
func NewLive(w io.Writer, runID, scenario, url string) *Live {
	l := &Live{
		opening: opening{Kind: "run", RunID: runID, Scenario: scenario, URL: url},
		lines:   make(chan []byte, backlog), done: make(chan error, 1),
	}
	go func() { l.done <- pour(w, l.lines) }()
	return l
}

// begin makes sure of the first line. There is room for it.
func (l *Live) begin(started time.Time) {
	if !l.begun {
		l.begun, l.opening.Started = true, started
		l.lines <- encode(l.opening)
	}
}

// pour writes the lines until there are no more. After an error it takes them
// and writes no more.
func pour(w io.Writer, lines <-chan []byte) (err error) {
	for line := range lines {
		if err == nil {
			_, err = w.Write(line)
		}
	}
	if file, ok := w.(io.Closer); ok {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}
	return err
}

// Observe adds a second.
func (l *Live) Observe(s Second) {
	l.begin(s.Started)
	m := moment{
		Kind: "second", Phase: s.Phase, Start: s.Start.Seconds(), End: s.End.Seconds(), Counts: s.Counts,
		Series: make(map[string]*float64), Histograms: make(map[string]figures), Dropped: l.dropped,
	}
	for i, column := range s.Columns {
		m.Series[column] = s.Row[i]
	}
	for _, name := range s.recorded() {
		h := s.Histograms[name]
		f := figures{h.Count(), make(map[string]float64)}
		for _, q := range result.Quantiles {
			f.Quantiles[q.Name] = h.Quantile(q.Q).Seconds()
		}
		m.Histograms[name] = f
	}
	l.offer(m)
}

// offer queues a line, or drops it.
func (l *Live) offer(v any) {
	select {
	case l.lines <- encode(v):
	default:
		l.dropped++
	}
}

// encode makes a line. What goes in is made of finite numbers and text.
func encode(v any) []byte {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(line, '\n')
}

// Finish adds the last line and waits until all are written.
func (l *Live) Finish(r *result.Result) error {
	l.begin(r.Times.Started)
	v := r.Verdict
	l.lines <- encode(closing{"end", v.Verdict, v.Limit, v.Partial, Untrusted(r), l.dropped})
	close(l.lines)
	if err := <-l.done; err != nil {
		return fmt.Errorf("write live stream: %w", err)
	}
	return nil
}

// Discard ends the stream of a run that has no result, without a last line.
func (l *Live) Discard() {
	close(l.lines)
	select {
	case <-l.done:
	case <-time.After(patience): // nobody reads
	}
}
