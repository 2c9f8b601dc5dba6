package run

import (
	"context"
	"maps"
	"slices"
	"time"

	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/result"
)

// Machine is the host that the generator runs on.
type Machine interface {
	Read() vitals.HostReading
}

// threaded is a source that also knows its threads.
type threaded interface {
	Threads() (map[vitals.ThreadID]vitals.ThreadTimes, error)
}

// hostEdges are the readings of the machine at the two ends of a stretch.
type hostEdges struct {
	machine [2]vitals.HostReading
	threads [2]map[vitals.ThreadID]vitals.ThreadTimes // of the target
	delays  [2][][]time.Duration                      // run delay of each worker's loops
	stood   time.Duration                             // standstill in the stretch
}

// takeHost reads the machine at one edge, 0 or 1, of a stretch.
func (c *conductor) takeHost(e *hostEdges, edge int) {
	if c.Machine != nil {
		e.machine[edge] = c.Machine.Read()
	}
	if target, ok := c.Target.(threaded); ok {
		e.threads[edge], _ = target.Threads() // without them their guards say nothing
	}
	e.delays[edge] = c.last.delays
	if edge == 0 {
		c.clock.begin()
	}
	c.clock.sign()
	e.stood = c.clock.stood
}

// share is a loop's largest difference between the edges as a share of the
// stretch; nil if the loops were not observed at both.
func share(edges [2][][]time.Duration, stretch time.Duration) *float64 {
	if stretch <= 0 || len(edges[0]) != len(edges[1]) {
		return nil
	}
	var most *time.Duration
	for w := range edges[0] {
		if len(edges[0][w]) != len(edges[1][w]) {
			return nil
		}
		for l, before := range edges[0][w] {
			if d := edges[1][w][l] - before; most == nil || d > *most {
				most = &d
			}
		}
	}
	if most == nil {
		return nil
	}
	return number(most.Seconds() / stretch.Seconds())
}

// absences lists the sources that the machine lacks.
func absences(r vitals.HostReading, delays bool) []result.Absence {
	absent := maps.Clone(r.Absent)
	if !delays {
		if absent == nil {
			absent = make(map[string]string)
		}
		absent[sourceDelay] = "the kernel does not count it for every loop"
	}
	var list []result.Absence
	for _, source := range slices.Sorted(maps.Keys(absent)) {
		list = append(list, result.Absence{Source: source, Reason: absent[source]})
	}
	return list
}

// sourceDelay is where run delays come from.
const sourceDelay = "/proc/self/task/*/schedstat"

// A watchman is a clock that notices when the generator stands still: in a sleep
// that takes longer than was asked, or between two signs of life without one.
type watchman struct {
	Clock
	alive int64         // Mono at the latest sign of life
	stood time.Duration // the longest standstill since the watch began
}

func (w *watchman) Sleep(ctx context.Context, at int64) {
	w.sign()
	w.alive = max(w.alive, at)
	w.Clock.Sleep(ctx, at)
	w.sign()
}

// sign is a sign of life.
func (w *watchman) sign() {
	now := w.Mono()
	w.stood = max(w.stood, time.Duration(now-w.alive))
	w.alive = now
}

// excuse takes so much of the time since the latest sign for a wait for others.
func (w *watchman) excuse(d time.Duration) { w.alive = min(w.Mono(), w.alive+int64(d)) }

// begin begins the watch anew.
func (w *watchman) begin() { w.alive, w.stood = w.Mono(), 0 }

// hostRow is the end of a row of the series, from generator_run_delay_share on.
// A row may begin with a phase, later than the row before it ended: the time is
// that between the readings.
func (c *conductor) hostRow(at int64) []*float64 {
	r := &c.rows
	elapsed := time.Duration(at - r.readAt)
	r.readAt = at
	row := []*float64{share([2][][]time.Duration{r.delays, c.last.delays}, elapsed)}
	r.delays = c.last.delays
	var d vitals.HostReading
	if c.Machine != nil {
		now := c.Machine.Read()
		d = now.Since(r.machine)
		r.machine = now
	}
	shares := c.hostShares(d, elapsed)
	return append(row, shares[:]...)
}

// hostColumns are the names of the machine's shares, in the series and as
// metrics.
var hostColumns = [...]string{"cpu_busy_share", "cpu_pressure_share", "steal_share", "throttled_share"}

// hostShares are what the machine did between two readings as shares of the
// time between them, those of CPUs of all of them; nil for what it does not
// count.
func (c *conductor) hostShares(d vitals.HostReading, elapsed time.Duration) (shares [len(hostColumns)]*float64) {
	if elapsed <= 0 {
		return shares
	}
	if d.CPU != nil && c.CPUs > 0 {
		all := elapsed.Seconds() * float64(c.CPUs)
		shares[0], shares[2] = number(d.CPU.Busy.Seconds()/all), number(d.CPU.Steal.Seconds()/all)
	}
	for i, of := range map[int]*time.Duration{1: d.Pressure, 3: d.Throttled} {
		if of != nil {
			shares[i] = number(of.Seconds() / elapsed.Seconds())
		}
	}
	return shares
}

// machine is what the machine had for generator and target over the stretch
// that the guards look at.
func (c *conductor) machine(m measured) {
	e := c.stretch()
	m.add("generator.run_delay_share", share(e.delays, e.length()), "1", "lower", 0)
	if c.Machine == nil || e.length() <= 0 {
		return
	}
	if _, delay, known := vitals.Busiest(e.threads[0], e.threads[1]); known {
		m.add("target.run_delay_share", number(delay.Seconds()/e.length().Seconds()), "1", "lower", 0)
	}
	for i, value := range c.hostShares(e.machine[1].Since(e.machine[0]), e.length()) {
		m.add(hostColumns[i], value, "1", "lower", 0)
	}
}
