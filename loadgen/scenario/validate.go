package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Validate reports everything that is wrong with a resolved scenario, as
// [Problems] that name the key, the value found and what is accepted.
func (s Scenario) Validate() error {
	c := &checker{Scenario: s}
	// What else is right depends on the workload.
	if c.workload() {
		c.load()
		c.members()
		c.handshake()
		c.phases()
		c.generator()
		c.names()
		c.conditions()
	}
	if len(c.problems) > 0 {
		return c.problems
	}
	return nil
}

// checker collects what is wrong with a scenario.
type checker struct {
	Scenario
	problems Problems
}

// want notes a problem with a key unless ok.
func (c *checker) want(ok bool, key, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
	}
}

// within notes a whole number outside its range.
func (c *checker) within(key string, n, low, high int) {
	c.want(n >= low && n <= high, key, "%d is out of range; want %d to %d", n, low, high)
}

func (c *checker) workload() (known bool) {
	names := []string{string(Fanout), string(Echo), string(Connect)}
	known = slices.Contains(names, string(c.Workload))
	c.want(known, "workload", "%q is unknown%s; want fanout, echo or connect", c.Workload, suggestion(string(c.Workload), names))
	return known
}

func (c *checker) load() {
	c.want(c.Version >= 1, "version", "%d is out of range; want 1 or more", c.Version)
	c.within("connections", c.Connections, 1, MaxConnections)
	c.want(c.Rate >= 0 && c.Rate <= 1e9, "rate", "%v is out of range; want at most 1000000000/s", c.Rate)
	if c.Workload == Fanout {
		c.fanout()
	} else {
		c.notFor("rooms", c.Rooms == 0)
		c.notFor("publishers", c.Publishers == 0)
		c.notFor("target.publish", c.Target.Publish == "")
	}
	if c.Workload == Connect {
		c.notFor("rate", c.Rate == 0)
		c.notFor("size", c.Size == 0)
		c.notFor("sizes", len(c.Sizes) == 0)
		c.notFor("arrivals", c.Arrivals == "")
		c.notFor("payload", c.Payload == "")
	} else {
		c.payload()
		c.arrivals()
	}
	if c.ClosedLoop() {
		c.within("window", c.Window, 1, 1024)
		c.want(c.LatencyFrom != FromDue, "latency-from",
			`"due" needs due times, and an echo at rate 0 is a closed loop; set rate, or want "sent"`)
	} else {
		c.want(c.Window == 0, "window", "%d messages in flight need a closed loop; leave it out, or want workload echo at rate 0", c.Window)
	}
}

func (c *checker) payload() {
	c.want(c.Payload == Padding || c.Payload == JSON, "payload", "%q is unknown; want padding or json", c.Payload)
	if len(c.Sizes) == 0 {
		c.size("size", c.Size)
		return
	}
	c.want(c.Size == 0, "sizes", "stands beside size; leave one of the two out")
	c.want(len(c.Sizes) <= MaxSizes, "sizes", "%d sizes; want at most %d", len(c.Sizes), MaxSizes)
	for i, w := range c.Sizes {
		c.size("sizes", w.Size)
		c.want(w.Weight >= 1 && w.Weight <= MaxWeight, "sizes", "%v: weight %d is out of range; want 1 to %d", w, w.Weight, MaxWeight)
		twice := slices.ContainsFunc(c.Sizes[:i], func(other WeightedSize) bool { return other.Size == w.Size })
		c.want(!twice, "sizes", "%v stands twice", w.Size)
	}
}

func (c *checker) size(key string, size Size) {
	c.want(size >= MinSize && size <= MaxSize, key,
		"%v is out of range; want %dB, the length of the stamp, to %dB", size, MinSize, MaxSize)
	c.want(c.Payload != JSON || size >= MinJSONSize, key,
		"%v is too short for a payload of JSON; want %dB or more", size, MinJSONSize)
}

func (c *checker) arrivals() {
	if c.ClosedLoop() {
		c.want(c.Arrivals == "", "arrivals", "%q needs a timetable, and an echo at rate 0 is a closed loop; set rate, or leave it out", c.Arrivals)
		return
	}
	c.want(c.Arrivals == Constant || c.Arrivals == Poisson, "arrivals", "%q is unknown; want constant or poisson", c.Arrivals)
	for _, phase := range []struct {
		key string
		d   time.Duration
	}{{"phases.warm-up", c.Phases.WarmUp}, {"phases.measure", c.Phases.Measure}} {
		held, instead := "whose times a table must hold", "constant arrivals"
		if c.Workload == Fanout && phase.key == "phases.measure" {
			held, instead = "each with a record in memory", "a lower rate"
		} else if c.Arrivals != Poisson {
			continue
		}
		n := float64(c.Rate) * phase.d.Seconds()
		c.want(n <= MaxPublications, phase.key,
			"%v at %v is %.0f publications, %s; want at most %d: a shorter phase, or %s", phase.d, c.Rate, n, held, MaxPublications, instead)
	}
}

