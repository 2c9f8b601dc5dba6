package plan

import (
	"sort"
	"time"
)

// DueBefore is how many of a publisher's publications have fallen due, over
// both phases, before an instant since a phase's start: the sequence of its
// first one that is due then or later. It takes logarithmic time.
func (p *Plan) DueBefore(ph Phase, publisher int, since time.Duration) (sequence uint64) {
	k := sort.Search(p.Publications(ph), func(k int) bool { return p.At(ph, k).Due >= since })
	return uint64(turns(p.first(ph)+k, publisher, p.publishers))
}
