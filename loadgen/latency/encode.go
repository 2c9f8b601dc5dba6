package latency

import (
	"encoding/json"
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Encoding names what [Encode] writes: HdrHistogram's V2 compressed form in
// base64, with nanoseconds as the values. Any HDR library reads it.
const Encoding = "HdrV2+zlib+base64"

// maxEncoded bounds what Decode looks at: a histogram of [Precise] with every
// step in use and every count at its largest stays below.
const maxEncoded = 1 << 20

// Encode returns the counts and their range in [Encoding]. Overflow and
// negative are not part of that form: see MarshalJSON, which carries all.
func (h *Histogram) Encode() (string, error) {
	b, err := h.counts.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	return string(b), nil
}

// Decode reads what [Histogram.Encode] wrote. Data longer than 1 MiB and
// another range than [Lowest] to [Highest] are refused.
func Decode(data string, overflow, negative int64) (*Histogram, error) {
	if len(data) > maxEncoded {
		return nil, fmt.Errorf("decode histogram: %d bytes, want at most %d", len(data), maxEncoded)
	}
	counts, err := hdr.Decode([]byte(data))
	if err != nil {
		return nil, fmt.Errorf("decode histogram: %w", err)
	}
	lowest, highest := time.Duration(counts.LowestTrackableValue()), time.Duration(counts.HighestTrackableValue())
	if digits := counts.SignificantFigures(); lowest != Lowest || highest != Highest || digits < 1 {
		return nil, fmt.Errorf("decode histogram: range %v to %v with %d digits, want %v to %v", lowest, highest, digits, Lowest, Highest)
	}
	if overflow < 0 || negative < 0 || overflow > counts.TotalCount() || negative > counts.TotalCount()-overflow {
		return nil, fmt.Errorf("decode histogram: overflow %d and negative %d of %d records", overflow, negative, counts.TotalCount())
	}
	return &Histogram{counts: counts, overflow: overflow, negative: negative}, nil
}

// wire is how a histogram travels between processes.
type wire struct {
	Overflow int64  `json:"overflow,omitempty"`
	Negative int64  `json:"negative,omitempty"`
	Data     string `json:"data"`
}

// MarshalJSON writes the histogram exactly, overflow and negative included.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	data, err := h.Encode()
	if err != nil {
		return nil, err
	}
	return json.Marshal(wire{h.overflow, h.negative, data})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	decoded, err := Decode(w.Data, w.Overflow, w.Negative)
	if err != nil {
		return err
	}
	*h = *decoded
	return nil
}
