// Package result is the result file: its schema, reader, writer and versions.
// It is everything one run leaves behind, in one JSON document.
//
// Every number carries its unit, in the field's name or beside the value.
// Times and durations are seconds as JSON numbers, sizes are bytes. A value
// that could not be observed is absent, never 0.
package result

import (
	"time"

	"fanbench/loadgen/scenario"
)

// SchemaVersion is the version that this package writes. Additive changes keep
// it; anything else increases it and adds an upgrade function and a golden file.
const SchemaVersion = 1

// Result is one run.
type Result struct {
	SchemaVersion int    `json:"schema_version"`
	Kind          string `json:"kind"` // "run"
	RunID         string `json:"run_id"`

	Tool     Tool              `json:"tool"`
	Subject  Subject           `json:"subject"`
	Scenario scenario.Scenario `json:"scenario"` // every default resolved
	Seed     uint64            `json:"seed"`
	URL      string            `json:"url"`
	// TLS of a wss URL; absent for ws.
	TLS *TLS `json:"tls,omitempty"`
	// Headers that requests had besides the scenario's: their names alone.
	Headers     []string    `json:"headers,omitempty"`
	Environment Environment `json:"environment"`
	// Calibration of the generator on this host; absent if there is none.
	Calibration *Calibration `json:"calibration,omitempty"`
	// Design is the run's place among those that were made to be compared;
	// absent for a run of its own.
	Design *Design `json:"design,omitempty"`
	Times  Times   `json:"times"`

	Verdict Verdict `json:"verdict"`
	// SLO is what became of the scenario's conditions, in their order.
	SLO    []Objective `json:"slo,omitempty"`
	Ledger Ledger      `json:"ledger"`
	// Slow subscribers and silent peers are in the ledger's counts of
	// publications, and in none of deliveries.
	Slow     *Apart    `json:"slow,omitempty"`
	Silent   *Apart    `json:"silent,omitempty"`
	Failures []Failure `json:"failures"`

	// Metrics can be trusted under the run's verdict; Untrusted were measured
	// and voided by a guard. A metric stands in one of the two.
	Metrics   map[string]Metric `json:"metrics"`
	Untrusted map[string]Metric `json:"untrusted,omitempty"`

	Histograms []Histogram `json:"histograms"`
	Series     Series      `json:"series"`
	Warnings   []Warning   `json:"warnings"`
}

// Tool is the program that measured.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
}

// TLS is how the target's certificate was checked.
type TLS struct {
	ServerName string `json:"server_name"` // that it had to be for
	// Insecure: it was not checked at all.
	Insecure bool `json:"insecure,omitempty"`
	// Authorities is the SHA-256, in hex, of the certificates that were trusted
	// besides the system's; absent if there were none.
	Authorities string `json:"authorities_sha256,omitempty"`
}

// Subject is the target under measurement, as far as it is known: bench fills
// it in, a bare loadgen leaves it mostly empty.
type Subject struct {
	Name    string   `json:"name,omitempty"`
	Version string   `json:"version,omitempty"`
	Commit  string   `json:"commit,omitempty"` // full hash
	Tree    string   `json:"tree,omitempty"`
	Dirty   bool     `json:"dirty,omitempty"`
	Command []string `json:"command,omitempty"`
}

// Environment is the machine. Key hashes the stable factors only, so that one
// machine has one key.
type Environment struct {
	Key     string            `json:"key"`
	Factors map[string]string `json:"factors"` // what Key hashes
	Detail  map[string]string `json:"detail"`  // whatever else may explain a number
}

// Calibration says which calibration of the generator held when the run was
// made (loadgen calibrate).
type Calibration struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	// Trustworthy: with injected delays, every measured quantile was within the
	// calibration's bar of the truth.
	Trustworthy bool `json:"trustworthy"`
}

// Roles of a [Design].
const (
	RoleBaseline  = "baseline"
	RoleCandidate = "candidate"
)

// Design ties together the runs of one bench ab, or of one bench run with
// several rounds or targets. Those of one block were made one after the other,
// under the same plan: only they may be paired.
type Design struct {
	GroupID  string `json:"group_id"` // unique to the command that made the runs
	Block    int    `json:"block"`    // pair or round of the scenario, counted from 1
	Position int    `json:"position"` // within the block, counted from 1
	Arm      string `json:"arm"`      // what was measured, as it was asked for
	// Role says which side of a comparison the arm is; absent where nothing was
	// compared.
	Role string `json:"role,omitempty"`
}

// Times of the run: wall clock for people, offsets in seconds since Started for
// everything else.
type Times struct {
	Started time.Time `json:"started"`
	Phases  []Phase   `json:"phases"`
}

// Phase is when a phase really ran.
type Phase struct {
	Name  string  `json:"name"` // ramp, idle, warm-up, measure, drain
	Start float64 `json:"start_seconds"`
	End   float64 `json:"end_seconds"`
}

// The verdicts: whether the metrics that the scenario requires can be trusted,
// and if they cannot, what they measure instead.
const (
	Valid            = "valid"
	GeneratorLimited = "generator-limited"
	LinkLimited      = "link-limited"
	Invalid          = "invalid"
)

