// Package experiment makes the pairs of a comparison: baseline and candidate in
// turn, in a balanced random order, until every scenario has its answer; and
// keeps what came of them in one file.
//
// How a trial is made is package trial's, how pairs are judged package
// compare's.
package experiment

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/revision"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// A Side is one of the two that are compared.
type Side string

const (
	Baseline  Side = result.RoleBaseline
	Candidate Side = result.RoleCandidate
)

// Arm describes a side: a revision, a program or a URL.
type Arm struct {
	Name     string             `json:"name"` // as it was asked for
	Revision *revision.Revision `json:"revision,omitempty"`
	Tags     string             `json:"tags,omitempty"` // build tags
	Program  string             `json:"program,omitempty"`
	URL      string             `json:"url,omitempty"`
	Start    *Start             `json:"start,omitempty"`
}

// Start is how any other project's server is built in its worktree and started
// there, as shell commands.
type Start struct {
	Build   string `json:"build,omitempty"`
	Command string `json:"command"`
	Path    string `json:"path,omitempty"`  // of its URLs
	Ready   string `json:"ready,omitempty"` // path that answers once it is ready
}

// String is the arm in a few words.
func (a Arm) String() string {
	s := a.Name
	if a.Revision != nil {
		if s == revision.WorkingTree {
			s = "working tree"
		}
		s += " (" + a.Revision.Short() + ")"
	}
	if a.Tags != "" {
		s += " -tags " + a.Tags
	}
	return s
}

// Experiment is everything that one comparison of two servers left behind. The
// trials' own results are in directories beside it.
type Experiment struct {
	SchemaVersion int       `json:"schema_version"`
	Kind          string    `json:"kind"`
	ID            string    `json:"id"`
	Tool          string    `json:"tool"` // bench's version
	Started       time.Time `json:"started"`
	Ended         time.Time `json:"ended"`
	Baseline      Arm       `json:"baseline"`
	Candidate     Arm       `json:"candidate"`
	// AA: both sides are the same server, to see what difference there is
	// without a change.
	AA bool `json:"aa,omitempty"`
	// Environment of the first trial; every pair was made in it.
	Environment result.Environment `json:"environment"`
	Affinity    string             `json:"affinity"`
	Seed        uint64             `json:"seed"`
	Scenarios   []Scenario         `json:"scenarios"`
	Interrupted bool               `json:"interrupted,omitempty"`
	Verdict     compare.Verdict    `json:"verdict"`
}

// Scenario is one scenario's pairs and what they say.
type Scenario struct {
	Name       string             `json:"name"`
	Hash       string             `json:"hash"`
	FromSent   bool               `json:"from_sent,omitempty"`
	Rules      compare.Rules      `json:"rules"`
	Pairs      []compare.Pair     `json:"pairs"`
	Comparison compare.Comparison `json:"comparison"`
}

// Work is a scenario that is to be compared.
type Work struct {
	Scenario scenario.Scenario
	Source   []byte
}

// Config is what [Run] needs besides the description of the experiment.
type Config struct {
	Work []Work
	// Looks are when a scenario's comparison may end, each judged at its level
	// over the number of scenarios (Bonferroni's correction).
	Looks    compare.Looks
	MostVoid int // pairs, in each scenario
	// Noise is what is known of the noise of a scenario in an environment, by
	// metric; nil if nothing is.
	Noise func(environment, scenario string) map[string]float64
	// Trial makes one trial of a scenario's pair.
	Trial func(w Work, p Place) Outcome
	// Progress is told after every pair; nil for nobody.
	Progress func(Progress)
	Now      func() time.Time
}

// Place is where in its scenario's pairs a trial stands.
type Place struct {
	Side     Side
	Pair     int // counted from 0, void ones too
	Position int // within the pair: 0 or 1
}

// Design is what the trial's result says of its place.
func (e *Experiment) Design(p Place) *result.Design {
	arm := e.Baseline
	if p.Side == Candidate {
		arm = e.Candidate
	}
	return &result.Design{GroupID: e.ID, Block: p.Pair + 1, Position: p.Position + 1, Arm: arm.String(), Role: string(p.Side)}
}

// IsTrial: the run is a trial of a comparison. [Create] names both sides in the
// group's id, bench run neither.
func IsTrial(d *result.Design) bool { return d != nil && strings.Count(d.GroupID, "-") > 1 }

// Outcome is what one trial left behind.
type Outcome struct {
	Result      *result.Result // nil if there is none
	Why         string         // there is no result, in one line; "" for not known
	Directory   string         // the run's
	Interrupted bool           // somebody wants the experiment to end
	Problem     error          // to be told, whatever else there is
}

// Progress is how far an experiment is.
type Progress struct {
	Scenario *Scenario
	// Done pairs that count of Planned, over all scenarios; Planned may shrink
	// when a sequential comparison ends early.
	Done, Planned int
	Left          time.Duration // at the pace so far
	Problem       error         // of the last pair
}

