package scenario

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Arrivals says how due times fall into a phase.
type Arrivals string

const (
	// Constant: one due time each 1 ÷ rate.
	Constant Arrivals = "constant"
	// Poisson: due times at random from the seed, at the same mean rate, with
	// exponential gaps. A phase has as many publications as with Constant.
	Poisson Arrivals = "poisson"
)

// MaxPublications is the most publications that the measured phase of a fan-out
// may have, and any phase with [Poisson] arrivals. In a fan-out each has a record
// of 32 bytes in every loop of every worker, 512 MiB at most; the due times of
// Poisson arrivals stand in a table of 8 bytes each.
const MaxPublications = 1 << 24

// MaxSizes is the most sizes that publications may be drawn from.
const MaxSizes = 16

// MaxWeight is the greatest weight of a size.
const MaxWeight = 1_000_000

// WeightedSize is one size of a distribution, written "1KiB:25". A publication
// has it with the probability of its weight over the sum of all weights. In
// JSON it is an object.
type WeightedSize struct {
	Size   Size `json:"size_bytes"`
	Weight int  `json:"weight"` // 1 to [MaxWeight]
}

const weightedForms = `want a size and its weight: "1KiB:25"`

// UnmarshalText reads "1KiB:25".
func (w *WeightedSize) UnmarshalText(text []byte) error {
	size, weight, both := strings.Cut(string(text), ":")
	if !both {
		return fmt.Errorf("%q has no weight; %s", text, weightedForms)
	}
	n, err := strconv.Atoi(strings.TrimSpace(weight))
	if err != nil {
		return fmt.Errorf("%q is not a whole number; %s", weight, weightedForms)
	}
	w.Weight = n
	return w.Size.UnmarshalText([]byte(size))
}

func (w WeightedSize) String() string { return fmt.Sprintf("%v:%d", w.Size, w.Weight) }

// UnmarshalJSON reads an object. Without it the text form would take its place.
func (w *WeightedSize) UnmarshalJSON(b []byte) error {
	type object WeightedSize
	return json.Unmarshal(b, (*object)(w))
}

// Distribution is the sizes that publications have: Sizes, or Size alone; none
// where nothing is published.
func (s Scenario) Distribution() []WeightedSize {
	if len(s.Sizes) > 0 || s.Size == 0 {
		return s.Sizes
	}
	return []WeightedSize{{Size: s.Size, Weight: 1}}
}

// LargestSize of a publication's payload in bytes; 0 where nothing is published.
func (s Scenario) LargestSize() Size {
	largest := s.Size
	for _, w := range s.Sizes {
		largest = max(largest, w.Size)
	}
	return largest
}
