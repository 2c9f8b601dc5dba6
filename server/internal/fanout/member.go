package fanout

const (
	lagging  = 1 << iota // its last write fell short, or the owner holds it: passes leave it alone
	skipOwn              // its own publications are left out
	reported             // it was reported slow or dead and waits for Leave
)

// A Member is one connection's place in one room: a cursor into the room's log. The zero value is a member of nothing; embed it
// by value in the connection. All methods belong to the member's loop.
type Member struct {
	// Owner is whatever the sink needs to know the connection by. Set it before Join.
	Owner any

	shard *shard
	chunk *chunk // the cursor: everything before chunk.data[off] has been sent or skipped
	own   int64  // position in the log after the member's last own publication
	off   uint32 // of a member of nothing: what was left of [Member.Cut] when it left
	slot  int32  // index in shard.members
	id    uint32
	flags uint8
}

// In says whether m is a member of a room.
func (m *Member) In() bool { return m.shard != nil }

// Room is the room's name; "" outside of one.
func (m *Member) Room() string {
	if m.shard == nil {
		return ""
	}
	return m.shard.stream.room.name
}

// Publish appends a frame to m's room as m's own, header first. It copies both and does not write to anybody.
func (m *Member) Publish(header, payload []byte) {
	m.shard.stream.room.publish(m, header, payload)
	if d := m.chunk.then; d != nil && m.flags&skipOwn != 0 {
		d.own++
	}
}

// Backlog is the bytes between the cursor and the head of the log, own publications included; under [DropNewest] those of them that
// m will get.
func (m *Member) Backlog() int64 {
	if d := m.chunk.then; d != nil && d.to.chunk == nil {
		return d.end - m.position()
	}
	return m.shard.stream.log.head.Load() - m.position()
}

// Lagging says whether passes leave m alone until [Loop.Resume].
func (m *Member) Lagging() bool { return m.flags&lagging != 0 }

// Hold makes passes leave m alone until [Loop.Resume]: its owner has other bytes to write first.
func (m *Member) Hold() { m.flags |= lagging }

// Cut is the rest of the frame that a short write cut, nil if the cursor stands between two frames. Whoever wants to write
// anything else to the connection must write Cut first, and say so by [Member.Took].
func (m *Member) Cut() []byte {
	if m.chunk == nil {
		return nil
	}
	n, _ := m.chunk.committed()
	i := m.chunk.frameAt(m.off)
	if i == n || m.chunk.start(i) == m.off {
		return nil
	}
	return m.chunk.data[m.off:m.chunk.end(i)]
}

// Took moves the cursor over n bytes of Cut that were written, and counts them.
func (m *Member) Took(n int) {
	from, l := m.off, m.shard.loop
	m.off += uint32(n)
	l.deliveries.Add(uint64(m.chunk.frameAt(m.off) - m.chunk.frameAt(from)))
	l.bytes.Add(uint64(n))
}

func (m *Member) position() int64 { return m.chunk.base + int64(m.off) }

// behind is what m is to be sent next: contiguous, within one chunk, without publications that m leaves out; nil if m has caught
// up. It moves the cursor over ends of chunks and over what is left out.
func (m *Member) behind() []byte {
	for {
		c := m.chunk
		// Before the commit mark: once there is a next chunk, the mark is final.
		next := c.next.Load()
		n, end := c.committed()
		if m.off < end {
			if m.flags&skipOwn == 0 || m.own <= m.position() {
				return c.data[m.off:end]
			}
			if b := m.withoutOwn(c, n); b != nil {
				return b
			}
			continue
		}
		switch {
		case next != nil:
			m.chunk, m.off = next, 0
		case c.then != nil:
			m.rejoin(c.then)
		default:
			return nil
		}
	}
}

// withoutOwn is the longest run at the cursor of the chunk's n frames that others published; nil after moving over own frames up
// to the chunk's end. A cut frame is never an own one: none of those was begun.
func (m *Member) withoutOwn(c *chunk, n int) []byte {
	i := c.frameAt(m.off)
	for i < n && c.sender(i) == m.id {
		m.off = c.end(i)
		i++
	}
	j := i
	for j < n && c.sender(j) != m.id {
		j++
	}
	if j == i {
		return nil
	}
	return c.data[m.off:c.end(j-1)]
}

// unfinished says, after a write that took all it was offered, whether that offer ended before the head of the log as it was:
// at the end of a chunk, at an own publication or before dropped ones. What was appended since is left for the next pass.
func (m *Member) unfinished() bool {
	if m.flags&skipOwn != 0 && m.own > m.position() {
		return true
	}
	goesOn := m.chunk.next.Load() != nil || m.chunk.then != nil
	_, end := m.chunk.committed()
	return goesOn && m.off == end
}