// Run makes the pairs, scenario by scenario in turn, and judges them. It ends
// early when a trial was interrupted; what there is stands.
func Run(e *Experiment, c Config) {
	e.Started = c.Now()
	for _, w := range c.Work {
		hash := w.Scenario.Hash()
		fromSent := w.Scenario.LatencyFrom == scenario.FromSent
		e.Scenarios = append(e.Scenarios, Scenario{Name: w.Scenario.Name, Hash: hash, FromSent: fromSent, Pairs: []compare.Pair{}, Rules: compare.Rules{
			Metrics: compare.Metrics(fromSent), Alpha: c.Looks.Alpha / float64(len(c.Work)),
			Pairs: c.Looks.Pairs[0], MostVoid: c.MostVoid,
		}})
	}
	orders := make([]func() bool, len(c.Work))
	for i := range orders {
		orders[i] = balanced(e.Seed + uint64(i))
	}
	for open := true; open && !e.Interrupted; {
		open = false
		for i := range e.Scenarios {
			s := &e.Scenarios[i]
			if s.finished(c) || e.Interrupted {
				continue
			}
			open = true
			problem := e.pair(s, c, c.Work[i], orders[i]())
			e.Ended = c.Now()
			e.conclude() // what is stored meanwhile says what is known
			if c.Progress != nil && !e.Interrupted {
				c.Progress(e.progress(s, c, problem))
			}
		}
	}
}

// balanced returns a source of orders, true for the baseline first: of every
// two pairs each order has one, and chance decides which comes first. A fixed
// order would favour one side by what the other leaves behind.
func balanced(seed uint64) func() bool {
	random := rand.New(rand.NewPCG(seed, 0))
	var first, second bool
	return func() bool {
		if second {
			second = false
			return !first
		}
		first, second = random.IntN(2) == 0, true
		return first
	}
}

// pair makes one pair and judges the scenario anew.
func (e *Experiment) pair(s *Scenario, c Config, w Work, baselineFirst bool) error {
	p := compare.Pair{BaselineFirst: baselineFirst, Baseline: untried(), Candidate: untried()}
	sides := []Side{Baseline, Candidate}
	if !baselineFirst {
		sides[0], sides[1] = sides[1], sides[0]
	}
	var problem error
	for position, side := range sides {
		out := c.Trial(w, Place{side, len(s.Pairs), position})
		if out.Problem != nil {
			problem = fmt.Errorf("%s: %w", side, out.Problem)
		}
		if out.Interrupted {
			e.Interrupted = true
			return problem // half a pair is none
		}
		t := Contribution(out.Result)
		if out.Why != "" {
			t.Invalid += ": " + out.Why
		}
		t.Directory = out.Directory
		if out.Result != nil && e.Environment.Key == "" {
			e.knows(out.Result.Environment, c)
		}
		if side == Baseline {
			p.Baseline = t
		} else {
			p.Candidate = t
		}
		if t.Invalid != "" && position == 0 {
			break // the pair is void already
		}
	}
	s.Pairs = append(s.Pairs, p)
	s.Comparison = compare.Judge(s.Pairs, s.Rules)
	s.goOn(c)
	return problem
}

// knows takes the environment, which the first result tells, and with it the
// noise that was measured there.
func (e *Experiment) knows(environment result.Environment, c Config) {
	e.Environment = environment
	for i := range e.Scenarios {
		e.Scenarios[i].Rules.Noise = c.Noise(environment.Key, e.Scenarios[i].Hash)
	}
}

// finished says whether a scenario has its answer, or will not get one.
func (s *Scenario) finished(c Config) bool {
	return s.Comparison.Voided > c.MostVoid || s.Comparison.Counted >= s.Rules.Pairs
}

// goOn has a sequential comparison that is inconclusive at a look go on to the
// next one.
func (s *Scenario) goOn(c Config) {
	if s.Comparison.Counted >= s.Rules.Pairs {
		s.Rules.Pairs, _ = c.Looks.Next(s.Rules.Pairs, s.Comparison.Verdict)
	}
}

func (e *Experiment) progress(s *Scenario, c Config, problem error) Progress {
	p := Progress{Scenario: s, Problem: problem}
	made := 0
	for i := range e.Scenarios {
		of := &e.Scenarios[i]
		p.Done += of.Comparison.Counted
		made += len(of.Pairs)
		if of.finished(c) {
			p.Planned += of.Comparison.Counted
		} else {
			p.Planned += of.Rules.Pairs
		}
	}
	if left := p.Planned - p.Done; left > 0 {
		p.Left = c.Now().Sub(e.Started) / time.Duration(made) * time.Duration(left)
	}
	return p
}

// conclude gives the whole the verdict that says most: a regression anywhere is
// one, and nothing is fine where something is missing.
func (e *Experiment) conclude() {
	for i := range e.Scenarios {
		if s := &e.Scenarios[i]; len(s.Pairs) == 0 { // nothing yet
			s.Comparison = compare.Judge(nil, s.Rules)
		}
	}
	for _, v := range []compare.Verdict{compare.Regression, compare.Invalid, compare.Inconclusive, compare.Improvement, compare.Equivalent} {
		for _, s := range e.Scenarios {
			if s.Comparison.Verdict == v {
				e.Verdict = v
				return
			}
		}
	}
}
