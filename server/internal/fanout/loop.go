package fanout

import (
	"sync"
	"sync/atomic"
)

// batch is how many members are offered their bytes in one call of the sink. Within it the head is read before the first write;
// a larger batch merges less and serves an output that takes many at once.
const batch = 64

// batchBytes ends a batch earlier where each member is offered much, as under overload.
const batchBytes = 32 << 10

// heavy is how many bytes to write cost as much as visiting another member, about: 16 KiB are copied in the time of a system call.
const heavy = 16 << 10

// A Sink takes a loop's output.
type Sink interface {
	// Write writes what it can of each Op.Bytes without waiting, and sets N and Err. It must not call the loop or the hub.
	Write(ops []Op)
}

// An Op is one write to one member.
type Op struct {
	Member *Member
	Bytes  []byte
	N      int   // bytes taken; fewer than all of them means that the member's buffer is full
	Err    error // the connection is broken; not a full buffer
}

// A Report is what a step found out. Its slices are valid until the loop's next step.
type Report struct {
	More    bool      // members wait for the next step
	Lagging []*Member // left alone from now on: call Resume when they can take more
	Slow    []*Member // further behind than the limits allow: the policy is to close them
	Dead    []*Member // broken connections
}

// Counts are a loop's totals.
type Counts struct {
	Passes, Deliveries, Bytes, Writes uint64
	Dropped                           uint64 // publications that members do not get, as they were too far behind
}

// A Loop makes the passes for the members of one event loop. Its methods may be called by that loop, or by who stands in for it
// meanwhile, but for Counts, which anybody may call.
type Loop struct {
	hub  *Hub
	sink Sink
	wake func(by *Loop, members int)

	mu     sync.Mutex
	marked []*shard // dirty, and not yet taken into queue

	// queue holds the shards to be walked; one whose pass is interrupted goes to its end, so that small rooms do not wait for
	// large ones. A shard is in it at most twice: once for the pass under way, once for the one asked for meanwhile.
	queue []*shard
	first int // of queue

	walking *shard // popped from the queue
	ops     [batch]Op
	offers  int // of ops, while the sink has them
	report  Report
	recent  span

	passes, deliveries, bytes, writes atomic.Uint64
	dropped                           atomic.Uint64
	count                             Counts // of the step under way
}

// span remembers how many frames the last write completed: in a pass nearly all writes are the same.
type span struct {
	chunk      *chunk
	from, to   uint32
	deliveries uint64
}

// NewLoop adds an event loop. wake is called, from any goroutine and with locks held, when the loop has something to step
// through: it must only schedule that. by is the loop whose member has published, and which is calling, or nil; members is how many
// are to be visited for it.
func (h *Hub) NewLoop(sink Sink, wake func(by *Loop, members int)) *Loop {
	return &Loop{hub: h, sink: sink, wake: wake}
}

// Counts is safe for any goroutine.
func (l *Loop) Counts() Counts {
	return Counts{l.passes.Load(), l.deliveries.Load(), l.bytes.Load(), l.writes.Load(), l.dropped.Load()}
}

// mark has the loop walk s soon, since a member on the loop by has published, or nobody here. The caller holds the room's lock.
func (l *Loop) mark(s *shard, by *Loop) {
	l.mu.Lock()
	l.marked = append(l.marked, s)
	l.mu.Unlock()
	l.wake(by, s.size)
}

// Step visits up to budget members of dirty rooms, fewer where they are offered much, and offers each what it has not got. Call it
// again while it reports More, after giving other work a turn.
func (l *Loop) Step(budget int) Report {
	l.begin()
	for budget > 0 && l.first < len(l.queue) {
		s := l.queue[l.first]
		l.queue[l.first] = nil
		l.first++
		if s.next == 0 {
			// Before the first cursor is read: what is published from here on asks for another pass.
			s.dirty.Store(false)
			l.count.Passes++
		}
		l.walking = s
		budget = l.walk(s, budget)
		l.interrupt(s)
	}
	return l.end()
}

// Resume ends m's lagging and offers it what it has not got. It is legal for a member of nothing.
func (l *Loop) Resume(m *Member) Report {
	l.begin()
	if m.flags&reported == 0 {
		m.flags &^= lagging
	}
	if m.In() && m.flags&lagging == 0 {
		if b := m.behind(); b != nil {
			l.ops[0] = Op{Member: m, Bytes: b}
			for n := 1; n > 0; {
				n = l.write(n)
			}
		}
	}
	return l.end()
}

