package latency

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Encoding names what [Encode] writes: HdrHistogram's V2 compressed form in
// base64, with nanoseconds as the values. Any HDR library reads it.
const Encoding = "HdrV2+zlib+base64"

// maxEncoded bounds what Decode looks at: a histogram of [Precise] with every
// step in use and every count at its largest stays below.
const maxEncoded = 1 << 20

// The first words of HdrHistogram's V2 form, as it stands and compressed.
const (
	cookie           = 0x1c849303 | 0x10
	compressedCookie = 0x1c849304 | 0x10
)

// zippers are out of use. A new one clears a megabyte, and a run encodes each
// second what it has recorded.
var zippers = sync.Pool{New: func() any {
	w, err := zlib.NewWriterLevel(nil, zlib.BestCompression)
	if err != nil {
		panic(err) // for unknown levels only
	}
	return w
}}

// Encode returns the counts and their range in [Encoding], byte for byte as the
// library does, at a fraction of its price. Overflow and negative are not part of
// that form: see MarshalJSON, which carries all.
func (h *Histogram) Encode() (string, error) {
	all := h.counts.Export()
	counts := appendCounts(nil, all.Counts)
	form := binary.BigEndian.AppendUint32(make([]byte, 0, 40+len(counts)), cookie)
	form = binary.BigEndian.AppendUint32(form, uint32(len(counts)))
	form = binary.BigEndian.AppendUint32(form, 0) // offset of the first count
	form = binary.BigEndian.AppendUint32(form, uint32(all.SignificantFigures))
	form = binary.BigEndian.AppendUint64(form, uint64(all.LowestTrackableValue))
	form = binary.BigEndian.AppendUint64(form, uint64(all.HighestTrackableValue))
	form = binary.BigEndian.AppendUint64(form, math.Float64bits(1)) // of integers to doubles
	form = append(form, counts...)

	var b bytes.Buffer
	b.Write(make([]byte, 8)) // filled in below
	zip := zippers.Get().(*zlib.Writer)
	defer zippers.Put(zip)
	zip.Reset(&b)
	if _, err := zip.Write(form); err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	if err := zip.Close(); err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	head := b.Bytes()
	binary.BigEndian.PutUint32(head, compressedCookie)
	binary.BigEndian.PutUint32(head[4:], uint32(b.Len()-8))
	return base64.StdEncoding.EncodeToString(head), nil
}

// appendCounts appends counts up to the last that is not zero, and the first in
// any case: each as a zigzag varint, several zeros as their number below zero.
func appendCounts(dst []byte, counts []int64) []byte {
	end := len(counts)
	for end > 1 && counts[end-1] == 0 {
		end--
	}
	for i := 0; i < end; {
		zeros := i
		for zeros < end && counts[zeros] == 0 {
			zeros++
		}
		if zeros-i > 1 {
			dst = binary.AppendVarint(dst, -int64(zeros-i))
			i = zeros
			continue
		}
		dst = binary.AppendVarint(dst, counts[i])
		i++
	}
	return dst
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