// Verdict says whether the run can be trusted and what its limit was.
type Verdict struct {
	Verdict string `json:"verdict"` // Valid, GeneratorLimited, LinkLimited or Invalid
	Limit   string `json:"limit"`   // server, generator, link, both, none
	// Disturbed: the generator's limit is its machine, of which others had a part
	// that it needed.
	Disturbed bool `json:"disturbed,omitempty"`
	Partial   bool `json:"partial"` // ended early: interrupted, or the target died
	// Interrupted: somebody ended the run, which is not the target's doing.
	Interrupted bool     `json:"interrupted,omitempty"`
	Reasons     []string `json:"reasons"`
	Guards      []Guard  `json:"guards"`
	// Absent sources: what the host does not offer, so that the guards which
	// rest on it say nothing.
	Absent []Absence `json:"absent,omitempty"`
}

// Absence is a source of guards that the host lacks.
type Absence struct {
	Source string `json:"source"`
	Reason string `json:"reason"`
}

// States of an [Objective].
const (
	ObjectiveMet      = "ok"
	ObjectiveBreached = "breached"
	ObjectiveUnknown  = "unknown"
)

// Objective is one condition of the scenario and what became of it.
type Objective struct {
	Condition string `json:"condition"`
	// State is ok, breached, or unknown: there is no number, or none that can be
	// trusted.
	State string   `json:"state"`
	Value *float64 `json:"value,omitempty"` // absent if nothing was observed
	Unit  string   `json:"unit"`
	// At is how far into the measured phase a second broke the condition while
	// the run was under way, in seconds; Value is then that second's.
	At     *float64 `json:"at_seconds,omitempty"`
	Reason string   `json:"reason,omitempty"` // why it is unknown
}

// Guard is one test of the run's validity.
type Guard struct {
	Name    string   `json:"name"`
	Value   *float64 `json:"value,omitempty"` // absent: the host has no such source
	Limit   float64  `json:"limit"`
	Unit    string   `json:"unit"`
	Tripped bool     `json:"tripped"`
	Voids   []string `json:"voids,omitempty"` // metric groups that it voids
	Remedy  string   `json:"remedy,omitempty"`
}

// Ledger is the exact account of publications and deliveries, over warm-up and
// measure together. Planned = Sent + Unsent, and
// Expected = Delivered + Lost + Excluded.
type Ledger struct {
	Planned uint64 `json:"planned"`
	Sent    uint64 `json:"sent"`
	Unsent  uint64 `json:"unsent"`

	Expected  uint64 `json:"expected"`
	Delivered uint64 `json:"delivered"` // unique
	Lost      uint64 `json:"lost"`      // LostUp + LostDown
	LostUp    uint64 `json:"lost_up"`   // by subscribers that were connected
	LostDown  uint64 `json:"lost_down"` // by those whose connection the target had ended
	Excluded  uint64 `json:"excluded"`  // missed by subscribers that had left by themselves

	Duplicated uint64 `json:"duplicated"`
	Reordered  uint64 `json:"reordered"`
	Corrupt    uint64 `json:"corrupt"`
	Misrouted  uint64 `json:"misrouted"` // another room's publication
	Foreign    uint64 `json:"foreign"`   // another run's publication
	Unknown    uint64 `json:"unknown"`   // messages without a stamp
	Late       uint64 `json:"late"`      // after its gap had been settled as lost

	// GapsAgree: the second, independent count (sequence gaps and the closing
	// count of each publisher) gives the same Lost.
	GapsAgree bool `json:"gaps_agree"`

	// Measured is the same account of the measured phase alone.
	MeasuredPlanned   uint64 `json:"measured_planned"`
	MeasuredSent      uint64 `json:"measured_sent"`
	MeasuredDelivered uint64 `json:"measured_delivered"`
}

// Apart is the account of subscribers that the scenario makes unable to keep up.
// Expected = Delivered + Missing. Silent peers have no deliveries.
type Apart struct {
	Subscribers uint64 `json:"subscribers"` // that opened
	Ended       uint64 `json:"ended"`       // whose connection the target ended
	Expected    uint64 `json:"expected"`
	Delivered   uint64 `json:"delivered"` // unique
	Missing     uint64 `json:"missing"`   // not here at the end: lost, or still waiting
	Duplicated  uint64 `json:"duplicated"`
	Reordered   uint64 `json:"reordered"`
}

// Metric is one number with its unit and direction.
type Metric struct {
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`             // seconds, bytes, deliveries/s, connections/s, 1
	Better string  `json:"better,omitempty"` // lower, higher
	N      uint64  `json:"n,omitempty"`      // how many observations it rests on
	// Publications behind a delivery quantile; with fewer than 10/(1−q) the
	// quantile is Marked and never gates.
	Publications uint64 `json:"publications,omitempty"`
	Marked       bool   `json:"marked,omitempty"`
}

// Histogram is one merged HDR histogram.
type Histogram struct {
	Name     string `json:"name"` // delivery, sent-delivery, completion, spread, first, read-lag, send-lag, blocked, connect, tls-handshake
	Unit     string `json:"unit"` // "ns"
	Lowest   int64  `json:"lowest"`
	Highest  int64  `json:"highest"`
	Digits   int    `json:"digits"`
	Count    int64  `json:"count"`
	Overflow int64  `json:"overflow"`           // values above Highest, recorded as Highest
	Negative int64  `json:"negative,omitempty"` // values below 0, a clock fault, recorded as 0
	Encoding string `json:"encoding"`           // HdrV2+zlib+base64
	Data     string `json:"data"`
}

// Series are readings once a second; a missing reading is null.
type Series struct {
	IntervalSeconds float64      `json:"interval_seconds"`
	Columns         []string     `json:"columns"` // time_seconds, connections, sent, delivered, lost, delivery_p50_seconds, …
	Rows            [][]*float64 `json:"rows"`
}

// Warning is something a reader should know, with what to do about it.
type Warning struct {
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}
