package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/preflight"
	"fanbench/loadgen/scenario"
)

// planSummary is what plan --json prints.
type planSummary struct {
	Scenario scenario.Scenario `json:"scenario"`
	Hash     string            `json:"scenario_hash"`
	Seed     uint64            `json:"seed"`

	Connections          int   `json:"connections"` // publishers included
	Publishers           int   `json:"publishers"`
	ConnectionsPerWorker int   `json:"connections_per_worker"` // at most
	DescriptorsPerWorker int   `json:"descriptors_per_worker"`
	MemoryBytes          int64 `json:"memory_bytes"` // of both ends and the records, about

	Rooms  *planRooms            `json:"rooms,omitempty"` // of a fan-out
	Slow   int                   `json:"slow_subscribers,omitempty"`
	Silent int                   `json:"silent_subscribers,omitempty"`
	Churns int                   `json:"churns,omitempty"`
	Phases map[string]planVolume `json:"phases,omitempty"` // that have a timetable, by name
}

// planRooms is how subscribers fall to rooms.
type planRooms struct {
	Count    int `json:"count"`
	Smallest int `json:"smallest"` // subscribers
	Median   int `json:"median"`
	Largest  int `json:"largest"`
}

// planVolume is what one phase publishes. Deliveries are those that are
// expected: slow and silent subscribers do not count.
type planVolume struct {
	Seconds      float64    `json:"seconds"`
	Publications int        `json:"publications"`
	Deliveries   int        `json:"deliveries"`
	PayloadBytes int64      `json:"payload_bytes"` // of the publications
	Sizes        []planSize `json:"sizes"`
}

// planSize is how many publications have a size.
type planSize struct {
	Size         int `json:"size_bytes"`
	Publications int `json:"publications"`
}

func listJSON(out io.Writer, p *plan.Plan) error {
	s := p.Scenario()
	need := needOf(s, thisHost)
	summary := planSummary{
		Scenario: s, Hash: s.Hash(), Seed: p.Seed(),
		Connections: p.Connections(), Publishers: p.Publishers(),
		ConnectionsPerWorker: need.PerWorker(), DescriptorsPerWorker: need.Descriptors(), MemoryBytes: int64(preflight.MemoryBytes(need)),
		Slow: s.SlowSubscribers(), Silent: s.SilentSubscribers(), Churns: p.Churns(),
	}
	if s.Workload == scenario.Fanout {
		rooms := roomsOf(p)
		summary.Rooms = &rooms
	}
	if s.Workload != scenario.Connect && !s.ClosedLoop() {
		summary.Phases = map[string]planVolume{}
		for _, ph := range []plan.Phase{plan.WarmUp, plan.Measure} {
			summary.Phases[ph.String()] = volumeOf(p, ph)
		}
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(summary)
}

// listCSV prints every publication, in the order of their due times.
func listCSV(out io.Writer, p *plan.Plan) error {
	w := bufio.NewWriter(out)
	fmt.Fprintln(w, "phase,due_seconds,publisher,room,sequence,size_bytes,deliveries")
	for _, ph := range []plan.Phase{plan.WarmUp, plan.Measure} {
		for k := range p.Publications(ph) {
			at := p.At(ph, k)
			fmt.Fprintf(w, "%v,%.9f,%d,%d,%d,%d,%d\n", ph, at.Due.Seconds(), at.Publisher, at.Room, at.Sequence, at.Size, p.RoomReaders(at.Room))
		}
	}
	return w.Flush() // has the first error of all writes
}

func roomsOf(p *plan.Plan) planRooms {
	subscribers := make([]int, p.Rooms())
	for room := range subscribers {
		subscribers[room] = p.RoomSubscribers(room)
	}
	slices.Sort(subscribers)
	last := len(subscribers) - 1
	return planRooms{Count: len(subscribers), Smallest: subscribers[0], Median: subscribers[last/2], Largest: subscribers[last]}
}

func volumeOf(p *plan.Plan, ph plan.Phase) planVolume {
	v := planVolume{Seconds: duration(p.Scenario(), ph).Seconds(), Publications: p.Publications(ph)}
	bySize := map[int]int{}
	for k := range v.Publications {
		at := p.At(ph, k)
		v.Deliveries += p.RoomReaders(at.Room)
		v.PayloadBytes += int64(at.Size)
		bySize[at.Size]++
	}
	for _, w := range p.Scenario().Distribution() {
		v.Sizes = append(v.Sizes, planSize{int(w.Size), bySize[int(w.Size)]})
	}
	return v
}
