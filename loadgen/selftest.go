package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"fanbench/loadgen/internal/nulltarget"
	"fanbench/loadgen/internal/perturb"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/verdict"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// selfTestCommand has a null target commit known numbers of faults and looks
// whether the ledger reports them.
type selfTestCommand struct {
	Connections int    `default:"10000" placeholder:"N" help:"Subscribers, in four rooms."`
	Publishers  int    `default:"16" placeholder:"N" help:"Publishing connections, a multiple of four."`
	Faults      []int  `default:"0,1,1000" placeholder:"K,..." help:"How many faults of each kind the target commits, a run for each number."`
	Seed        uint64 `default:"1" placeholder:"N" help:"Of where the faults fall."`
}

// rooms of the self-test: misrouting needs another one.
const rooms = 4

// Run carries the command out.
func (c *selfTestCommand) Run(s streams) error {
	asked, faults, err := c.prepare()
	if err != nil {
		return usage(err)
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\tasked\tcommitted\treported\tas")
	wrong := false
	for i, k := range c.Faults {
		fmt.Fprintf(s.err, "loadgen: %d of each fault, %d subscribers, %d publishers\n", k, c.Connections, c.Publishers)
		ran, err := runAgainst(nulltarget.Config{Faults: faults[i]}, asked, c.Seed, s)
		if err != nil {
			return err
		}
		wrong = !enter(table, k, ran) || wrong
	}
	if err := table.Flush(); err != nil {
		return noAnswer(fmt.Errorf("print self-test: %w", err))
	}
	if wrong {
		return failure{verdict.ExitBreach, errors.New("the ledger does not report what was committed")}
	}
	return nil
}

// prepare puts the scenario together and chooses the faults of each run.
func (c *selfTestCommand) prepare() (asked scenario.Scenario, faults [][]perturb.Fault, err error) {
	if asked, err = c.scenario(); err != nil {
		return asked, nil, err
	}
	p, err := plan.New(asked, c.Seed)
	if err != nil {
		return asked, nil, err
	}
	for _, k := range c.Faults {
		if k < 0 {
			return asked, nil, fmt.Errorf("--faults %d: want 0 or more", k)
		}
		chosen, err := perturb.Choose(p, k, c.Seed)
		if err != nil {
			return asked, nil, fmt.Errorf("--faults %d: %w; use more --connections", k, err)
		}
		faults = append(faults, chosen)
	}
	return asked, faults, nil
}

// scenario has each publisher publish eight times while measuring, after two
// times before, at a rate that this host carries without haste.
func (c *selfTestCommand) scenario() (scenario.Scenario, error) {
	const deliveries = 80_000 // a second
	rate := min(max(deliveries*rooms/max(c.Connections, 1), 1), 40*c.Publishers)
	lasting := func(each int) string {
		return (time.Duration(each*c.Publishers) * time.Second / time.Duration(max(rate, 1))).String()
	}
	// What is dropped never comes: the run waits through all of its drain.
	drain := 2*time.Second + time.Duration(c.Connections)*400*time.Microsecond
	return scenario.New(
		scenario.Set("connections", strconv.Itoa(c.Connections), "--connections"),
		scenario.Set("publishers", strconv.Itoa(c.Publishers), "--publishers"),
		scenario.Set("rooms", strconv.Itoa(rooms), "rooms"),
		scenario.Set("rate", fmt.Sprintf("%d/s", rate), "rate"),
		scenario.Set("phases.warm-up", lasting(2), "warm-up"),
		scenario.Set("phases.measure", lasting(8), "measure"),
		scenario.Set("phases.drain", drain.String(), "drain"),
		scenario.Set("latency-from", string(scenario.FromSent), "latency-from"),
		scenario.Set("require", scenario.GroupLedger, "require"),
	)
}

// enter enters one run with k faults of each kind in the table. agree says that
// asked, committed and reported are the same, and the account is sound.
func enter(table io.Writer, k int, ran against) (agree bool) {
	agree = true
	for _, r := range reported(ran.result.Ledger) {
		committed := ran.report.Committed[r.kind]
		mark := ""
		if committed != k || r.count != int64(k) {
			agree, mark = false, " *"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d%s\t%s\n", r.kind, k, committed, r.count, mark, r.as)
	}
	for _, problem := range unsound(ran.result) {
		agree = false
		fmt.Fprintf(table, "%s\n", problem)
	}
	return agree
}

// report is how many faults of a kind the ledger says there were, and where.
type report struct {
	kind  perturb.Kind
	count int64
	as    string
}

func reported(l result.Ledger) []report {
	return []report{
		// What arrives corrupt cannot be told for which publication it stands:
		// its place in the sequence stays empty.
		{perturb.Drop, int64(l.Lost) - int64(l.Corrupt), "lost less corrupt: a corrupt delivery is a lost one as well"},
		{perturb.Double, int64(l.Duplicated), "duplicated"},
		{perturb.Swap, int64(l.Reordered), "reordered"},
		{perturb.Corrupt, int64(l.Corrupt), "corrupt"},
		{perturb.Misroute, int64(l.Misrouted), "misrouted"},
	}
}

// unsound says what else must hold of the account.
func unsound(r *result.Result) (problems []string) {
	l := r.Ledger
	for _, c := range []struct {
		holds bool
		text  string
	}{
		{l.Planned == l.Sent, "publications were not sent"},
		{l.Expected == l.Delivered+l.Lost+l.Excluded, "expected is not delivered + lost + excluded"},
		{l.Expected > 0 && l.Excluded == 0, "deliveries were excluded, or none expected"},
		{l.GapsAgree, "the two counts of what was lost differ"},
		{l.LostDown == 0, "deliveries were lost on closed connections"},
		{l.Foreign+l.Unknown+l.Late == 0, "messages were foreign, unknown or late"},
		{len(r.Failures) == 0, fmt.Sprintf("failures: %v", r.Failures)},
	} {
		if !c.holds {
			problems = append(problems, c.text)
		}
	}
	return problems
}
