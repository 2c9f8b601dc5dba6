package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fanbench/loadgen/scenario"
)

// made expands a scenario put together from "key=value" settings.
func made(t *testing.T, settings ...string) *Plan {
	t.Helper()
	opts := make([]scenario.Option, len(settings))
	for i, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		opts[i] = scenario.Set(key, value, "")
	}
	s, err := scenario.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTimetable(t *testing.T) {
	p := made(t, "connections=12", "rooms=2", "publishers=4", "rate=2/s", "phases.warm-up=1500ms", "phases.measure=3s")
	if p.Publications(WarmUp) != 3 || p.Publications(Measure) != 6 {
		t.Fatalf("publications %d and %d, want 3 and 6", p.Publications(WarmUp), p.Publications(Measure))
	}
	for _, row := range []struct {
		phase Phase
		k     int
		want  Publication
	}{
		{WarmUp, 0, Publication{Publisher: 0, Room: 0, Sequence: 0, Due: 0, Size: 128}},
		{WarmUp, 1, Publication{Publisher: 1, Room: 1, Sequence: 0, Due: 500 * time.Millisecond, Size: 128}},
		{WarmUp, 2, Publication{Publisher: 2, Room: 0, Sequence: 0, Due: time.Second, Size: 128}},
		// Measure: turns and sequences run on, due times begin again.
		{Measure, 0, Publication{Publisher: 3, Room: 1, Sequence: 0, Due: 0, Size: 128}},
		{Measure, 1, Publication{Publisher: 0, Room: 0, Sequence: 1, Due: 500 * time.Millisecond, Size: 128}},
		{Measure, 4, Publication{Publisher: 3, Room: 1, Sequence: 1, Due: 2 * time.Second, Size: 128}},
		{Measure, 5, Publication{Publisher: 0, Room: 0, Sequence: 2, Due: 2500 * time.Millisecond, Size: 128}},
	} {
		if got := p.At(row.phase, row.k); got != row.want {
			t.Errorf("%v %d: %+v, want %+v", row.phase, row.k, got, row.want)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, row := range []struct {
		name                            string
		settings                        []string
		connections, publishers, rooms  int
		warmUp, measure, ofRoom, inRoom int // of room 0
	}{
		{"fan-out: publishers come on top", []string{"connections=10", "rooms=3", "publishers=6", "rate=10/s"}, 16, 6, 3, 20, 100, 2, 4},
		{"rates round", []string{"rate=1/min", "phases.measure=95s"}, 1001, 1, 1, 0, 2, 1, 1000},
		{"no warm-up", []string{"phases.warm-up=0"}, 1001, 1, 1, 0, 100, 1, 1000},
		{"paced echo: each its own room", []string{"workload=echo", "connections=5", "rate=100/s"}, 5, 5, 5, 200, 1000, 1, 1},
		{"closed loop: no timetable", []string{"workload=echo", "connections=5"}, 5, 5, 5, 0, 0, 1, 1},
	} {
		p := made(t, row.settings...)
		got := [...]int{p.Connections(), p.Publishers(), p.Rooms(), p.Publications(WarmUp), p.Publications(Measure), p.RoomPublishers(0), p.RoomSubscribers(0)}
		want := [...]int{row.connections, row.publishers, row.rooms, row.warmUp, row.measure, row.ofRoom, row.inRoom}
		if got != want {
			t.Errorf("%s: %v, want %v", row.name, got, want)
		}
	}
	p := made(t, "workload=connect", "connections=5")
	if p.Connections() != 5 || p.Publishers() != 0 || p.Publications(Measure) != 0 || p.Share(0).Publications(Measure) != 0 {
		t.Error("held connections publish")
	}
}

func as(id int, role Role, room, publisher int) Connection {
	return Connection{ID: id, Role: role, Room: room, Publisher: publisher}
}

func TestRoles(t *testing.T) {
	for _, row := range []struct {
		settings []string
		worker   int
		want     []Connection
	}{
		{[]string{"connections=5", "rooms=2", "workers=2"}, 0,
			[]Connection{as(0, Subscriber, 0, -1), as(1, Subscriber, 1, -1), as(5, Publisher, 0, 0)}},
		{[]string{"connections=5", "rooms=2", "workers=2"}, 1,
			[]Connection{as(2, Subscriber, 0, -1), as(3, Subscriber, 1, -1), as(4, Subscriber, 0, -1), as(6, Publisher, 1, 1)}},
		{[]string{"workload=echo", "connections=3", "workers=2"}, 0, []Connection{as(0, Echoer, 0, 0), as(2, Echoer, 2, 2)}},
		{[]string{"workload=connect", "connections=3", "workers=2"}, 1, []Connection{as(1, Holder, 0, -1), as(2, Holder, 0, -1)}},
	} {
		if got := made(t, row.settings...).Share(row.worker).Connections; !slices.Equal(got, row.want) {
			t.Errorf("%v worker %d: %v, want %v", row.settings, row.worker, got, row.want)
		}
	}
}

func TestNewRefusesAnInvalidScenario(t *testing.T) {
	s := scenario.Default()
	s.Publishers = 0
	if _, err := New(s, 1); err == nil || !strings.Contains(err.Error(), "plan scenario adhoc: publishers: 0 is out of range") {
		t.Errorf("error %v", err)
	}
}

// drawn is any small plan that publishes.
func drawn(t *rapid.T) *Plan {
	s := scenario.Default()
	s.Connections = rapid.IntRange(1, 60).Draw(t, "connections")
	s.Workers = rapid.IntRange(1, min(5, s.Connections)).Draw(t, "workers")
	s.Rate = scenario.Rate(rapid.Float64Range(0.5, 300).Draw(t, "rate"))
	if rapid.Bool().Draw(t, "poisson") {
		s.Arrivals = scenario.Poisson
	}
	if rapid.Bool().Draw(t, "sizes") {
		s.Size, s.Sizes = 0, []scenario.WeightedSize{{Size: 64, Weight: 3}, {Size: 1000, Weight: 1}}
	}
	s.Phases.WarmUp = time.Duration(rapid.IntRange(0, 2000).Draw(t, "warm-up")) * time.Millisecond
	s.Phases.Measure = time.Duration(rapid.IntRange(2000, 4000).Draw(t, "measure")) * time.Millisecond
	if rapid.Bool().Draw(t, "echo") {
		s.Workload, s.Rooms, s.Membership, s.Publishers, s.Target.Publish = scenario.Echo, 0, "", 0, ""
	} else {
		drawMembers(t, &s)
		s.Rooms = rapid.IntRange(1, s.Connections).Draw(t, "rooms")
		s.Publishers = s.Rooms * rapid.IntRange(1, 3).Draw(t, "publishers per room")
	}
	p, err := New(s, rapid.Uint64().Draw(t, "seed"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func drawMembers(t *rapid.T, s *scenario.Scenario) {
	s.Membership = rapid.SampledFrom([]scenario.Membership{scenario.RoundRobin, "zipf:0.5", "zipf:1", "zipf:3"}).Draw(t, "membership")
	if s.Connections >= 4 && rapid.Bool().Draw(t, "throttled") {
		s.Slow = scenario.Slow{Share: 0.25, Buffer: 4 << 10}
		s.Silent.Share = scenario.Share(rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "silent"))
		s.Churn.Rate = 1
	}
}

// Due times are within their phase, but for the rounding of the last ones.
func TestDueTimesDoNotDecrease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		for ph, d := range []time.Duration{WarmUp: p.Scenario().Phases.WarmUp, Measure: p.Scenario().Phases.Measure} {
			last := time.Duration(0)
			for k := range p.Publications(Phase(ph)) {
				due := p.At(Phase(ph), k).Due
				if due < last || due > d {
					t.Fatalf("%v %d is due at %v, after %v and within %v", Phase(ph), k, due, last, d)
				}
				last = due
			}
		}
	})
}

func TestSequencesHaveNoHoles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		next := make([]uint64, p.Publishers())
		for _, ph := range []Phase{WarmUp, Measure} {
			for k := range p.Publications(ph) {
				pub := p.At(ph, k)
				if pub.Sequence != next[pub.Publisher] || pub.Room != p.PublisherRoom(pub.Publisher) ||
					pub.Publisher != pub.Room+p.Slot(pub.Publisher)*p.Rooms() {
					t.Fatalf("%v %d: %+v, want sequence %d", ph, k, pub, next[pub.Publisher])
				}
				next[pub.Publisher]++
			}
		}
	})
}

