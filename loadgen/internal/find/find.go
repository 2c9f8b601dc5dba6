// Package find searches for the largest load that a target carries: which load
// to probe next, when the answer is narrow and sure enough, where the knee of
// the latency–load curve is, and the file that holds all of it.
//
// It has no clock and no sockets, and does not know what a load is. A probe, a
// run with its conditions, is made and judged by the command.
package find

import (
	"encoding/json"
	"fmt"
	"time"

	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// FileName is what a capacity is called in its folder.
const FileName = result.CapacityFileName

// SchemaVersion is the version that this package writes.
const SchemaVersion = 1

// Capacity is the file: one search with its answer and everything that it
// rests on. Loads are in Unit, durations are seconds; what was not observed is
// absent. Its schema is [result.CapacitySchema].
type Capacity struct {
	SchemaVersion int       `json:"schema_version"`
	Kind          string    `json:"kind"` // "capacity"
	ID            string    `json:"id"`
	Started       time.Time `json:"started"`

	Tool        result.Tool        `json:"tool"`
	Environment result.Environment `json:"environment"`
	URL         string             `json:"url"`
	// Scenario of the probes, at the smallest load.
	Scenario scenario.Scenario `json:"scenario"`
	Seed     uint64            `json:"seed"`

	Axis   string  `json:"axis"` // connections, rate, size
	Unit   string  `json:"unit"` // connections, publications/s, bytes
	From   float64 `json:"from"`
	To     float64 `json:"to"`
	Repeat int     `json:"repeat"`

	Answer
	// Reason says why the search ended without an interval; empty with one.
	Reason string `json:"reason,omitempty"`
	// Knee of the curve of Latency; absent if too little of it is known.
	Knee    *Knee  `json:"knee,omitempty"`
	Latency string `json:"latency"` // the metric: delivery.p99, sent_delivery.p99 or connect.p99

	Probes []Probe `json:"probes"` // in their order
}

// Probe is one run of the search.
type Probe struct {
	Load    float64 `json:"load"`
	Outcome Outcome `json:"outcome"`
	Verdict string  `json:"verdict"` // of the run; empty if there is none
	Limit   string  `json:"limit,omitempty"`
	Reason  string  `json:"reason,omitempty"` // why it is not held
	RunID   string  `json:"run_id,omitempty"`
	Folder  string  `json:"folder,omitempty"` // of its result, beside this file

	P50 *Quantile `json:"p50,omitempty"`
	P99 *Quantile `json:"p99,omitempty"`
	// CPUs that each used while measuring: CPU time ÷ time.
	TargetCPUs    *float64 `json:"target_cpus,omitempty"`
	GeneratorCPUs *float64 `json:"generator_cpus,omitempty"`
}

// Quantile of a probe's latency.
type Quantile struct {
	Seconds float64 `json:"seconds"`
	// Untrusted: a guard voids it.
	Untrusted bool `json:"untrusted,omitempty"`
	// Marked: it rests on fewer publications than it needs.
	Marked bool `json:"marked,omitempty"`
}

// Encode is a capacity as its file holds it.
func Encode(c *Capacity) ([]byte, error) {
	whole := *c
	whole.SchemaVersion, whole.Kind = SchemaVersion, result.CapacityKind
	if whole.Probes == nil {
		whole.Probes = []Probe{} // a list, if an empty one
	}
	b, err := json.MarshalIndent(whole, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode capacity: %w", err)
	}
	return append(b, '\n'), nil
}

// Samples are the curve of the p99, as far as it can be trusted.
func (c *Capacity) Samples() []Sample {
	var samples []Sample
	for _, p := range c.Probes {
		if p.P99 != nil && !p.P99.Untrusted {
			samples = append(samples, Sample{p.Load, p.P99.Seconds})
		}
	}
	return samples
}
