// Package noise keeps what two trials of one server differ by on this machine:
// a profile for each environment and CPU placement, measured by bench noise and
// read by bench ab.
package noise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fanbench/loadgen/result"
)

// schemaVersion of a profile's file.
const schemaVersion = 1

// Profile is the noise of one environment.
type Profile struct {
	SchemaVersion int    `json:"schema_version"`
	Environment   string `json:"environment"` // key, as in results
	Affinity      string `json:"affinity"`
	// Scenarios by hash.
	Scenarios map[string]Scenario `json:"scenarios"`
}

// Scenario is the noise of one scenario.
type Scenario struct {
	Name     string    `json:"name"`
	Measured time.Time `json:"measured"`
	Pairs    int       `json:"pairs"` // that it rests on
	// Noise is a share by metric, see compare.Noise.
	Noise map[string]float64 `json:"noise"`
}

// Folder is where profiles are kept: in the user's cache, since they are the
// machine's and not the project's.
func Folder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of noise profiles: %w", err)
	}
	return filepath.Join(cache, "fanbench", "noise"), nil
}

// Read reads the profile of an environment and placement from a folder. One
// that has not been measured is empty.
func Read(folder, environment, affinity string) (Profile, error) {
	p := Profile{Environment: environment, Affinity: affinity, Scenarios: map[string]Scenario{}}
	file := p.file(folder)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("read noise profile: %w", err)
	}
	var stored Profile
	if err := json.Unmarshal(b, &stored); err != nil {
		return p, fmt.Errorf("read noise profile %s: %w; remove it and run bench noise again", file, result.Broken(err, len(b)))
	}
	if stored.SchemaVersion != schemaVersion || stored.Environment != environment || stored.Affinity != affinity || stored.Scenarios == nil {
		return p, fmt.Errorf("read noise profile %s: it is not of this program's version, or of environment %s with affinity %s; remove it and run bench noise again",
			file, environment, affinity)
	}
	return stored, nil
}

// Write keeps the profile.
func (p Profile) Write(folder string) (file string, err error) {
	p.SchemaVersion = schemaVersion
	b, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err == nil {
		err = result.Replace(p.file(folder), append(b, '\n'))
	}
	if err != nil {
		return "", fmt.Errorf("write noise profile: %w", err)
	}
	return p.file(folder), nil
}

func (p Profile) file(folder string) string {
	return filepath.Join(folder, p.Environment+"-"+p.Affinity+".json")
}
