package fanout

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// discard takes everything.
type discard struct{}

func (discard) Write(ops []Op) {
	for i := range ops {
		ops[i].N = len(ops[i].Bytes)
	}
}

func TestLogChunks(t *testing.T) {
	for _, test := range []struct {
		name   string
		frames int // appended
		bytes  int // each
		every  int // frames per pass asked for
		chunks []int
	}{
		{"an idle room keeps small chunks", 32, 100, 1, []int{1 << 10, 1 << 10, 1 << 10, 1 << 10}},
		{"coalescing doubles them", 64, 100, 10, []int{1 << 10, 2 << 10, 4 << 10}},
		{"a frame always fits", 3, 5000, 1, []int{5000, 5000 / 2, 5000}},
		{"frames and their index fill a chunk to the last byte", 4, 512 - perFrame, 1, []int{1 << 10, 1 << 10}},
		{"small ones as well", 204, 2, 1, []int{1 << 10, 1 << 10}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var l log
			l.tail = newChunk(0, 0, max(minChunk, test.bytes+perFrame))
			first := l.tail
			for i := range test.frames {
				l.append(7, nil, make([]byte, test.bytes))
				if i%test.every == 0 {
					l.passes++
				}
			}
			var position int64
			var got []int
			for c := first; c != nil; c = c.next.Load() {
				if c.base != position {
					t.Errorf("chunk %d begins at %d, want %d", len(got), c.base, position)
				}
				n, used := c.committed()
				if n == 0 || c.end(n-1) != used {
					t.Errorf("chunk %d: %d frames end before its %d bytes do", len(got), n, used)
				}
				position += int64(used)
				got = append(got, len(c.data))
			}
			if position != int64(test.frames*test.bytes) || l.head.Load() != position {
				t.Errorf("log holds %d bytes and says %d, want %d", position, l.head.Load(), test.frames*test.bytes)
			}
			want := test.chunks
			for i := range want {
				want[i] = max(want[i], test.bytes+perFrame)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("chunks of %v bytes, want %v", got, want)
			}
		})
	}
}

// The rest of a cut frame, at every byte of three frames.
func TestCut(t *testing.T) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	sink := &peer{}
	loop := hub.NewLoop(peers{}, func(*Loop, int) {})
	sink.member.Owner = sink
	hub.Join(loop, &sink.member, "r", Plain, true)
	var all []byte
	ends := map[int]bool{0: true}
	for _, f := range []string{"one", "three", "x"} {
		hub.Publish("r", []byte(f[:1]), []byte(f[1:]))
		all = append(all, f...)
		ends[len(all)] = true
	}
	loop.Step(10) // takes nothing: lagging at the first byte
	for off := range all {
		cut := sink.member.Cut()
		if ends[off] != (cut == nil) {
			t.Fatalf("byte %d: cut %q, frame boundary %v", off, cut, ends[off])
		}
		if cut != nil && (!ends[off+len(cut)] || !bytes.HasPrefix(all[off:], cut)) {
			t.Fatalf("byte %d: cut %q is not the rest of its frame in %q", off, cut, all)
		}
		sink.buffer = 1
		loop.Resume(&sink.member)
	}
	if !bytes.Equal(sink.got, all) {
		t.Fatalf("got %q, want %q", sink.got, all)
	}
	if counts := loop.Counts(); counts.Deliveries != 3 || counts.Bytes != uint64(len(all)) {
		t.Fatalf("counted %+v, want 3 deliveries of %d bytes", counts, len(all))
	}
}

// Own publications are left out of the middle of what a member is behind, in one pass.
func TestSkipOwn(t *testing.T) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(peers{}, func(*Loop, int) {})
	p := &peer{buffer: 100}
	p.member.Owner = p
	hub.Join(loop, &p.member, "r", Plain, false)
	hub.Publish("r", nil, []byte("a"))
	p.member.Publish(nil, []byte("own"))
	hub.Publish("r", nil, []byte("b"))
	p.member.Publish(nil, []byte("own"))
	p.member.Publish(nil, []byte("own"))
	hub.Publish("r", nil, []byte("c"))
	if r := loop.Step(1); r.More || string(p.got) != "abc" {
		t.Errorf("got %q, want abc; %+v", p.got, r)
	}
	if got := loop.Counts().Deliveries; got != 3 {
		t.Errorf("%d deliveries, want 3", got)
	}
}

