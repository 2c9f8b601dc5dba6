package plan

import "fanbench/loadgen/scenario"

// Share is one worker's part of a plan. Every connection and every publication
// of the plan is in exactly one share.
//
// Subscribers and held connections fall to workers in contiguous blocks, so
// that a room's members are spread over the workers. Publishers and echoers
// fall to them in turn, so that each worker's timetable is as even as the
// whole.
type Share struct {
	Worker int
	// Connections of this worker, subscribers first, then publishers.
	Connections []Connection
	plan        *Plan
}

// Share returns a worker's part, workers from 0.
func (p *Plan) Share(worker int) Share {
	share := Share{Worker: worker, plan: p}
	n, workers := p.scenario.Connections, p.scenario.Workers
	switch p.scenario.Workload {
	case scenario.Fanout:
		for id := n * worker / workers; id < n*(worker+1)/workers; id++ {
			t := p.members.throttling(id)
			share.add(Connection{ID: id, Role: Subscriber, Room: p.members.roomOf(id, p.rooms), Publisher: -1, Slow: t == slow, Silent: t == silent})
		}
		for publisher := worker; publisher < p.publishers; publisher += workers {
			share.add(Connection{ID: n + publisher, Role: Publisher, Room: p.PublisherRoom(publisher), Publisher: publisher})
		}
	case scenario.Echo:
		for id := worker; id < n; id += workers {
			share.add(Connection{ID: id, Role: Echoer, Room: id, Publisher: id})
		}
	case scenario.Connect:
		for id := n * worker / workers; id < n*(worker+1)/workers; id++ {
			share.add(Connection{ID: id, Role: Holder, Publisher: -1})
		}
	}
	return share
}

func (s *Share) add(c Connection) { s.Connections = append(s.Connections, c) }

// Publishers is how many of this worker's connections publish. They are the
// numbers Worker, Worker + workers, Worker + 2 × workers, …
func (s Share) Publishers() int {
	return turns(s.plan.publishers, s.Worker, s.plan.scenario.Workers)
}

// Publications is how many of a phase's publications fall to this worker.
func (s Share) Publications(ph Phase) int {
	first := s.plan.first(ph)
	return s.before(first+s.plan.Publications(ph)) - s.before(first)
}

// At returns the i-th of this worker's publications in a phase, i from 0, as
// [Plan.At] has it. It takes constant time.
func (s Share) At(ph Phase, i int) Publication {
	first := s.plan.first(ph)
	i += s.before(first)
	mine := s.Publishers()
	overall := i/mine*s.plan.publishers + s.Worker + i%mine*s.plan.scenario.Workers
	return s.plan.At(ph, overall-first)
}

// before is how many of the plan's first n publications fall to this worker.
func (s Share) before(n int) int {
	if s.plan.publishers == 0 {
		return 0
	}
	rounds, rest := n/s.plan.publishers, n%s.plan.publishers
	return rounds*s.Publishers() + turns(rest, s.Worker, s.plan.scenario.Workers)
}