// Wrote is for what m's owner has written to it outside of rooms, n bytes. The rest of a publication that was cut when m left comes
// first, and counts.
func (l *Loop) Wrote(m *Member, n int) {
	if m.In() || m.off == 0 {
		return
	}
	n = min(n, int(m.off))
	l.bytes.Add(uint64(n))
	if m.off -= uint32(n); m.off == 0 {
		l.deliveries.Add(1)
	}
}

// Abandon is for a caller whose sink panicked: it returns the members that were being written to, whose streams cannot be
// trusted any more, and lets the other members' pass go on with the next step.
func (l *Loop) Abandon() []*Member {
	var broken []*Member
	for i := range l.offers {
		m := l.ops[i].Member
		m.flags |= lagging | reported
		broken = append(broken, m)
	}
	if l.walking != nil {
		l.interrupt(l.walking)
	}
	l.offers = 0
	l.end()
	return broken
}

func (l *Loop) begin() {
	l.report = Report{Lagging: l.report.Lagging[:0], Slow: l.report.Slow[:0], Dead: l.report.Dead[:0]}
	if l.first > len(l.queue)/2 { // rarely enough to cost a constant per shard
		l.queue = l.queue[:copy(l.queue, l.queue[l.first:])]
		l.first = 0
	}
	l.mu.Lock()
	l.queue = append(l.queue, l.marked...)
	clear(l.marked)
	l.marked = l.marked[:0]
	l.mu.Unlock()
}

func (l *Loop) end() Report {
	l.passes.Add(l.count.Passes)
	l.deliveries.Add(l.count.Deliveries)
	l.bytes.Add(l.count.Bytes)
	l.writes.Add(l.count.Writes)
	l.count = Counts{}
	l.recent = span{} // or an idle loop would keep the chunk
	clear(l.ops[:])   // likewise
	l.report.More = l.first < len(l.queue)
	return l.report
}

// interrupt has the walk of s go on later, unless it is done.
func (l *Loop) interrupt(s *shard) {
	l.walking = nil
	if s.next < len(s.members) {
		l.queue = append(l.queue, s)
	} else {
		s.next = 0
	}
}

// walk visits members of s from s.next on, and returns what is left of the budget.
func (l *Loop) walk(s *shard, budget int) int {
	n := 0
	for {
		for bytes := 0; n < batch && bytes < batchBytes && budget > 0 && s.next < len(s.members); {
			m := s.members[s.next]
			s.next++
			budget--
			if m.flags&lagging != 0 {
				l.judge(m)
			} else if b := m.behind(); b != nil {
				budget -= len(b) / heavy
				bytes += len(b)
				l.ops[n] = Op{Member: m, Bytes: b}
				n++
			}
		}
		if n == 0 {
			return budget
		}
		n = l.write(n)
	}
}

// write has the sink write the first n ops and moves the cursors. The ops that are to go on, for members whose offer was cut by
// the layout of the log, are moved to the front; it returns their number.
func (l *Loop) write(n int) (again int) {
	l.offers = n
	l.sink.Write(l.ops[:n])
	l.offers = 0
	l.count.Writes += uint64(n)
	for i := range n {
		op := l.ops[i]
		m := op.Member
		l.took(m, op.N)
		switch {
		case op.Err != nil:
			m.flags |= lagging | reported
			l.report.Dead = append(l.report.Dead, m)
		case op.N < len(op.Bytes):
			m.flags |= lagging
			l.report.Lagging = append(l.report.Lagging, m)
			l.judge(m)
		case m.unfinished():
			if b := m.behind(); b != nil {
				l.ops[again] = Op{Member: m, Bytes: b}
				again++
			}
		}
	}
	return again
}

// took moves m's cursor over n bytes and counts them.
func (l *Loop) took(m *Member, n int) {
	from, to := m.off, m.off+uint32(n)
	if c := m.chunk; c != l.recent.chunk || from != l.recent.from || to != l.recent.to {
		l.recent = span{c, from, to, uint64(c.frameAt(to) - c.frameAt(from))}
	}
	m.off = to
	l.count.Deliveries += l.recent.deliveries
	l.count.Bytes += uint64(n)
}