// A publication to a small room does not visit the members of a large one.
func TestPassVisitsOnlyDirtyRooms(t *testing.T) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(discard{}, func(*Loop, int) {})
	joinAll(hub, loop, "large", 1000)
	joinAll(hub, loop, "small", 10)
	hub.Publish("small", nil, []byte("x"))
	if r := loop.Step(10); r.More {
		t.Error("10 visits did not do for 10 members")
	}
	if got := loop.Counts().Writes; got != 10 {
		t.Errorf("%d writes, want 10", got)
	}
}

// Members that leave while a pass is interrupted, in any order, neither hide others from it nor disturb the registry.
func TestLeaveDuringPass(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 0))
		hub := NewHub(Limits{Backlog: 1 << 20}, nil)
		loop := hub.NewLoop(discard{}, func(*Loop, int) {})
		members := joinAll(hub, loop, "r", 1+random.IntN(40))
		random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		hub.Publish("r", nil, []byte("x"))
		for len(members) > 0 {
			more := loop.Step(1 + random.IntN(10)).More
			for range min(len(members), random.IntN(20)) {
				shard := members[0].shard
				hub.Leave(members[0])
				members = members[1:]
				for i, m := range shard.members {
					if int(m.slot) != i {
						t.Fatalf("seed %d: the member at %d believes to be at %d", seed, i, m.slot)
					}
				}
			}
			for _, m := range members {
				if !more && m.Backlog() != 0 {
					t.Fatalf("seed %d: passed over by a finished pass", seed)
				}
			}
			if !more {
				hub.Publish("r", nil, []byte("y"))
			}
		}
	}
}

// Publications that arrive before a pass reaches a member share its write.
func TestPublicationsMerge(t *testing.T) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	wakes := 0
	loop := hub.NewLoop(discard{}, func(*Loop, int) { wakes++ })
	joinAll(hub, loop, "r", 300)
	for range 7 {
		hub.Publish("r", []byte("h"), []byte("payload"))
	}
	if wakes != 1 {
		t.Errorf("woken %d times by 7 publications, want once", wakes)
	}
	for loop.Step(64).More {
	}
	want := Counts{Passes: 1, Deliveries: 7 * 300, Bytes: 8 * 7 * 300, Writes: 300}
	if got := loop.Counts(); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// A variant costs one call of the encoder per publication while a member takes it, however many do, and none before and after.
func TestEncodedOncePerVariantInUse(t *testing.T) {
	hub := NewHub(Limits{Backlog: 1 << 20}, encode)
	loop := hub.NewLoop(discard{}, func(*Loop, int) {})
	join := func(v Variant) *Member {
		m := new(Member)
		hub.Join(loop, m, "r", v, true)
		return m
	}
	publish := func() uint64 {
		before := hub.Encodings()
		hub.Publish("r", []byte("<"), []byte("payload"))
		return hub.Encodings() - before
	}
	join(Plain)
	if got := publish(); got != 0 {
		t.Errorf("plain only: %d encodings, want none", got)
	}
	nine, ten := []*Member{join(9), join(9), join(9)}, join(10)
	if got := publish(); got != 2 {
		t.Errorf("four members of two variants: %d encodings, want 2", got)
	}
	for _, m := range nine {
		hub.Leave(m)
	}
	if got := publish(); got != 1 {
		t.Errorf("one variant left: %d encodings, want 1", got)
	}
	hub.Leave(ten)
	if got := publish(); got != 0 {
		t.Errorf("no variant left: %d encodings, want none", got)
	}
	hub.Publish("nobody", nil, []byte("x"))
	if got := hub.Publications(); got != 4 {
		t.Errorf("%d publications, want 4", got)
	}
}

// A small room marked during a long pass does not wait for its end.
func TestSmallRoomOvertakesLongPass(t *testing.T) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(discard{}, func(*Loop, int) {})
	joinAll(hub, loop, "large", 1000)
	small := joinAll(hub, loop, "small", 1)
	hub.Publish("large", nil, []byte("x"))
	loop.Step(100)
	hub.Publish("small", nil, []byte("y"))
	loop.Step(100)
	loop.Step(100)
	if small[0].Backlog() != 0 {
		t.Error("the small room waits for the large one's pass")
	}
}

