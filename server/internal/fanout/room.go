package fanout

import (
	"sync"
	"sync/atomic"
)

// A Hub holds the rooms of one process. The first join creates a room and the last leave removes it, with its log.
type Hub struct {
	maxBacklog int64

	mu    sync.RWMutex // before any room's lock
	rooms map[string]*room

	publications atomic.Uint64
}

// NewHub returns a hub without rooms, whose members may lag by maxBacklog bytes (at least 1).
func NewHub(maxBacklog int64) *Hub {
	return &Hub{maxBacklog: max(1, maxBacklog), rooms: map[string]*room{}}
}

// Rooms is the number of rooms with members.
func (h *Hub) Rooms() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.rooms)
}

// Publications is the number of frames published to rooms that had members.
func (h *Hub) Publications() uint64 { return h.publications.Load() }

// Publish appends a frame to the named room as nobody's own, header first. It copies both. Any goroutine may call it; a room
// without members costs one look-up.
func (h *Hub) Publish(name string, header, payload []byte) {
	h.mu.RLock()
	r := h.rooms[name]
	h.mu.RUnlock()
	if r != nil {
		r.publish(0, header, payload)
	}
}

// Join makes m a member of the named room, on loop l and called from it. m gets every frame published from now on, its own only
// if own is true.
func (h *Hub) Join(l *Loop, m *Member, name string, own bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[name]
	if r == nil {
		r = &room{name: name, hub: h}
		h.rooms[name] = r
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members++
	r.lastID++
	m.shard, m.id, m.own = r.shardOf(l), r.lastID, 0
	m.flags &= lagging
	if !own {
		m.flags |= skipOwn
	}
	if r.log.tail == nil {
		r.log.tail = newChunk(0, minChunk)
	}
	_, m.off = r.log.tail.committed()
	m.chunk = r.log.tail
	m.shard.add(m)
}

// Leave ends the membership; m may join another room. It does nothing for a member of nothing.
func (h *Hub) Leave(m *Member) {
	if m.shard == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := m.shard.room
	r.mu.Lock()
	defer r.mu.Unlock()
	m.shard.remove(m)
	m.shard, m.chunk = nil, nil
	m.flags &= lagging // the connection's buffer is as full as before
	if r.members--; r.members == 0 {
		delete(h.rooms, r.name)
	}
}

// room is a named log and its members, by loop.
type room struct {
	name string
	hub  *Hub

	mu      sync.Mutex
	log     log
	shards  []*shard // one per loop that ever had a member here
	members int
	lastID  uint32 // wraps after 4 billion joins of one room: an id is unique among the living in any practical room
}

// publish appends one frame and has every loop with members here told. It returns the position after the frame.
func (r *room) publish(sender uint32, header, payload []byte) int64 {
	r.hub.publications.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.append(sender, header, payload)
	asked := false
	for _, s := range r.shards {
		if s.size > 0 && s.dirty.CompareAndSwap(false, true) {
			s.loop.mark(s)
			asked = true
		}
	}
	if asked {
		r.log.passes++
	}
	return r.log.head.Load()
}

func (r *room) shardOf(l *Loop) *shard {
	for _, s := range r.shards {
		if s.loop == l {
			return s
		}
	}
	s := &shard{room: r, loop: l}
	r.shards = append(r.shards, s)
	return s
}

// shard is one room's members on one loop, which owns all but dirty and size.
type shard struct {
	room    *room
	loop    *Loop
	dirty   atomic.Bool // a pass has been asked for and has not begun
	size    int         // len(members), under the room's lock
	members []*Member
	next    int // the member at which an interrupted pass goes on; 0 if none is under way
}

func (s *shard) add(m *Member) {
	m.slot = int32(len(s.members))
	s.members = append(s.members, m)
	s.size++
}

// remove takes m out by moving others into the gap, so that no member changes sides between visited and not yet visited by a pass
// that was interrupted: a skipped one would wait for the next publication.
func (s *shard) remove(m *Member) {
	gap, last := int(m.slot), len(s.members)-1
	if gap < s.next {
		s.next--
		s.move(s.next, gap)
		gap = s.next
	}
	if gap != last { // or members[last] is the one just moved away
		s.move(last, gap)
	}
	s.members[last] = nil
	s.members = s.members[:last]
	s.size--
}

func (s *shard) move(from, to int) {
	s.members[to] = s.members[from]
	s.members[to].slot = int32(to)
}
