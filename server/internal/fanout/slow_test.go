package fanout

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unsafe"
	"weak"
)

// The limit itself is not too much; one byte more is reported, once, and after leaving the connection can be written to again.
func TestSlow(t *testing.T) {
	const limit = 10
	hub := NewHub(Limits{Backlog: limit}, nil)
	loop := hub.NewLoop(peers{}, func(*Loop, int) {})
	p := &peer{}
	p.member.Owner = p
	hub.Join(loop, &p.member, "r", Plain, true)
	hub.Publish("r", nil, make([]byte, limit))
	if r := loop.Step(1); len(r.Slow) != 0 || len(r.Lagging) != 1 {
		t.Fatalf("%d bytes behind: %+v, want lagging only", limit, r)
	}
	hub.Publish("r", nil, make([]byte, 1))
	if r := loop.Step(1); len(r.Slow) != 1 || r.Slow[0] != &p.member {
		t.Fatalf("%d bytes behind: %+v, want slow", limit+1, r)
	}
	hub.Publish("r", nil, make([]byte, 1))
	if r := loop.Step(1); len(r.Slow) != 0 {
		t.Fatalf("reported again: %+v", r)
	}
	hub.Leave(&p.member)
	if !p.member.Lagging() {
		t.Fatal("leaving emptied the connection's buffer")
	}
	loop.Resume(&p.member)
	if p.member.Lagging() {
		t.Fatal("lagging after Resume")
	}
}

// What a member that lags gets in the end, by policy. Frames are a letter, thrice; the limit is two of them.
func TestPolicies(t *testing.T) {
	for _, test := range []struct {
		name    string
		policy  Policy
		own     bool   // wants its own
		takes   int    // bytes, before it lags
		publish string // a letter each; upper case is its own
		got     string // in the end, and after another frame z
		dropped uint64
	}{
		{"within the limit nothing is dropped", DropOldest, true, 0, "ab", "ab", 0},
		{"nor is it here", DropNewest, true, 0, "ab", "ab", 0},
		{"the oldest", DropOldest, true, 0, "abcde", "de", 3},
		{"the newest", DropNewest, true, 0, "abcde", "ab", 3},
		{"a frame that was begun is ended: the oldest", DropOldest, true, 1, "abcde", "ade", 2},
		{"a frame that was begun is ended: the newest", DropNewest, true, 1, "abcde", "ab", 3},
		{"own ones that it would not get are not dropped: the oldest", DropOldest, false, 0, "aBcDe", "e", 2},
		{"own ones that it would not get are not dropped: the newest", DropNewest, false, 0, "aBcDe", "a", 2},
		{"own ones that it would get are", DropNewest, true, 0, "aBcDe", "aB", 3},
	} {
		t.Run(test.policy.String()+" "+test.name, func(t *testing.T) {
			hub := NewHub(Limits{Policy: test.policy, Backlog: 6}, nil)
			loop := hub.NewLoop(peers{}, func(*Loop, int) {})
			p := &peer{buffer: test.takes}
			p.member.Owner = p
			hub.Join(loop, &p.member, "r", Plain, test.own)
			publish := func(letters string) {
				for _, letter := range letters {
					frame := []byte(strings.Repeat(string(letter), 3))
					if letter < 'a' {
						p.member.Publish(nil, frame)
					} else {
						hub.Publish("r", nil, frame)
					}
				}
				for loop.Step(10).More {
				}
			}
			publish(test.publish[:1]) // found full here, so that the rest arrives while it lags
			for i := range test.publish[1:] {
				publish(test.publish[1+i : 2+i])
			}
			p.buffer = 1000
			loop.Resume(&p.member)
			publish("z")
			want := ""
			for _, letter := range test.got + "z" {
				want += strings.Repeat(string(letter), 3)
			}
			if string(p.got) != want {
				t.Errorf("got %s, want %s", p.got, want)
			}
			if got := loop.Counts().Dropped; got != test.dropped {
				t.Errorf("%d counted as dropped, want %d", got, test.dropped)
			}
		})
	}
}

// Age alone makes a member slow, at the eighth tick after the publication and not before, also if its room is quiet.
func TestAge(t *testing.T) {
	for _, test := range []struct {
		policy  Policy
		slow    int
		dropped uint64
		got     string
	}{
		{Close, 1, 0, ""},
		{DropOldest, 0, 1, "newer"},
		{DropNewest, 0, 0, "oldnewer"},
	} {
		t.Run(test.policy.String(), func(t *testing.T) {
			hub := NewHub(Limits{Policy: test.policy, Backlog: 1000}, nil)
			loop := hub.NewLoop(peers{}, func(*Loop, int) {})
			p := &peer{}
			p.member.Owner = p
			hub.Join(loop, &p.member, "r", Plain, true)
			hub.Publish("r", nil, []byte("old"))
			loop.Step(1)
			hub.Tick()
			hub.Publish("r", nil, []byte("newer"))
			for range Ages - 1 {
				hub.Tick()
				if r := loop.Review(&p.member); len(r.Slow) != 0 || loop.Counts().Dropped != 0 {
					t.Fatalf("too early: %+v", r)
				}
			}
			hub.Tick()
			if r := loop.Review(&p.member); len(r.Slow) != test.slow || loop.Counts().Dropped != test.dropped {
				t.Fatalf("%d reported slow and %d dropped, want %d and %d", len(r.Slow), loop.Counts().Dropped, test.slow, test.dropped)
			}
			p.buffer = 1000
			if loop.Resume(&p.member); string(p.got) != test.got {
				t.Errorf("got %q, want %q", p.got, test.got)
			}
		})
	}
}

