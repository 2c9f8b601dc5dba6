// Package calibration is the calibration file: what the generator can do on one
// host, and how far its quantiles are from the truth there. It holds the file's
// types, the bar that the error is held against, and where the file is kept.
//
// How the numbers come about is the business of the command that measures them.
package calibration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fanbench/loadgen/result"
)

// SchemaVersion is the version that this package writes, and reads.
const SchemaVersion = 1

// The bar: a measured quantile may be off by this share of the true one, or by
// this time, whichever is more.
const (
	Share = 0.01
	Time  = 50 * time.Microsecond
)

// MinPublications is how many publications a quantile p99.9 rests on.
const MinPublications = 10_000

// Calibration is one host's. Times are seconds.
type Calibration struct {
	SchemaVersion int                `json:"schema_version"`
	Kind          string             `json:"kind"` // "calibration"
	ID            string             `json:"id"`   // a hash of the rest
	Time          time.Time          `json:"time"`
	Host          string             `json:"host"`
	Tool          result.Tool        `json:"tool"`
	Environment   result.Environment `json:"environment"`

	// Trustworthy: every quantile of every case is within the bar, and each
	// case rests on enough publications. Reasons say what is not.
	Trustworthy bool     `json:"trustworthy"`
	Reasons     []string `json:"reasons"`

	Ceilings []Ceiling `json:"ceilings"`
	Cases    []Case    `json:"cases"`
}

// Ceiling is one figure of what this host's generator and null target reach
// together, or of the least that the generator costs and lags.
type Ceiling struct {
	Name string `json:"name"`
	result.Metric
	Setting string `json:"setting"`
}

// Case is one injected delay.
type Case struct {
	Name         string     `json:"name"`
	Publications uint64     `json:"publications"`
	Deliveries   uint64     `json:"deliveries"`
	ExactShare   float64    `json:"exact_share"` // of arrivals whose kernel stamp is their own
	Quantiles    []Quantile `json:"quantiles"`
	Faults       []string   `json:"faults,omitempty"` // why the case is no answer
}

// Quantile is one quantile of the delivery latency, in seconds: as the target
// wrote and as the generator saw it.
type Quantile struct {
	Name     string  `json:"name"`
	True     float64 `json:"true_seconds"`
	Measured float64 `json:"measured_seconds"`
	Within   bool    `json:"within"`
}

// Compare holds a measured quantile against the true one.
func Compare(name string, truth, measured time.Duration) Quantile {
	off := (measured - truth).Abs()
	return Quantile{
		Name: name, True: truth.Seconds(), Measured: measured.Seconds(),
		Within: off <= Time || float64(off) <= Share*math.Abs(float64(truth)),
	}
}

// Nearest is the quantile q of durations in rising order, by nearest rank, as
// [latency.Histogram.Quantile] has it; 0 of none.
func Nearest(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Round(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Judge fills in whether the calibration can be trusted, and then its id.
func (c *Calibration) Judge() error {
	c.SchemaVersion, c.Kind = SchemaVersion, kind
	c.Reasons = []string{}
	if len(c.Cases) == 0 {
		c.Reasons = append(c.Reasons, "nothing was held against the truth")
	}
	for _, one := range c.Cases {
		for _, f := range one.Faults {
			c.Reasons = append(c.Reasons, one.Name+": "+f)
		}
		if one.Publications < MinPublications {
			c.Reasons = append(c.Reasons, fmt.Sprintf("%s: %d publications, want at least %d", one.Name, one.Publications, MinPublications))
		}
		for _, q := range one.Quantiles {
			if !q.Within {
				c.Reasons = append(c.Reasons, fmt.Sprintf("%s: %s is off by more than %v %% and %v", one.Name, q.Name, 100*Share, Time))
			}
		}
	}
	c.Trustworthy = len(c.Reasons) == 0
	c.ID = ""
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("identify calibration: %w", err)
	}
	sum := sha256.Sum256(b)
	c.ID = hex.EncodeToString(sum[:])[:12]
	return nil
}

const kind = "calibration"

// Path is where the calibration of an environment is kept: calibration/KEY.json
// under fanbench in the user's state folder (XDG Base Directory Specification:
// $XDG_STATE_HOME, by default ~/.local/state).
func Path(environment result.Environment) (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // the specification has relative ones ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the state folder: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "fanbench", "calibration", environment.Key+".json"), nil
}

// Encode is a calibration as its file holds it.
func Encode(c *Calibration) ([]byte, error) {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode calibration: %w", err)
	}
	return append(b, '\n'), nil
}

// Write puts a calibration into a file. Missing folders are made.
func Write(path string, c *Calibration) error {
	b, err := Encode(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write calibration: %w", err)
	}
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, b, 0o644); err != nil {
		return fmt.Errorf("write calibration: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write calibration: %w", err)
	}
	return nil
}

// Read reads a calibration file.
func Read(path string) (*Calibration, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read calibration: %w", err)
	}
	var c Calibration
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("read calibration %s: %w", path, err)
	}
	if c.Kind != kind || c.SchemaVersion != SchemaVersion {
		return nil, fmt.Errorf("read calibration %s: kind %q, version %d; calibrate again", path, c.Kind, c.SchemaVersion)
	}
	return &c, nil
}

// Find returns the calibration of this host and environment, nil if there is
// none: one from another host, kernel or CPU says nothing here.
func Find(environment result.Environment, host string) (*Calibration, error) {
	path, err := Path(environment)
	if err != nil {
		return nil, err
	}
	c, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c.Host != host || c.Environment.Key != environment.Key {
		return nil, nil
	}
	return c, nil
}

// Sorted returns what a target noted as durations in rising order: epoch, from
// which stamps count due times, is taken off.
func Sorted(written []int64, epoch int64) []time.Duration {
	durations := make([]time.Duration, len(written))
	for i, w := range written {
		durations[i] = time.Duration(w - epoch)
	}
	slices.Sort(durations)
	return durations
}
