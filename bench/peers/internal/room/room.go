// Package room keeps who is in which room, for the servers whose connections
// have goroutines of their own. It delivers nothing.
package room

import "sync"

// Hall is a set of rooms with connections of type C. The zero value is empty.
type Hall[C any] struct {
	mu    sync.Mutex
	rooms map[string]*room[C]
}

type room[C any] struct {
	mu      sync.RWMutex
	members []*Member[C]
}

// Member is a connection's place in a room.
type Member[C any] struct {
	conn  C
	self  bool // hears its own publications
	room  *room[C]
	index int // in room.members
}

// Join adds a connection to a room, which exists from its first member on.
func (h *Hall[C]) Join(name string, self bool, conn C) *Member[C] {
	h.mu.Lock()
	r := h.rooms[name]
	if r == nil {
		if h.rooms == nil {
			h.rooms = make(map[string]*room[C])
		}
		r = &room[C]{}
		h.rooms[name] = r
	}
	h.mu.Unlock()

	r.mu.Lock()
	defer r.mu.Unlock()
	m := &Member[C]{conn: conn, self: self, room: r, index: len(r.members)}
	r.members = append(r.members, m)
	return m
}

// Leave removes the member from its room, once.
func (m *Member[C]) Leave() {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.members) - 1
	moved := r.members[last]
	r.members[m.index], moved.index = moved, m.index
	r.members[last] = nil
	r.members = r.members[:last]
}

// Each calls deliver for everybody whom a publication of this member is for.
// Members come and go after it, so deliver must not wait for a peer.
func (m *Member[C]) Each(deliver func(C)) {
	m.room.mu.RLock()
	defer m.room.mu.RUnlock()
	for _, other := range m.room.members {
		if other != m || m.self {
			deliver(other.conn)
		}
	}
}
