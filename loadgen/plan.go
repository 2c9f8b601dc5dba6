package main

import (
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/preflight"
	"fanbench/loadgen/scenario"
)

// planCommand prints the timetable.
type planCommand struct {
	workloadFlags
	JSON bool `name:"json" group:"Plan" help:"Print the summary as JSON."`
	CSV  bool `name:"csv" group:"Plan" help:"Print every publication of the timetable as CSV instead."`
}

// How much of a list is printed.
const (
	firstLines = 10
	lastLines  = 3
)

// Run prints what a run would do.
func (c *planCommand) Run(s streams) error {
	if c.JSON && c.CSV {
		return usage(fmt.Errorf("--json and --csv exclude each other; give one"))
	}
	asked, seed, err := c.read("")
	if err != nil {
		return err
	}
	p, err := plan.New(asked, seed)
	if err != nil {
		return usage(err)
	}
	switch {
	case c.JSON:
		return listJSON(s.out, p)
	case c.CSV:
		return listCSV(s.out, p)
	}
	_, err = fmt.Fprint(s.out, describe(p))
	return err
}

// describe is the plan as text.
func describe(p *plan.Plan) string {
	s := p.Scenario()
	need := needOf(s, thisHost)
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&b, "%s\n\n", s.Question)
	line("workload", "%s", s.Workload)
	line("connections", "%s", population(p))
	if s.Workload == scenario.Fanout && p.Rooms() > 1 {
		line("rooms", "%s", roomSizes(p))
	}
	members(line, s)
	if len(s.Sizes) > 0 {
		line("sizes", "%s", sizeShares(s))
	}
	if s.Arrivals == scenario.Poisson {
		line("arrivals", "poisson: exponential gaps of %v on average", time.Duration(float64(time.Second)/float64(s.Rate)))
	}
	if s.Deflate {
		line("compression", "permessage-deflate is offered")
	}
	line("workers", "%d, at most %d connections and %d descriptors each", s.Workers, need.PerWorker(), need.Descriptors())
	line("memory", "about %d MiB, if both ends of the connections are on this host", max(1, preflight.MemoryBytes(need)>>20))
	if s.Workload == scenario.Connect {
		line("measure", "%v: connections are held, nothing is published", s.Phases.Measure)
		return b.String()
	}
	phases(&b, p)
	return b.String()
}

// thisHost stands for a target that is not known yet.
var thisHost = netip.IPv6Loopback()

// needOf is what a run asks of this host.
func needOf(s scenario.Scenario, target netip.Addr) preflight.Need {
	need := preflight.Need{Connections: s.Connections, Workers: s.Workers, InFlight: s.Phases.Ramp.InFlight, Target: target}
	if s.Workload == scenario.Fanout {
		need.Connections += s.Publishers
		need.Records = int(float64(s.Rate)*s.Phases.Measure.Seconds()) * s.Workers * s.Loops
	}
	return need
}

// population says who connects.
func population(p *plan.Plan) string {
	s := p.Scenario()
	switch s.Workload {
	case scenario.Fanout:
		return fmt.Sprintf("%d: %s in %s, %s", p.Connections(), count(s.Connections, "subscriber"), count(s.Rooms, "room"), count(s.Publishers, "publisher"))
	case scenario.Echo:
		return fmt.Sprintf("%d, each with its own messages back", p.Connections())
	default:
		return fmt.Sprintf("%d, held open", p.Connections())
	}
}

// roomSizes says how many subscribers rooms have.
func roomSizes(p *plan.Plan) string {
	r := roomsOf(p)
	if r.Smallest == r.Largest {
		return fmt.Sprintf("%s: %s each", p.Scenario().Membership, count(r.Largest, "subscriber"))
	}
	return fmt.Sprintf("%s: %d to %d subscribers each, median %d", p.Scenario().Membership, r.Smallest, r.Largest, r.Median)
}

