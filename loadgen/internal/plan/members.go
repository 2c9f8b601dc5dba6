package plan

import (
	"cmp"
	"math"
	"slices"
	"time"

	"fanbench/loadgen/scenario"
)

// members is who is in which room, and which of them are not like the others.
type members struct {
	// room of each subscriber and subscribers of each room; nil if subscribers
	// fall to rooms in turn.
	room        []int32
	subscribers []int32
	// throttled says what each subscriber is and readers how many of each
	// room's are neither slow nor silent; nil if all are.
	throttled []throttling
	readers   []int32
	// leavers in their order, again and again; nil if none leave.
	leavers []int32
}

type throttling uint8

const (
	reading throttling = iota
	slow
	silent
)

func newMembers(s scenario.Scenario, seed uint64) members {
	var m members
	if exponent := s.Membership.Exponent(); exponent > 0 {
		m.subscribers = zipf(s.Connections, s.Rooms, exponent)
		for room, n := range m.subscribers {
			m.room = append(m.room, slices.Repeat([]int32{int32(room)}, int(n))...)
		}
		shuffle(m.room, seed, forRooms)
	}
	if n, k := s.SlowSubscribers(), s.SilentSubscribers(); n+k > 0 {
		m.throttled = throttle(s.Connections, n, k, seed)
		m.readers = make([]int32, s.Rooms)
		for id, t := range m.throttled {
			if t == reading {
				m.readers[m.roomOf(id, s.Rooms)]++
			}
		}
	}
	if s.Churn.Rate > 0 {
		for id := range s.Connections {
			if m.throttling(id) == reading {
				m.leavers = append(m.leavers, int32(id))
			}
		}
		shuffle(m.leavers, seed, forChurn)
	}
	return m
}

func (m *members) roomOf(id, rooms int) int {
	if m.room == nil {
		return id % rooms
	}
	return int(m.room[id])
}

func (m *members) throttling(id int) throttling {
	if m.throttled == nil {
		return reading
	}
	return m.throttled[id]
}

// zipf apportions n subscribers to at most as many rooms in proportion to
// 1 ÷ (r+1)^s. Every room has at least one; the others have their share rounded
// down, and what is left goes to the greatest remainders (Hamilton's method).
func zipf(n, rooms int, s float64) []int32 {
	weights, sum := make([]float64, rooms), 0.0
	for r := range weights {
		weights[r] = math.Pow(float64(r+1), -s)
		sum += weights[r]
	}
	counts := slices.Repeat([]int32{1}, rooms)
	// Rooms whose share is less than one are the last ones.
	several, left := rooms, n
	for several > 1 && float64(left)*weights[several-1] < sum {
		several--
		left--
		sum -= weights[several]
	}
	type remainder struct {
		room int
		part float64
	}
	remainders := make([]remainder, several)
	given := 0
	for r := range several {
		share := float64(left) * weights[r] / sum
		counts[r] = int32(share) // 1 or more
		given += int(counts[r])
		remainders[r] = remainder{r, share - math.Floor(share)}
	}
	slices.SortStableFunc(remainders, func(a, b remainder) int { return cmp.Compare(b.part, a.part) })
	for i := range left - given {
		counts[remainders[i%several].room]++
	}
	return counts
}

// throttle chooses so many slow and so many silent of n subscribers, every
// choice as likely as any other.
func throttle(n, slows, silents int, seed uint64) []throttling {
	chosen := make([]throttling, n)
	for id := range chosen {
		switch drawn := int(below(draw(seed, forThrottled, uint64(id), 0), uint64(n-id))); {
		case drawn < slows:
			chosen[id] = slow
			slows--
		case drawn < slows+silents:
			chosen[id] = silent
			silents--
		}
	}
	return chosen
}

// RoomSubscribers is how many connections a room's publications are sent to,
// slow and silent ones included.
func (p *Plan) RoomSubscribers(room int) int {
	if p.members.subscribers != nil {
		return int(p.members.subscribers[room])
	}
	return turns(p.scenario.Connections, room, p.rooms)
}

// RoomReaders is how many of a room's subscribers are neither slow nor silent:
// those whose deliveries are expected.
func (p *Plan) RoomReaders(room int) int {
	if p.members.readers != nil {
		return int(p.members.readers[room])
	}
	return p.RoomSubscribers(room)
}

// Churns is how many subscribers leave and come back in the measured phase.
func (p *Plan) Churns() int { return p.scenario.Churns() }

// Churn returns the k-th of those, k from 0: the ID of its connection, and when
// it leaves and comes back, since the start of the measured phase. leave does
// not decrease with k, and back is within the phase. All that are neither slow
// nor silent take turns, in an order drawn from the seed.
func (p *Plan) Churn(k int) (connection int, leave, back time.Duration) {
	leavers := p.members.leavers
	leave = time.Duration((float64(k) + 0.5) * float64(time.Second) / float64(p.scenario.Churn.Rate))
	return int(leavers[k%len(leavers)]), leave, leave + scenario.ChurnAway
}