func TestSharesPartitionTheConnections(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		members, readers, publishers := make([]int, p.Rooms()), make([]int, p.Rooms()), make([]int, p.Rooms())
		seen := make([]bool, p.Connections())
		for w := range p.Workers() {
			share, publishing := p.Share(w), 0
			for _, c := range share.Connections {
				if seen[c.ID] {
					t.Fatalf("connection %d is in two shares", c.ID)
				}
				seen[c.ID] = true
				if c.Role != Publisher {
					members[c.Room]++
					if !c.Slow && !c.Silent {
						readers[c.Room]++
					}
				}
				if c.Publisher >= 0 {
					publishers[c.Room]++
					publishing++
				}
			}
			if publishing != share.Publishers() {
				t.Fatalf("worker %d has %d publishers, says %d", w, publishing, share.Publishers())
			}
		}
		if slices.Contains(seen, false) {
			t.Fatal("a connection is in no share")
		}
		for room := range members {
			if members[room] < 1 || members[room] != p.RoomSubscribers(room) || readers[room] != p.RoomReaders(room) ||
				publishers[room] != p.RoomPublishers(room) {
				t.Fatalf("room %d has %d subscribers, %d readers and %d publishers, says %d, %d and %d", room,
					members[room], readers[room], publishers[room], p.RoomSubscribers(room), p.RoomReaders(room), p.RoomPublishers(room))
			}
		}
	})
}

