// Package plan expands a scenario and a seed to who connects, joins and
// publishes, and when.
//
// It is arithmetic: no clock, no socket, no randomness but the seed's. Two
// processes that are given the same scenario and seed hold the same plan, so a
// worker needs nothing but its number to know its part.
package plan

import (
	"fmt"
	"time"

	"fanbench/loadgen/scenario"
)

// A Phase is a stretch of the run in which publications fall due.
type Phase uint8

const (
	// WarmUp publishes without measuring.
	WarmUp Phase = iota
	// Measure publishes what is measured.
	Measure
)

func (ph Phase) String() string {
	return [...]string{"warm-up", "measure"}[ph]
}

// Publication is one entry of the timetable.
type Publication struct {
	Publisher int
	Room      int
	// Sequence counts the publisher's own publications from 0 without holes,
	// running on from warm-up into measure.
	Sequence uint64
	// Due is when the publication should leave, since the start of its phase.
	Due time.Duration
	// Size of the payload in bytes.
	Size int
}

// A Role is what a connection does.
type Role uint8

const (
	// Subscriber receives its room's publications.
	Subscriber Role = iota
	// Publisher publishes into its room.
	Publisher
	// Echoer publishes and receives its own publications back.
	Echoer
	// Holder stays open and silent.
	Holder
)

func (r Role) String() string {
	return [...]string{"subscriber", "publisher", "echoer", "holder"}[r]
}

// Connection is one connection of the plan.
type Connection struct {
	// ID is unique in the plan, from 0: the scenario's connections first, then
	// a fan-out's publishers.
	ID   int
	Role Role
	// Room that it subscribes to or publishes into; an echoer's is its own.
	Room int
	// Publisher is the number under which it publishes, -1 if it does not.
	Publisher int
	// Slow: it reads at the scenario's slow pace. Silent: it does not read at
	// all. Only subscribers are one of the two.
	Slow, Silent bool
}

// Plan is the expansion of one scenario. It does not change once it is made and
// may be shared.
type Plan struct {
	scenario   scenario.Scenario
	seed       uint64
	publishers int
	rooms      int
	arrivals   [2]arrivals // by phase
	sizes      sizes
	members    members
}

// New expands a scenario. An invalid one is returned as the error of its
// Validate.
func New(s scenario.Scenario, seed uint64) (*Plan, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("plan scenario %s: %w", s.Name, err)
	}
	p := &Plan{scenario: s, seed: seed, sizes: newSizes(s.Distribution())}
	switch s.Workload {
	case scenario.Fanout:
		p.publishers, p.rooms = s.Publishers, s.Rooms
		p.members = newMembers(s, seed)
	case scenario.Echo:
		p.publishers, p.rooms = s.Connections, s.Connections
	case scenario.Connect:
		return p, nil
	}
	for ph, d := range [...]time.Duration{WarmUp: s.Phases.WarmUp, Measure: s.Phases.Measure} {
		p.arrivals[ph] = newArrivals(s, Phase(ph), d, seed)
	}
	return p, nil
}

// Scenario is what the plan was made from.
func (p *Plan) Scenario() scenario.Scenario { return p.scenario }

// Seed is what everything random in the run derives from.
func (p *Plan) Seed() uint64 { return p.seed }

// Publications is the number of publications due in a phase: the rate times
// the phase's duration, rounded. A closed loop has no timetable: 0.
func (p *Plan) Publications(ph Phase) int { return p.arrivals[ph].count }

// At returns the k-th publication of a phase, k from 0. The publishers take
// turns; due times do not decrease with k. It takes constant time and does not
// allocate.
func (p *Plan) At(ph Phase, k int) Publication {
	overall := p.first(ph) + k
	publisher := overall % p.publishers
	sequence := uint64(overall / p.publishers)
	return Publication{
		Publisher: publisher,
		Room:      p.PublisherRoom(publisher),
		Sequence:  sequence,
		Due:       p.arrivals[ph].due(k),
		Size:      p.Size(publisher, sequence),
	}
}

// Index is the number k under which [Plan.At] has a publication of a phase.
func (p *Plan) Index(ph Phase, publisher int, sequence uint64) int {
	return int(sequence)*p.publishers + publisher - p.first(ph)
}

// first is the number, over both phases, of a phase's first publication.
func (p *Plan) first(ph Phase) int {
	if ph == Measure {
		return p.arrivals[WarmUp].count
	}
	return 0
}

// Publishers is the number of connections that publish: a fan-out's publishers,
// every connection of an echo, 0 where connections are only held.
func (p *Plan) Publishers() int { return p.publishers }

// Rooms is the number of rooms; every echoer has its own.
func (p *Plan) Rooms() int { return p.rooms }

// PublisherRoom is the room that a publisher publishes into.
func (p *Plan) PublisherRoom(publisher int) int { return publisher % p.rooms }

// RoomPublishers is how many publishers each room has; all have the same.
func (p *Plan) RoomPublishers(int) int { return p.publishers / p.rooms }

// Slot numbers the publishers of one room from 0:
// publisher = room + slot × rooms.
func (p *Plan) Slot(publisher int) int { return publisher / p.rooms }

// Connections is the number of connections over all workers, publishers of a
// fan-out included.
func (p *Plan) Connections() int {
	if p.scenario.Workload == scenario.Fanout {
		return p.scenario.Connections + p.publishers
	}
	return p.scenario.Connections
}

// Workers is the number of shares.
func (p *Plan) Workers() int { return p.scenario.Workers }

// turns is how many of the numbers 0 … n-1 fall to one of several that take
// turns.
func turns(n, one, several int) int {
	if n <= one {
		return 0
	}
	return (n-one-1)/several + 1
}
