package fanout

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// peer is one connection of the model: what it may take, what it took, and what it should have taken.
type peer struct {
	member  Member
	loop    *Loop
	room    string
	variant Variant
	skipOwn bool
	buffer  int  // bytes that its buffer has room for
	broken  bool // the next write fails
	got     []byte
	want    []byte // of the membership under way
	frames  []int  // the offsets in want at which frames end
	lagging bool   // as reported
	slow    bool   // as reported
	dead    bool   // as reported
}

// peers is the sink: each takes what its buffer has room for.
type peers struct{}

// encode is the model's encoder: frames of each variant differ in content and in size.
func encode(dst []byte, v Variant, header, payload []byte) []byte {
	dst = append(append(append(dst, 'v', '0'+byte(v)), header...), payload[:len(payload)/int(v)]...)
	return append(dst, '>')
}

var errBroken = errors.New("broken")

func (peers) Write(ops []Op) {
	for i := range ops {
		p := ops[i].Member.Owner.(*peer)
		if len(ops[i].Bytes) == 0 {
			panic("offered nothing")
		}
		if p.broken {
			ops[i].Err = errBroken
			continue
		}
		n := min(len(ops[i].Bytes), p.buffer)
		p.got = append(p.got, ops[i].Bytes[:n]...)
		p.buffer -= n
		ops[i].N = n
	}
}

// world is the model and the thing itself, side by side.
type world struct {
	t       *rapid.T
	hub     *Hub
	loops   []*Loop
	woken   []bool
	peers   []*peer
	sent    int
	coded   uint64 // calls of the encoder that were due
	limits  Limits
	ticks   int
	lasting bool // every member stays, and takes all by the loop: the counts add up
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, limits: Limits{
		Policy:  rapid.SampledFrom([]Policy{Close, DropOldest, DropNewest}).Draw(t, "policy"),
		Backlog: rapid.SampledFrom([]int64{100, 5000, 1 << 40}).Draw(t, "backlog limit"),
	}}
	w.hub = NewHub(w.limits, encode)
	w.woken = make([]bool, rapid.IntRange(1, 3).Draw(t, "loops"))
	for i := range w.woken {
		w.loops = append(w.loops, w.hub.NewLoop(peers{}, func(*Loop, int) { w.woken[i] = true }))
	}
	return w
}

// members are the peers in a room, of which it draws one.
func (w *world) drawMember() *peer {
	var in []*peer
	for _, p := range w.peers {
		if p.member.In() {
			in = append(in, p)
		}
	}
	if len(in) == 0 {
		w.t.Skip("nobody is in a room") // rapid draws another action instead; the test goes on
	}
	return rapid.SampledFrom(in).Draw(w.t, "member")
}

func (w *world) join(t *rapid.T) {
	p := &peer{
		loop:    rapid.SampledFrom(w.loops).Draw(t, "loop"),
		room:    rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "room"),
		variant: rapid.SampledFrom([]Variant{Plain, 1, 2, Variants - 1}).Draw(t, "variant"),
		skipOwn: rapid.Bool().Draw(t, "skip own"),
		buffer:  rapid.SampledFrom([]int{0, 1, 10, 1000, 1 << 30}).Draw(t, "buffer"),
	}
	p.member.Owner = p
	w.hub.Join(p.loop, &p.member, p.room, p.variant, !p.skipOwn)
	w.peers = append(w.peers, p)
}

func (w *world) leave(t *rapid.T) {
	p := w.drawMember()
	// What it got, with the rest of the frame that is cut, ends where a frame ends.
	p.got = append(p.got, p.member.Cut()...)
	if _, rest := w.check(p); rest > 0 && !p.dead {
		t.Fatalf("left %d bytes into a frame", rest)
	}
	w.hub.Leave(&p.member)
	if p.member.In() || p.member.Cut() != nil {
		t.Fatal("still a member after leaving")
	}
	for i, q := range w.peers {
		if q == p {
			w.peers = append(w.peers[:i], w.peers[i+1:]...)
			break
		}
	}
}