func TestIndexIsTheInverseOfAt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		for _, ph := range []Phase{WarmUp, Measure} {
			for k := range p.Publications(ph) {
				if pub := p.At(ph, k); p.Index(ph, pub.Publisher, pub.Sequence) != k {
					t.Fatalf("%v: publication %d is %+v, which has index %d", ph, k, pub, p.Index(ph, pub.Publisher, pub.Sequence))
				}
			}
		}
	})
}

func TestAShareIsThePlanFiltered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		for _, ph := range []Phase{WarmUp, Measure} {
			want := make([][]Publication, p.Workers())
			for k := range p.Publications(ph) {
				pub := p.At(ph, k)
				w := pub.Publisher % p.Workers()
				want[w] = append(want[w], pub)
			}
			for w := range want {
				share := p.Share(w)
				var got []Publication
				for i := range share.Publications(ph) {
					got = append(got, share.At(ph, i))
				}
				if !slices.Equal(got, want[w]) {
					t.Fatalf("%v worker %d: %v, want %v", ph, w, got, want[w])
				}
			}
		}
	})
}

func BenchmarkShareAt(b *testing.B) {
	s := scenario.Default()
	s.Rooms, s.Publishers, s.Workers, s.Rate = 10, 30, 4, 1e6
	p, err := New(s, 1)
	if err != nil {
		b.Fatal(err)
	}
	share, i := p.Share(3), 0
	b.ReportAllocs()
	for b.Loop() {
		share.At(Measure, i)
		i++
	}
}

func TestShareAtDoesNotAllocate(t *testing.T) {
	p := made(t, "workers=2", "publishers=4", "arrivals=poisson", "sizes=64B:1,128B:2,1KiB:1")
	share := p.Share(1)
	if n := testing.AllocsPerRun(100, func() { share.At(Measure, 3) }); n != 0 {
		t.Errorf("%v allocations per publication", n)
	}
}
