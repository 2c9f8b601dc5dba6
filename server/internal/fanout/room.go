package fanout

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A Hub holds the rooms of one process. The first join creates a room and the last leave removes it, with its logs.
type Hub struct {
	limits  Limits
	encoder Encoder
	ticks   int

	mu    sync.RWMutex // before any room's lock
	rooms map[string]*room

	publications, encodings atomic.Uint64
}

// NewHub returns a hub without rooms, whose members may lag within the limits. The encoder may be nil where every member takes the plain
// variant.
func NewHub(limits Limits, encoder Encoder) *Hub {
	limits.Backlog = max(1, limits.Backlog)
	return &Hub{limits: limits, encoder: encoder, rooms: map[string]*room{}}
}

// Rooms is the number of rooms with members.
func (h *Hub) Rooms() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.rooms)
}

// Publications is the number of frames published to rooms that had members.
func (h *Hub) Publications() uint64 { return h.publications.Load() }

// Encodings is the number of calls of the encoder.
func (h *Hub) Encodings() uint64 { return h.encodings.Load() }

// Publish appends a frame to the named room as nobody's own, header first. It copies both. Any goroutine may call it; a room
// without members costs one look-up.
func (h *Hub) Publish(name string, header, payload []byte) {
	h.mu.RLock()
	r := h.rooms[name]
	h.mu.RUnlock()
	if r != nil {
		r.publish(nil, header, payload)
	}
}

// Join makes m a member of the named room, on loop l and called from it. m gets every frame published from now on in variant v, its
// own only if own is true.
func (h *Hub) Join(l *Loop, m *Member, name string, v Variant, own bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[name]
	if r == nil {
		r = &room{name: name, hub: h}
		h.rooms[name] = r
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastID++
	m.shard, m.id, m.own = r.stream(v).shardOf(l), r.lastID, 0
	m.flags &= lagging
	if !own {
		m.flags |= skipOwn
	}
	m.chunk = m.shard.stream.log.tail
	_, m.off = m.chunk.committed()
	m.shard.add(m)
}

// Leave ends the membership; m may join another room. It does nothing for a member of nothing. Who writes [Member.Cut] all the same says
// so by [Loop.Wrote].
func (h *Hub) Leave(m *Member) {
	if m.shard == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := m.shard.stream
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := m.chunk.then; d != nil && d.to.chunk == nil {
		m.shard.loop.countDropped(d, &s.log)
	}
	m.shard.remove(m)
	m.off = uint32(len(m.Cut()))
	m.shard, m.chunk = nil, nil
	m.flags &= lagging // the connection's buffer is as full as before
	if s.members == 0 {
		r.drop(s)
	}
	if len(r.streams) == 0 {
		delete(h.rooms, r.name)
	}
}

// room is a name and what its members are sent.
type room struct {
	name  string
	hub   *Hub
	inUse atomic.Uint32 // a bit for each variant with a stream; set under the lock

	mu      sync.Mutex
	streams []*stream
	lastID  uint32 // wraps after 4 billion joins of one room: an id is unique among the living in any practical room
}

// publish appends one frame, in every variant in use, and has every loop with members here told. from is the member whose own it
// is, or nil.
func (r *room) publish(from *Member, header, payload []byte) {
	r.hub.publications.Add(1)
	// Before the lock: encoding may take long, and others publish meanwhile.
	encoded := r.encode(header, payload)
	defer func() { encoded.release() }()
	var sender uint32
	if from != nil {
		sender = from.id
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		if s.variant == Plain {
			s.append(from, sender, header, payload)
		} else {
			if encoded == nil { // its first member joined since
				encoded = newFrames()
			}
			s.append(from, sender, nil, encoded.in(r.hub, s.variant, header, payload))
		}
		if from != nil && from.shard.stream == s {
			from.own = s.log.head.Load()
		}
	}
}

// encode makes the frames of the variants in use; nil if that is only the plain one.
func (r *room) encode(header, payload []byte) *frames {
	used := r.inUse.Load()
	if used&^(1<<Plain) == 0 {
		return nil
	}
	f := newFrames()
	for v := Plain + 1; v < Variants; v++ {
		if used&(1<<v) != 0 {
			f.in(r.hub, v, header, payload)
		}
	}
	return f
}

// stream is the room's publications in variant v.
func (r *room) stream(v Variant) *stream {
	for _, s := range r.streams {
		if s.variant == v {
			return s
		}
	}
	s := &stream{room: r, variant: v, log: log{tail: newChunk(0, 0, minChunk)}}
	r.streams = append(r.streams, s)
	r.inUse.Or(1 << v)
	return s
}

// drop forgets a stream without members, so that nothing is encoded for it any more.
func (r *room) drop(s *stream) {
	i := slices.Index(r.streams, s)
	r.streams = slices.Delete(r.streams, i, i+1)
	r.inUse.And(^uint32(1 << s.variant))
}

// stream is a room's publications in one variant: their log, and the members that read it, by loop. The room's lock guards it.
type stream struct {
	room    *room
	variant Variant
	log     log
	shards  []*shard // one per loop that ever had a member here
	members int
}

// append adds one frame and asks for a pass on every loop with members here.
func (s *stream) append(from *Member, sender uint32, header, payload []byte) {
	s.log.append(sender, header, payload)
	var by *Loop
	if from != nil {
		by = from.shard.loop
	}
	if s.mark(by) {
		s.log.passes++
	}
}

// shrink frees the large last chunk of a log: a pass moves the members on to a small one.
func (s *stream) shrink() {
	s.log.extend(minChunk)
	s.mark(nil)
}

// mark asks for a pass on every loop with members here, and says whether any of them had not been asked.
func (s *stream) mark(by *Loop) (asked bool) {
	for _, sh := range s.shards {
		if sh.size > 0 && sh.dirty.CompareAndSwap(false, true) {
			sh.loop.mark(sh, by)
			asked = true
		}
	}
	return asked
}

func (s *stream) shardOf(l *Loop) *shard {
	for _, sh := range s.shards {
		if sh.loop == l {
			return sh
		}
	}
	sh := &shard{stream: s, loop: l}
	s.shards = append(s.shards, sh)
	return sh
}

// shard is one stream's members on one loop, which owns all but dirty and size.
type shard struct {
	stream  *stream
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
	s.stream.members++
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
	s.stream.members--
}

func (s *shard) move(from, to int) {
	s.members[to] = s.members[from]
	s.members[to].slot = int32(to)
}