// publish appends a frame whose content names it, by a member or, as the backplane does, by nobody.
func (w *world) publish(t *rapid.T) {
	w.sent++
	header := fmt.Appendf(nil, "<%d:", w.sent)
	payload := append(bytes.Repeat([]byte{'x'}, rapid.SampledFrom([]int{0, 3, 100, 900, 3000, 300_000}).Draw(t, "payload bytes")), '>')
	var sender *peer
	room := rapid.SampledFrom([]string{"a", "b", "c", "nobody is here"}).Draw(t, "room")
	if rapid.Bool().Draw(t, "by a member") {
		sender = w.drawMember()
		room = sender.room
		sender.member.Publish(header, payload)
	} else {
		w.hub.Publish(room, header, payload)
	}
	coded := map[Variant]bool{}
	for _, p := range w.peers {
		if !p.member.In() || p.room != room {
			continue
		}
		if p.variant != Plain && !coded[p.variant] {
			coded[p.variant] = true
			w.coded++
		}
		if p == sender && p.skipOwn {
			continue
		}
		if p.variant == Plain {
			p.want = append(append(p.want, header...), payload...)
		} else {
			p.want = encode(p.want, p.variant, header, payload)
		}
		p.frames = append(p.frames, len(p.want))
	}
}

func (w *world) step(t *rapid.T) {
	i := rapid.IntRange(0, len(w.loops)-1).Draw(t, "loop")
	w.stepLoop(i, rapid.IntRange(1, 5).Draw(t, "budget"))
}

func (w *world) stepLoop(i, budget int) {
	w.woken[i] = false
	r := w.loops[i].Step(budget)
	w.woken[i] = w.woken[i] || r.More
	w.heed(w.loops[i], r)
}

func (w *world) heed(l *Loop, r Report) {
	for _, m := range r.Lagging {
		p := m.Owner.(*peer)
		if p.loop != l || p.lagging {
			w.t.Fatal("reported lagging by another loop, or twice")
		}
		p.lagging = true
	}
	for _, m := range r.Slow {
		p := m.Owner.(*peer)
		if over := m.Backlog() > w.limits.Backlog || w.ticks >= Ages; !p.lagging || p.slow || !over || w.limits.Policy != Close {
			w.t.Fatalf("reported slow: lagging %v, reported before %v, backlog %d, %+v", p.lagging, p.slow, m.Backlog(), w.limits)
		}
		p.slow = true
	}
	for _, m := range r.Dead {
		p := m.Owner.(*peer)
		if !p.broken || p.dead {
			w.t.Fatal("reported dead without an error, or twice")
		}
		p.dead = true
	}
}

// drain is what a socket does: its buffer empties, and the owner hears of it.
func (w *world) drain(t *rapid.T) {
	p := w.drawMember()
	p.buffer += rapid.SampledFrom([]int{1, 50, 2000, 1 << 30}).Draw(t, "bytes drained")
	if p.lagging && !p.slow {
		w.resume(p)
	}
}

func (w *world) resume(p *peer) {
	p.lagging = false
	w.heed(p.loop, p.loop.Resume(&p.member))
}

// hold is a connection with bytes of its own to write: the rest of a cut frame comes before them.
func (w *world) hold(t *rapid.T) {
	p := w.drawMember()
	if p.slow || p.dead {
		t.Skip("given up") // the action, not the test, as in drawMember
	}
	p.member.Hold()
	p.lagging = true
	cut := p.member.Cut()
	n := rapid.IntRange(0, len(cut)).Draw(t, "bytes of the cut frame")
	p.got = append(p.got, cut[:n]...)
	p.member.Took(n)
}

func (w *world) fault(*rapid.T) { w.drawMember().broken = true }

// tick has time pass, a little or long enough for rooms to be idle, and the owner look after a member that lags.
func (w *world) tick(t *rapid.T) {
	w.wait(rapid.SampledFrom([]int{1, 1, Ages + 1}).Draw(t, "ticks"))
}

func (w *world) wait(ticks int) {
	for range ticks {
		w.ticks++
		w.hub.Tick()
		for _, p := range w.peers {
			w.heed(p.loop, p.loop.Review(&p.member))
		}
	}
}

