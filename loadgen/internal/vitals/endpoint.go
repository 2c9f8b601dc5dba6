package vitals

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Endpoint is a target that answers its own [Reading] as JSON over HTTP.
type Endpoint struct{ URL string }

// Timeout is how long an Endpoint waits for its answer.
const Timeout = time.Second

// maxReading bounds an answer, in bytes. Unknown fields are fine, so a target
// may say more than is asked.
const maxReading = 64 << 10

// Read asks once. Any status but 200, a body that is no reading, and no answer
// within Timeout are errors.
func (e *Endpoint) Read(ctx context.Context) (Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL, nil)
	if err != nil {
		return Reading{}, fmt.Errorf("read vitals: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return Reading{}, fmt.Errorf("read vitals: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return Reading{}, fmt.Errorf("read vitals: GET %s: %s", e.URL, answer.Status)
	}
	var r struct {
		CPUSeconds *float64 `json:"cpu_seconds"`
		Resident   *uint64  `json:"resident_bytes"`
		Reading
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxReading)).Decode(&r); err != nil {
		return Reading{}, fmt.Errorf("read vitals: GET %s: %w", e.URL, err)
	}
	if r.CPUSeconds == nil || r.Resident == nil {
		return Reading{}, fmt.Errorf("read vitals: GET %s: answer lacks cpu_seconds or resident_bytes", e.URL)
	}
	r.Reading.CPUSeconds, r.Reading.ResidentBytes = *r.CPUSeconds, *r.Resident
	return r.Reading, nil
}
