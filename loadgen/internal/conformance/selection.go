package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Selection is a set of cases: ranges of their numbers. An empty one is all.
type Selection []span

type span struct{ first, last int } // both included

// ParseSelection reads numbers and ranges with commas between them, such as
// "1-16,301".
func ParseSelection(text string) (Selection, error) {
	var s Selection
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		first, err := strconv.Atoi(low)
		if err != nil || first < 1 {
			return nil, fmt.Errorf("%q is not a case; want numbers from 1 and ranges, such as 1-16,301", part)
		}
		last, err := strconv.Atoi(high)
		if err != nil || last < first {
			return nil, fmt.Errorf("%q is not a range of cases; want for example 1-16", part)
		}
		s = append(s, span{first, last})
	}
	return s, nil
}

// ErrSelection is a selection of cases that the server does not have.
var ErrSelection = errors.New("no such case")

// Of lists the selected of the cases 1 … total in their order, each once. The
// error is an [ErrSelection].
func (s Selection) Of(total int) ([]int, error) {
	if len(s) == 0 {
		s = Selection{{1, total}}
	}
	var cases []int
	for _, of := range s {
		if of.last > total {
			return nil, fmt.Errorf("select case %d: %w; the server's last is %d", of.last, ErrSelection, total)
		}
		for n := of.first; n <= of.last; n++ {
			cases = append(cases, n)
		}
	}
	slices.Sort(cases)
	return slices.Compact(cases), nil
}