// check holds at every moment: what a member got is where its stream begins, or, where a policy drops, some of its stream's frames
// in their order. It returns how many frames are whole and how many bytes of another one there are.
func (w *world) check(p *peer) (whole, rest int) {
	got, start := p.got, 0
	for _, end := range p.frames {
		frame := p.want[start:end]
		start = end
		switch {
		case bytes.HasPrefix(got, frame):
			got = got[len(frame):]
			whole++
		case bytes.HasPrefix(frame, got):
			return whole, len(got)
		case w.limits.Policy == Close:
			w.t.Fatalf("room %s, skip own %v: got %d bytes that do not begin its stream of %d", p.room, p.skipOwn, len(p.got), len(p.want))
		}
	}
	if len(got) > 0 {
		w.t.Fatalf("room %s, skip own %v: got %d bytes, the last %d of which are not of its stream of %d", p.room, p.skipOwn, len(p.got), len(got), len(p.want))
	}
	return whole, 0
}

func (w *world) checkAll(*rapid.T) {
	rooms := map[string]bool{}
	for _, p := range w.peers {
		w.check(p)
		rooms[p.room] = true
	}
	if got := w.hub.Rooms(); got != len(rooms) {
		w.t.Fatalf("%d rooms, want %d", got, len(rooms))
	}
	if got := w.hub.Encodings(); got != w.coded {
		w.t.Fatalf("encoded %d times, want %d: once for each publication and variant that a member takes", got, w.coded)
	}
}

// settle lets everybody read everything, but steps only loops that were woken.
func (w *world) settle() {
	w.stepAll()
	for _, p := range w.peers {
		if p.lagging && !p.dead && w.limits.Policy != Close && p.member.Backlog() > w.limits.Backlog+int64(len(p.member.Cut())) {
			w.t.Fatalf("%d bytes behind after a pass: %+v", p.member.Backlog(), w.limits)
		}
	}
	for _, p := range w.peers {
		p.buffer = 1 << 40
		if p.lagging && !p.slow {
			w.resume(p)
		}
	}
	w.stepAll()
	var got, want int
	for _, p := range w.peers {
		whole, rest := w.check(p)
		got, want = got+whole, want+len(p.frames)
		switch {
		case p.slow || p.dead:
		case p.member.Backlog() > 0 || p.member.Cut() != nil:
			w.t.Fatalf("broken %v and not reported: %d bytes behind", p.broken, p.member.Backlog())
		case rest > 0, w.limits.Policy == Close && whole < len(p.frames):
			w.t.Fatalf("room %s, skip own %v: got %d frames of %d and %d bytes", p.room, p.skipOwn, whole, len(p.frames), rest)
		}
	}
	w.checkIdle()
	var counted Counts
	for _, l := range w.loops {
		counted.Deliveries += l.Counts().Deliveries
		counted.Dropped += l.Counts().Dropped
	}
	missing := 0
	if w.limits.Policy != Close {
		missing = want - got
	}
	if w.lasting && (counted.Deliveries != uint64(got) || counted.Dropped != uint64(missing)) {
		w.t.Fatalf("counted %d delivered and %d dropped; %d of %d frames were got", counted.Deliveries, counted.Dropped, got, want)
	}
}

// checkIdle holds when everybody has read everything: a room that is left alone keeps one small chunk of each log.
func (w *world) checkIdle() {
	w.wait(Ages + 1)
	w.stepAll()
	for _, p := range w.peers {
		if c := p.member.chunk; !p.slow && !p.dead && (c != p.member.shard.stream.log.tail || len(c.data) != minChunk) {
			w.t.Fatalf("room %s is idle, and a member in a chunk of %d bytes", p.room, len(c.data))
		}
	}
}

func (w *world) stepAll() {
	for i := range w.loops {
		for w.woken[i] {
			w.stepLoop(i, 7)
		}
	}
}

// Every member gets exactly the bytes published while it was one, in its variant and in order, its own left out exactly when asked,
// whatever joins, leaves, short writes, interrupted passes and other writes come between. Where a policy drops, it gets whole frames in
// order, is never further behind than the limit after a pass, and what it did not get is counted.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.join(t)
		actions := map[string]func(*rapid.T){
			"join":     w.join,
			"publish":  w.publish,
			"publish2": w.publish,
			"step":     w.step,
			"step2":    w.step,
			"drain":    w.drain,
			"tick":     w.tick,
			"":         w.checkAll,
		}
		if w.lasting = rapid.Bool().Draw(t, "connections last"); !w.lasting {
			actions["leave"], actions["fault"], actions["hold"] = w.leave, w.fault, w.hold
		}
		t.Repeat(actions)
		w.settle()
	})
}
