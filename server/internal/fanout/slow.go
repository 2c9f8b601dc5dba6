package fanout

import (
	"fmt"
	"math"
	"sync/atomic"
)

// A Policy says what becomes of a lagging member that is further behind than the limits allow.
type Policy uint8

const (
	// Close has it reported, once, to be closed: no gap ever opens within a living connection.
	Close Policy = iota
	// DropOldest moves its cursor on to the first frame within the limits.
	DropOldest
	// DropNewest lets it have what it was behind, and nothing newer until it has caught up. Then it goes on at the log's head.
	DropNewest
)

var policies = [...]string{Close: "close", DropOldest: "drop-oldest", DropNewest: "drop-newest"}

func (p Policy) String() string { return policies[p] }

// ParsePolicy is the inverse of [Policy.String].
func ParsePolicy(name string) (Policy, error) {
	for p, known := range policies {
		if name == known {
			return Policy(p), nil
		}
	}
	return Close, fmt.Errorf("read policy %q: want one of %q", name, policies)
}

// Limits are how far a member may be behind, and what happens then. Age has no clock here: see [Hub.Tick].
type Limits struct {
	Policy  Policy
	Backlog int64 // bytes, at least 1
}

// Ages is how many calls of [Hub.Tick] make the largest age.
const Ages = 8

// quiet says when a log's chunk is too large for it: at more than so many times what the log got within the largest age.
const quiet = 8

// age is what a log knows of its frames' ages: where its head was at the last ticks.
type age struct {
	heads [Ages]int64 // a ring, of which only Tick knows the place
	// expired is the position before which every byte is older than the largest age.
	expired atomic.Int64
}

// Tick lets time pass: what was published before the last [Ages] calls is too old for anybody to be behind at. A hub that is never
// told has no largest age. One goroutine may call it; members hear of it by a pass over their room, or by [Loop.Review]. A room that has
// gone quiet gives up the large chunk of its livelier time.
func (h *Hub) Tick() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	slot := h.ticks % Ages
	h.ticks++
	for _, r := range h.rooms {
		r.mu.Lock()
		for _, s := range r.streams {
			then, now := s.log.heads[slot], s.log.head.Load()
			s.log.expired.Store(then)
			s.log.heads[slot] = now
			if int64(len(s.log.tail.data)) > max(minChunk, quiet*(now-then)) {
				s.shrink()
			}
		}
		r.mu.Unlock()
	}
}

// Review applies the policy to m, should it lag: its room may be so quiet that no pass comes by. It is legal for a member of nothing.
func (l *Loop) Review(m *Member) Report {
	l.begin()
	if m.In() && m.flags&lagging != 0 {
		l.judge(m)
	}
	return l.end()
}

// judge applies the policy to a lagging member.
func (l *Loop) judge(m *Member) {
	if m.flags&reported != 0 {
		return
	}
	switch l.hub.limits.Policy {
	case DropOldest:
		l.dropOldest(m)
	case DropNewest:
		l.dropNewest(m)
	default:
		if m.over(l.hub.limits.Backlog) {
			m.flags |= reported
			l.report.Slow = append(l.report.Slow, m)
		}
	}
}

// over says whether m is further behind than it may be, by bytes or by age.
func (m *Member) over(backlog int64) bool {
	return m.Backlog() > backlog || m.position() < m.shard.stream.log.expired.Load()
}

// A detour is what follows, for one member, a chunk of its own: the member goes on at a later place in the log. The chunk shares
// its bytes with the log's, but not its successor: a cursor that stands still in a chunk of the log would keep in memory all that
// was published since.
type detour struct {
	to place // nowhere: wherever the log's head is then

	// Of a member that gets nothing new.
	end     int64  // position in the log of the first byte that it does not get
	counted uint64 // frames of the log before this one have been counted as dropped, or are not
	own     uint64 // frames since then that it would not have got, as they are its own
}

// place is where a cursor may stand.
type place struct {
	chunk *chunk
	off   uint32
}

func (p place) position() int64 { return p.chunk.base + int64(p.off) }

