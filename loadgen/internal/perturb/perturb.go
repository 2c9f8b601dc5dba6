// Package perturb chooses the faults that a ledger is tested with: which
// delivery to which subscriber is dropped, doubled, swapped, corrupted, or
// joined by one that belongs to another room.
//
// It is arithmetic on a plan and a seed. Who commits the faults is package
// nulltarget, what becomes of them the ledger's to say.
package perturb

import (
	"fmt"
	"math/rand/v2"

	"fanbench/loadgen/internal/plan"
)

// A Kind is what befalls a delivery.
type Kind uint8

const (
	// Drop: it is not written.
	Drop Kind = iota
	// Double: it is written twice.
	Double
	// Swap: the publisher's next one is written before it.
	Swap
	// Corrupt: one byte of its payload is another.
	Corrupt
	// Misroute: one of another room's is written behind it.
	Misroute

	// Kinds is how many there are.
	Kinds
)

func (k Kind) String() string {
	return [Kinds]string{"drop", "double", "swap", "corrupt", "misroute"}[k]
}

// Counts has a number for each kind.
type Counts [Kinds]int

// A Fault befalls one delivery: that of a publisher's publication to one member
// of its room.
type Fault struct {
	Kind      Kind   `json:"kind"`
	Member    int    `json:"member"` // of the room, in the order of joining
	Publisher int    `json:"publisher"`
	Sequence  uint64 `json:"sequence"`
	Byte      int    `json:"byte,omitempty"` // of the payload that Corrupt changes
	Flip      byte   `json:"flip,omitempty"` // bits of it, never the highest: text stays text
}

// Choose draws k faults of each kind from the seed, over the deliveries of the
// plan's measured phase. No two are of one publication or its neighbour at one
// subscriber, so that none hides another. The warm-up is spared: after it every
// room has had a publication that can be misrouted. It fails if the plan is too
// small, or if publications may be misrouted and there is one room only.
func Choose(p *plan.Plan, k int, seed uint64) ([]Fault, error) {
	if k == 0 {
		return nil, nil
	}
	if p.Rooms() < 2 {
		return nil, fmt.Errorf("choose faults: %d room, and misrouting takes 2", p.Rooms())
	}
	sequences := measured(p)
	source := rand.New(rand.NewPCG(seed, 0x6661756c74)) // "fault": apart from the plan's own draws
	// place is a pair of neighbouring publications at one subscriber.
	type place struct{ publisher, member, pair int }
	taken := make(map[place]bool)
	faults := make([]Fault, 0, k*int(Kinds))
	places := 0
	for publisher, s := range sequences {
		places += s.count / 2 * p.RoomSubscribers(p.PublisherRoom(publisher))
	}
	if need := k * int(Kinds); places < 2*need { // else drawing takes ever longer
		return nil, fmt.Errorf("choose faults: %d of each kind need %d pairs of deliveries, the plan has %d", k, 2*need, places)
	}
	for len(faults) < cap(faults) {
		at := place{publisher: source.IntN(p.Publishers())}
		s := sequences[at.publisher]
		members := p.RoomSubscribers(p.PublisherRoom(at.publisher))
		if s.count < 2 || members == 0 {
			continue
		}
		at.member, at.pair = source.IntN(members), source.IntN(s.count/2)
		if taken[at] {
			continue
		}
		taken[at] = true
		faults = append(faults, Fault{
			Kind: Kind(len(faults) % int(Kinds)), Member: at.member, Publisher: at.publisher, Sequence: s.first + 2*uint64(at.pair),
			Byte: source.IntN(int(p.Scenario().Size)), Flip: byte(1 + source.IntN(0x7f)),
		})
	}
	return faults, nil
}

// span is a publisher's sequences of the measured phase.
type span struct {
	first uint64
	count int
}

func measured(p *plan.Plan) []span {
	spans := make([]span, p.Publishers())
	for k := range p.Publications(plan.Measure) {
		at := p.At(plan.Measure, k)
		s := &spans[at.Publisher]
		if s.count == 0 {
			s.first = at.Sequence
		}
		s.count++
	}
	return spans
}