// A member that never takes anything again keeps the memory of what it is owed, and not of what is published from then on, however small
// the frames are: the factors are those of the page on guarantees, to which come the chunks in which it begins and ends.
func TestSlowMemberHoldsNoLog(t *testing.T) {
	const limit = 64 << 10
	for _, test := range []struct {
		size   int
		factor float64
	}{{2, 5.5}, {12, 2.2}, {32, 2.2}, {128, 2.2}, {1024, 2.2}} {
		for _, policy := range []Policy{DropOldest, DropNewest} {
			for _, takes := range []int{0, test.size / 2} { // of the first frame: a cut one stays owed
				for _, every := range []int{1, 100} { // publications per pass
					t.Run(fmt.Sprintf("size=%d/%v/takes=%d/every=%d", test.size, policy, takes, every), func(t *testing.T) {
						publications := 4 * limit / test.size
						hub := NewHub(Limits{Policy: policy, Backlog: limit}, nil)
						loop := hub.NewLoop(peers{}, func(*Loop, int) {})
						p := &peer{buffer: takes}
						p.member.Owner = p
						hub.Join(loop, &p.member, "r", Plain, true)
						frame := make([]byte, test.size)
						for i := range publications {
							hub.Publish("r", nil, frame)
							if i%every == 0 {
								loop.Step(1)
							}
						}
						loop.Step(1)
						if got := int(loop.Counts().Dropped); got < publications-limit/test.size-2 || got >= publications {
							t.Errorf("%d of %d dropped, want all but what fits the limit", got, publications)
						}
						bytes, largest := kept(&p.member)
						if bound := int(test.factor*limit) + 2*largest; bytes > bound || largest > maxChunk+64 {
							t.Errorf("it keeps %d bytes of the log, want %d at most; its largest chunk is of %d", bytes, bound, largest)
						}
					})
				}
			}
		}
	}
}

// A room that has gone quiet gives its large chunk back, in each variant and though members on two loops stand in it, and in spite of a
// small publication now and then. The members are written nothing for that.
func TestQuietRoomHoldsNoLog(t *testing.T) {
	for _, trickle := range []int{0, 10} { // bytes, per tick
		t.Run(fmt.Sprintf("trickle=%d", trickle), func(t *testing.T) {
			hub := NewHub(Limits{Backlog: 1 << 20}, encode)
			var sink counting
			var loops [2]*Loop
			var members []*Member
			for i := range loops {
				loops[i] = hub.NewLoop(&sink, func(*Loop, int) {})
				members = append(members, append(joinAll(hub, loops[i], "r", 3), new(Member))...)
				hub.Join(loops[i], members[len(members)-1], "r", 1, true)
			}
			pass := func(size int) (passes, writes int) {
				if size > 0 {
					hub.Publish("r", nil, make([]byte, size))
				}
				hub.Tick()
				writes = sink.writes
				for _, l := range loops {
					before := l.Counts().Passes
					l.Step(100)
					passes += int(l.Counts().Passes - before)
				}
				return passes, sink.writes - writes
			}
			for range 512 {
				hub.Publish("r", nil, make([]byte, 1000))
			}
			for range Ages {
				pass(trickle)
			}
			var large []weak.Pointer[chunk]
			for i, m := range members {
				if got := len(m.chunk.data); got < maxChunk/2 {
					t.Fatalf("member %d: in a chunk of %d bytes within the largest age of a burst, want a large one", i, got)
				}
				large = append(large, weak.Make(m.chunk))
			}
			// One pass for each loop and variant moves the members, on the way if there is something to write.
			wantWrites := 0
			if trickle > 0 {
				wantWrites = len(members)
			}
			if passes, writes := pass(trickle); passes != 4 || writes != wantWrites {
				t.Errorf("%d passes and %d writes as the room has gone quiet, want 4 and %d", passes, writes, wantWrites)
			}
			for range 3 * Ages {
				if passes, _ := pass(0); passes != 0 {
					t.Fatalf("%d passes in an idle room", passes)
				}
			}
			runtime.GC()
			for i, m := range members {
				if got := len(m.chunk.data); got != minChunk || large[i].Value() != nil {
					t.Errorf("member %d: in a chunk of %d bytes, want %d; the large one lives: %v", i, got, minChunk, large[i].Value() != nil)
				}
			}
			if _, writes := pass(1000); writes != len(members) {
				t.Errorf("%d writes of the next publication, want %d", writes, len(members))
			}
		})
	}
}

// kept is the memory of the chunks that m keeps alive, and of the largest of them.
func kept(m *Member) (bytes, largest int) {
	seen := map[*chunk]bool{nil: true}
	for waiting := []*chunk{m.chunk}; len(waiting) > 0; waiting = waiting[1:] {
		c := waiting[0]
		if seen[c] {
			continue
		}
		seen[c] = true
		memory := int(unsafe.Sizeof(*c)) + cap(c.data)
		bytes, largest = bytes+memory, max(largest, memory)
		waiting = append(waiting, c.next.Load())
		if c.then != nil {
			waiting = append(waiting, c.then.to.chunk)
		}
	}
	return bytes, largest
}

func TestPolicyNames(t *testing.T) {
	for _, p := range []Policy{Close, DropOldest, DropNewest} {
		if got, err := ParsePolicy(p.String()); err != nil || got != p {
			t.Errorf("%v reads as %v, %v", p, got, err)
		}
	}
	if _, err := ParsePolicy("drop"); err == nil {
		t.Error("a policy named drop")
	}
}