// members prints which subscribers are not like the others.
func members(line func(name, format string, args ...any), s scenario.Scenario) {
	if n := s.SlowSubscribers(); n > 0 {
		pace := "nothing"
		if s.Slow.Pace > 0 {
			pace = s.Slow.Pace.String()
		}
		line("slow", "%s with a buffer of %v, reading %s", count(n, "subscriber"), s.Slow.Buffer, pace)
	}
	if n := s.SilentSubscribers(); n > 0 {
		line("silent", "%s, reading and answering nothing", count(n, "subscriber"))
	}
	if n := s.Churns(); n > 0 {
		line("churn", "%v leave, %d in all; each is back %v later", s.Churn.Rate, n, scenario.ChurnAway)
	}
	if r := s.Reconnect; r.Most > 0 {
		line("reconnect", "after up to %v, then twice as much each time, up to %v", r.First, r.Most)
	}
}

// sizeShares says how often each size is drawn.
func sizeShares(s scenario.Scenario) string {
	sum, mean := 0, 0.0
	for _, w := range s.Sizes {
		sum += w.Weight
		mean += float64(w.Weight) * float64(w.Size)
	}
	var parts []string
	for _, w := range s.Sizes {
		parts = append(parts, fmt.Sprintf("%v %.3g%%", w.Size, 100*float64(w.Weight)/float64(sum)))
	}
	return fmt.Sprintf("%s; %.0f bytes on average", strings.Join(parts, ", "), mean/float64(sum))
}

// phases prints how much each phase publishes, and the beginning and the end of
// the timetable of the measured one.
func phases(b *strings.Builder, p *plan.Plan) {
	s := p.Scenario()
	if s.ClosedLoop() {
		for _, ph := range []struct {
			name string
			d    time.Duration
		}{{"warm-up", s.Phases.WarmUp}, {"measure", s.Phases.Measure}} {
			fmt.Fprintf(b, "%-12s %v: %s in flight on each connection, as fast as they come back\n", ph.name, ph.d, count(s.Window, "message"))
		}
		fmt.Fprintf(b, "drain        up to %v\n", s.Phases.Drain)
		return
	}
	for _, ph := range []plan.Phase{plan.WarmUp, plan.Measure} {
		v := volumeOf(p, ph)
		fmt.Fprintf(b, "%-12s %v: %d publications, %d deliveries\n", ph, duration(s, ph), v.Publications, v.Deliveries)
	}
	fmt.Fprintf(b, "drain        up to %v\n", s.Phases.Drain)

	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	n := p.Publications(plan.Measure)
	fmt.Fprintf(b, "\npublications of measure, %s:\n", excerpt(n))
	fmt.Fprintln(table, "due\tpublisher\troom\tsequence\tsize\tdeliveries")
	list(table, n, 6, func(k int) {
		at := p.At(plan.Measure, k)
		fmt.Fprintf(table, "%v\t%d\t%d\t%d\t%v\t%d\n", at.Due, at.Publisher, at.Room, at.Sequence, scenario.Size(at.Size), p.RoomReaders(at.Room))
	})
	if n := p.Churns(); n > 0 {
		fmt.Fprintf(b, "\nleaving in measure, %s:\n", excerpt(n))
		fmt.Fprintln(table, "connection\tleaves\tback")
		list(table, n, 3, func(k int) {
			id, leave, back := p.Churn(k)
			fmt.Fprintf(table, "%d\t%v\t%v\n", id, leave, back)
		})
	}
}

// excerpt says which of n lines a list has.
func excerpt(n int) string {
	if n <= firstLines+lastLines {
		return fmt.Sprintf("all %d", n)
	}
	return fmt.Sprintf("first %d and last %d of %d", firstLines, lastLines, n)
}

// list prints those lines and ends the table.
func list(table *tabwriter.Writer, n, columns int, line func(k int)) {
	for k := 0; k < n; k++ {
		if n > firstLines+lastLines && k == firstLines {
			fmt.Fprintln(table, "…"+strings.Repeat("\t…", columns-1))
			k = n - lastLines
		}
		line(k)
	}
	table.Flush() // a strings.Builder takes everything
}

func duration(s scenario.Scenario, ph plan.Phase) time.Duration {
	if ph == plan.WarmUp {
		return s.Phases.WarmUp
	}
	return s.Phases.Measure
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
