package fanout

import (
	"slices"
	"strings"
	"testing"
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

// A member that never takes anything again keeps the memory of what it is owed, and not of what is published from then on.
func TestSlowMemberHoldsNoLog(t *testing.T) {
	const limit, size, publications = 64 << 10, 1000, 20_000
	for _, policy := range []Policy{DropOldest, DropNewest} {
		for _, takes := range []int{0, 500} { // of the first frame: a cut one stays owed
			hub := NewHub(Limits{Policy: policy, Backlog: limit}, nil)
			loop := hub.NewLoop(peers{}, func(*Loop, int) {})
			p := &peer{buffer: takes}
			p.member.Owner = p
			hub.Join(loop, &p.member, "r", Plain, true)
			for range publications {
				hub.Publish("r", nil, make([]byte, size))
				loop.Step(1)
			}
			if got := loop.Counts().Dropped; got < publications-limit/size-2 || got >= publications {
				t.Errorf("%v: %d of %d dropped, want all but what fits the limit", policy, got, publications)
			}
			var seen []*chunk
			bytes := 0
			for waiting := []*chunk{p.member.chunk}; len(waiting) > 0; waiting = waiting[1:] {
				c := waiting[0]
				if c == nil || slices.Contains(seen, c) {
					continue
				}
				seen = append(seen, c)
				bytes += len(c.data)
				waiting = append(waiting, c.next.Load())
				if c.then != nil {
					waiting = append(waiting, c.then.to.chunk)
				}
			}
			if bytes > 2*limit {
				t.Errorf("%v, %d bytes taken: it keeps %d bytes of the log, with a limit of %d", policy, takes, bytes, limit)
			}
		}
	}
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