func (c *checker) fanout() {
	if c.Connections >= 1 { // else that is what is wrong
		c.want(c.Rooms >= 1 && c.Rooms <= c.Connections, "rooms",
			"%d rooms for %d connections; want 1 to connections", c.Rooms, c.Connections)
	}
	c.within("publishers", c.Publishers, 1, MaxConnections)
	if c.Rooms >= 1 && c.Publishers >= 1 {
		c.want(c.Publishers%c.Rooms == 0, "publishers",
			"%d publishers for %d rooms; want a multiple of rooms, the next is %d",
			c.Publishers, c.Rooms, (c.Publishers/c.Rooms+1)*c.Rooms)
	}
	c.want(c.Rate > 0, "rate", `a fan-out needs a rate above 0; want for example "10/s"`)
	c.path("target.publish", c.Target.Publish)
}

// notFor notes a key that does not belong to the workload.
func (c *checker) notFor(key string, unset bool) {
	c.want(unset, key, "is not for workload %s; leave it out", c.Workload)
}

func (c *checker) path(key, path string) {
	c.want(strings.HasPrefix(path, "/"), key, "%q is not a path; want one that begins with /", path)
	c.want(c.Workload != Fanout || c.Rooms <= 1 || strings.Contains(path, RoomPlaceholder), key,
		"%q leads %d rooms to one place; want a {room} in it", path, c.Rooms)
	for _, found := range placeholder.FindAllString(path, -1) {
		c.want(slices.Contains([]string{RoomPlaceholder, ConnectionPlaceholder, TokenPlaceholder}, found), key,
			"%s is unknown; want %s, %s or %s", found, RoomPlaceholder, ConnectionPlaceholder, TokenPlaceholder)
	}
}

func (c *checker) phases() {
	p := c.Phases
	c.within("phases.ramp.in-flight", p.Ramp.InFlight, 1, MaxConnections)
	c.want(p.Ramp.Timeout > 0, "phases.ramp.timeout", "0 leaves no time to connect; want for example %q", "10s")
	c.want(p.Ramp.Rate >= 0 && p.Ramp.Rate <= 1e9, "phases.ramp.rate", "%v is out of range; want at most 1000000000/s", p.Ramp.Rate)
	c.want(p.Idle >= MinIdle, "phases.idle", "%v is too short for resident memory to settle; want %v or more", p.Idle, MinIdle)
	c.want(p.Measure > 0, "phases.measure", "0 measures nothing; want for example %q", "10s")
	for _, phase := range []struct {
		key string
		d   time.Duration
	}{{"phases.ramp.timeout", p.Ramp.Timeout}, {"phases.idle", p.Idle}, {"phases.warm-up", p.WarmUp}, {"phases.measure", p.Measure}, {"phases.drain", p.Drain}} {
		c.want(phase.d >= 0 && phase.d <= 24*time.Hour, phase.key, "%v is out of range; want 0 to 24h", phase.d)
	}
	if c.Workload == Connect {
		c.notFor("phases.warm-up", p.WarmUp == 0)
		c.notFor("phases.drain", p.Drain == 0)
		return
	}
	c.want(p.Drain > 0, "phases.drain", "0 leaves deliveries no time to arrive; want for example %q", "10s")
	if c.Rate > 0 && p.Measure > 0 {
		c.want(float64(c.Rate)*p.Measure.Seconds() >= 1, "phases.measure",
			"%v at %v is less than one publication; want a longer phase or a higher rate", p.Measure, c.Rate)
	}
}

func (c *checker) generator() {
	c.within("workers", c.Workers, 1, 1024)
	if c.Workers >= 1 && c.Connections >= 1 {
		c.want(c.Workers <= c.Connections, "workers", "%d workers for %d connections; want at most one each", c.Workers, c.Connections)
	}
	c.within("loops", c.Loops, 1, 256)
	c.want(c.ReceiveBuffer == 0 || c.ReceiveBuffer >= 4<<10 && c.ReceiveBuffer <= 1<<30, "receive-buffer",
		"%v is out of range; want 4KiB to 1GiB, or 0 for the kernel's autotuning", c.ReceiveBuffer)
	c.path("target.subscribe", c.Target.Subscribe)
	c.within("server.workers", c.Server.Workers, 1, 1024)
}

func (c *checker) names() {
	c.want(c.LatencyFrom == FromDue || c.LatencyFrom == FromSent, "latency-from",
		"%q is unknown; want due or sent", c.LatencyFrom)
	c.list("require", c.Require, Groups())
	c.list("allow", c.Allow, allowances())
}

// list notes names that are unknown or stand twice.
func (c *checker) list(key string, names, known []string) {
	for i, name := range names {
		c.want(slices.Contains(known, name), key, "%q is unknown%s; want any of %s",
			name, suggestion(name, known), strings.Join(known, ", "))
		c.want(!slices.Contains(names[:i], name), key, "%q stands twice", name)
	}
}