// detached is a member's own chunk of the first frames of c.
func (c *chunk) detached(frames int, then *detour) *chunk {
	d := &chunk{base: c.base, first: c.first, data: c.data, then: then}
	d.commit.Store(uint64(frames)<<32 | uint64(c.start(frames)))
	return d
}

// boundary is the end of the frame in which m's cursor stands, or the cursor if that stands between two.
func (m *Member) boundary() place {
	if d := m.chunk.then; d != nil && d.to.chunk != nil {
		return d.to
	}
	return place{m.chunk, m.off + uint32(len(m.Cut()))}
}

// dropOldest moves m past what is beyond the limits, but for the rest of a frame that is cut.
func (l *Loop) dropOldest(m *Member) {
	log := &m.shard.stream.log
	least := max(log.head.Load()-l.hub.limits.Backlog, log.expired.Load())
	from := m.boundary()
	if from.position() >= least {
		return
	}
	to, i, dropped := from, from.chunk.frameAt(from.off), uint64(0)
	for to.position() < least { // which is at most the head: there is a next frame, here or in the next chunk
		if n, _ := to.chunk.committed(); i == n {
			to, i = place{to.chunk.next.Load(), 0}, 0
			continue
		}
		if m.flags&skipOwn == 0 || to.chunk.sender(i) != m.id {
			dropped++
		}
		i++
		to.off = to.chunk.start(i)
	}
	l.dropped.Add(dropped)
	if m.chunk.then == nil && m.off == from.off {
		m.chunk, m.off = to.chunk, to.off
		return
	}
	if m.chunk.then == nil {
		m.chunk = m.chunk.detached(m.chunk.frameAt(m.off)+1, new(detour))
	}
	// Its last byte stands before the new place, so that positions say how far m is behind.
	m.chunk.then.to = to
	_, end := m.chunk.committed()
	m.chunk.base = to.position() - int64(end)
}

// dropNewest ends what m gets at the last frame within the limits, or counts what it has not got since that was done.
func (l *Loop) dropNewest(m *Member) {
	log := &m.shard.stream.log
	if d := m.chunk.then; d != nil {
		l.countDropped(d, log)
		return
	}
	if !m.over(l.hub.limits.Backlog) {
		return
	}
	d := new(detour)
	limit := max(m.position()+l.hub.limits.Backlog, m.boundary().position())
	c := m.chunk
	var own *chunk // the last of m's own chunks
	for {
		next := c.next.Load() // before the commit mark: once there is a next chunk, the mark is final
		n, _ := c.committed()
		fit := c.frameAt(uint32(min(limit-c.base, math.MaxUint32)))
		copied := c.detached(fit, d)
		if own == nil {
			m.chunk = copied
		} else {
			own.next.Store(copied)
		}
		own = copied
		if fit < n || next == nil || next.base >= limit {
			break
		}
		c = next
	}
	n, end := own.committed()
	d.end, d.counted = own.base+int64(end), own.first+uint64(n)
	if m.flags&skipOwn != 0 && m.own > d.end {
		d.own = m.ownFrames(place{c, end})
	}
	l.countDropped(d, log)
}

// ownFrames is the number of frames from p on that m published. Nobody adds to them meanwhile.
func (m *Member) ownFrames(p place) (own uint64) {
	i := p.chunk.frameAt(p.off)
	for c := p.chunk; c != nil; c, i = c.next.Load(), 0 {
		n, _ := c.committed()
		for ; i < n; i++ {
			if c.sender(i) == m.id {
				own++
			}
		}
	}
	return own
}

// countDropped counts what d has had its member lose since it was last counted.
func (l *Loop) countDropped(d *detour, log *log) {
	now := log.frames.Load()
	l.dropped.Add(now - d.counted - d.own)
	d.counted, d.own = now, 0
}

// rejoin ends the detour of a member whose own chunks are sent.
func (m *Member) rejoin(d *detour) {
	if d.to.chunk != nil {
		m.chunk, m.off = d.to.chunk, d.to.off
		return
	}
	s := m.shard.stream
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	m.shard.loop.countDropped(d, &s.log)
	m.chunk = s.log.tail
	_, m.off = m.chunk.committed()
}