// Publishers and passes on several goroutines at once, as on a server with several loops; then publications that are so rare that the
// room gives its chunk back after each, while passes go on.
func TestConcurrentPublishers(t *testing.T) {
	const publishers, publications, rare, loops, members = 4, 500, 500, 2, 50
	hub := NewHub(Limits{Backlog: 1 << 30}, encode)
	var readers, writers sync.WaitGroup
	done := make(chan struct{})
	var all []*Loop
	for i := range loops {
		wake := make(chan struct{}, 1)
		loop := hub.NewLoop(discard{}, func(*Loop, int) {
			select {
			case wake <- struct{}{}:
			default:
			}
		})
		all = append(all, loop)
		joinAll(hub, loop, "r", members)
		hub.Join(loop, new(Member), "r", Variant(1+i), true)
		readers.Go(func() {
			for {
				select {
				case <-wake:
					for loop.Step(16).More {
					}
				case <-done:
					for loop.Step(16).More {
					}
					return
				}
			}
		})
	}
	for range publishers {
		writers.Go(func() {
			for i := range publications {
				hub.Publish("r", []byte{1}, fmt.Appendf(nil, "publication %d", i))
			}
		})
	}
	writers.Wait()
	for range rare {
		hub.Publish("r", nil, make([]byte, 2*minChunk))
		for range Ages + 1 {
			hub.Tick()
		}
	}
	close(done)
	readers.Wait()
	var got uint64
	for _, l := range all {
		got += l.Counts().Deliveries
	}
	if want := uint64((publishers*publications + rare) * loops * (members + 1)); got != want {
		t.Errorf("%d deliveries, want %d", got, want)
	}
}

// panicking is a sink that fails as no sink should.
type panicking struct{ at *Member }

func (p panicking) Write(ops []Op) {
	for i := range ops {
		if ops[i].Member == p.at {
			panic("test")
		}
		ops[i].N = len(ops[i].Bytes)
	}
}

func TestAbandonLosesOneBatchOnly(t *testing.T) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	bad := new(Member)
	loop := hub.NewLoop(panicking{bad}, func(*Loop, int) {})
	joinAll(hub, loop, "r", 100)
	hub.Join(loop, bad, "r", Plain, true)
	after := joinAll(hub, loop, "r", 200)
	hub.Publish("r", nil, []byte("x"))
	func() {
		defer func() {
			if recover() == nil {
				t.Fatal("the panic did not arrive")
			}
		}()
		loop.Step(1000)
	}()
	broken := loop.Abandon()
	if len(broken) != batch {
		t.Fatalf("%d members abandoned, want one batch of %d", len(broken), batch)
	}
	for _, m := range broken {
		hub.Leave(m)
	}
	if bad.In() {
		t.Fatal("the member that panicked is not among the abandoned")
	}
	for loop.Step(1000).More {
	}
	for i, m := range after {
		if m.In() && m.Backlog() != 0 {
			t.Fatalf("member %d after the panic waits for %d bytes", i, m.Backlog())
		}
	}
}

func joinAll(hub *Hub, loop *Loop, room string, n int) []*Member {
	members := make([]*Member, n)
	for i := range members {
		members[i] = new(Member)
		hub.Join(loop, members[i], room, Plain, true)
	}
	return members
}

func TestDeliveryDoesNotAllocate(t *testing.T) {
	hub := NewHub(Limits{Backlog: 1 << 20}, nil)
	loop := hub.NewLoop(discard{}, func(*Loop, int) {})
	joinAll(hub, loop, "r", 1000)
	header, payload := []byte{0x81, 100}, make([]byte, 100)
	pass := func() {
		hub.Publish("r", header, payload)
		for loop.Step(256).More {
		}
	}
	pass()
	// What a chunk costs is shared by the publications in it and their thousand deliveries: below one per pass.
	if got := testing.AllocsPerRun(200, pass); got > 1 {
		t.Errorf("%v allocations per pass over 1000 members, want at most 1", got)
	}
}
