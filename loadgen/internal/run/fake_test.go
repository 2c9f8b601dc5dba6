package run

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/internal/control"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/output"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/internal/progress"
	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// fakeClock advances by sleeping only.
type fakeClock struct {
	now int64
	// at calls a function once the clock reaches an instant.
	at map[int64]func()
}

const origin = int64(1_000_000_000_000)

func (c *fakeClock) Mono() int64 { return c.now }
func (c *fakeClock) Wall() time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(c.now - origin))
}
func (c *fakeClock) Sleep(_ context.Context, at int64) {
	c.now = max(c.now, at)
	for when, do := range c.at {
		if c.now >= when {
			delete(c.at, when)
			do()
		}
	}
}

// fakeFleet is a target and workers whose every delivery arrives exactly
// delay after its due time, until the target dies.
type fakeFleet struct {
	t       *testing.T
	clock   *fakeClock
	plan    *plan.Plan
	delay   time.Duration
	opening time.Duration // the ramp's length
	refuse  int           // connections that do not open
	dies    int64         // Mono at which the target closes all; 0 never
	loses   int64         // Mono at which worker 1 is lost; 0 never
	sheds   int           // connections that the target closes
	shedAt  int64         // Mono at which it does
	swallow uint64        // deliveries that never arrive
	deaf    bool          // workers never finish sending
	stops   int64         // Mono at which the worker stands still for 5 s; 0 never
	excused uint64        // of what never arrives: missed by members that were away
	away    [2]int64      // Mono between which no connection is open; its deliveries arrive all the same
	outages []engine.Outage
	shown   int // measured deliveries in earlier polls
	observe func(output.Second)
	target  vitals.Source // nil is one that uses CPU and memory

	calls  []string
	ramped int64 // when the ramp began
	begun  [2]int64
	halted int64
}

var errLost = errors.New("worker 1: ended: signal: killed")

func (f *fakeFleet) call(name string) error {
	f.calls = append(f.calls, name)
	return f.missing()
}

func (f *fakeFleet) missing() error {
	if f.loses != 0 && f.clock.now >= f.loses {
		return errLost
	}
	return nil
}

func (f *fakeFleet) Assign(part func(int) control.Assign) error {
	inFlight := 0
	for w := range f.plan.Workers() {
		a := part(w)
		if a.Version != control.Version || a.Worker != w || a.Epoch != origin {
			f.t.Errorf("assignment %+v", a)
		}
		inFlight += a.InFlight
	}
	if want := f.plan.Scenario().Phases.Ramp.InFlight; inFlight != want {
		f.t.Errorf("%d handshakes in flight over all workers, want %d", inFlight, want)
	}
	return f.call("assign")
}
func (f *fakeFleet) Ramp() error { f.ramped = f.clock.now; return f.call("ramp") }
func (f *fakeFleet) Halt() error { f.halted = f.clock.now; return f.call("halt") }
func (f *fakeFleet) Begin(ph plan.Phase, at int64) error {
	if ph == plan.Measure && f.begun[plan.WarmUp] != 0 && f.published(plan.WarmUp, f.delay) != f.plan.Publications(plan.WarmUp) {
		f.t.Error("measuring began with deliveries of the warm-up outstanding")
	}
	f.begun[ph] = at
	return f.call("begin " + ph.String())
}

// published is how many publications of a phase were due this long ago.
func (f *fakeFleet) published(ph plan.Phase, ago time.Duration) int {
	if f.begun[ph] == 0 {
		return 0
	}
	now := f.clock.now
	if f.halted != 0 {
		now = min(now, f.halted+int64(ago))
	}
	if f.dies != 0 {
		now = min(now, f.dies)
	}
	n := 0
	for n < f.plan.Publications(ph) && f.begun[ph]+int64(f.plan.At(ph, n).Due)+int64(ago) <= now {
		n++
	}
	return n
}

// deliveries is how many each publication becomes; all rooms are of one size.
func (f *fakeFleet) deliveries() int {
	s := f.plan.Scenario()
	return s.Connections / max(1, s.Rooms)
}

func (f *fakeFleet) counts() (sent, delivered uint64) {
	sent = uint64(f.published(plan.WarmUp, 0) + f.published(plan.Measure, 0))
	arrived := f.published(plan.WarmUp, f.delay) + f.published(plan.Measure, f.delay)
	delivered = uint64(arrived * f.deliveries())
	return sent, delivered - min(delivered, f.swallow)
}

func (f *fakeFleet) Poll() ([]control.Status, error) {
	if f.stops != 0 && f.clock.now >= f.stops {
		f.stops = 0
		f.clock.now += int64(5 * time.Second)
	}
	n := f.plan.Connections()
	first := control.Status{Sent: !f.deaf && f.published(plan.Measure, 0) == f.plan.Publications(plan.Measure)}
	if f.begun[plan.Measure] == 0 {
		first.Sent = f.published(plan.WarmUp, 0) == f.plan.Publications(plan.WarmUp)
	}
	first.Sent = first.Sent || f.halted != 0 && !f.deaf
	first.Tick.Open = n - f.refuse
	if f.clock.now >= f.shedAt {
		first.Tick.Open -= f.sheds
	}
	first.Tick.Sent, first.Tick.Delivered = f.counts()
	first.Tick.Expected = first.Tick.Sent * uint64(f.deliveries())
	first.Tick.Loops = []time.Duration{time.Duration(f.clock.now-origin) / 4}
	first.Tick.RunDelays = []time.Duration{time.Duration(f.clock.now-origin) / 100}
	first.Tick.Histograms = f.arrived()
	if f.ramped != 0 && f.clock.now >= f.ramped+int64(f.opening) || f.halted != 0 {
		first.Ramp = f.ramp()
	}
	if f.dies != 0 && f.clock.now >= f.dies || f.away[0] <= f.clock.now && f.clock.now < f.away[1] {
		first.Tick.Open = 0
	}
	states := []control.Status{first}
	if f.plan.Workers() == 2 && f.missing() == nil {
		second := control.Status{Sent: first.Sent}
		if first.Ramp != nil {
			second.Ramp = &engine.Ramp{}
		}
		states = append(states, second)
	}
	return states, f.missing()
}

// arrived is what was measured since it was asked last.
func (f *fakeFleet) arrived() map[string]*latency.Histogram {
	h := latency.New(latency.Precise)
	for all := f.published(plan.Measure, f.delay) * f.deliveries(); f.shown < all; f.shown++ {
		h.Record(f.delay)
	}
	if h.Count() == 0 {
		return nil
	}
	return map[string]*latency.Histogram{engine.Delivery: h}
}

func (f *fakeFleet) ramp() *engine.Ramp {
	n := f.plan.Connections()
	r := &engine.Ramp{Requested: n, Opened: n - f.refuse, Seconds: f.opening.Seconds(), Connect: latency.New(latency.Precise)}
	for range r.Opened {
		r.Connect.Record(2 * time.Millisecond)
	}
	if f.refuse > 0 {
		r.Failures = []result.Failure{{Bucket: "refused", Count: uint64(f.refuse), First: "connection refused"}}
	}
	return r
}

func (f *fakeFleet) Count() ([]engine.Closing, error) {
	var closing []engine.Closing
	for p := range f.plan.Publishers() {
		closing = append(closing, engine.Closing{Publisher: p})
	}
	return closing, f.call("count")
}

// Outstanding is what has not arrived yet, or never will.
func (f *fakeFleet) Outstanding(closing []engine.Closing) (uint64, error) {
	sent, delivered := f.counts()
	return sent*uint64(f.deliveries()) - delivered - f.excused, f.missing()
}

func (f *fakeFleet) Settle(closing []engine.Closing) ([]engine.Account, error) {
	if len(closing) != f.plan.Publishers() {
		f.t.Errorf("%d closing counts of %d publishers", len(closing), f.plan.Publishers())
	}
	each := uint64(f.deliveries())
	sent, delivered := f.counts()
	planned := uint64(f.plan.Publications(plan.WarmUp) + f.plan.Publications(plan.Measure))
	measured := uint64(f.published(plan.Measure, f.delay))
	a := engine.Account{
		Ledger: result.Ledger{
			Planned: planned, Sent: sent, Unsent: planned - sent, Expected: sent * each, Delivered: delivered,
			Lost: sent*each - delivered - f.excused, LostUp: sent*each - delivered - f.excused, Excluded: f.excused, GapsAgree: true,
			MeasuredPlanned: uint64(f.plan.Publications(plan.Measure)), MeasuredSent: uint64(f.published(plan.Measure, 0)), MeasuredDelivered: measured * each,
		},
		Histograms: map[string]*latency.Histogram{engine.SendLag: histogram(), engine.Delivery: histogram(), engine.SentDelivery: histogram()},
		Left:       f.excused, Joined: f.excused, Reconnects: uint64(len(f.outages)), Outages: f.outages,
		GCPauses: 2, GCPauseTotal: 300 * time.Microsecond, GCPauseMax: 200 * time.Microsecond,
	}
	for k := range int(measured) {
		p := f.plan.At(plan.Measure, k)
		a.LastArrival = f.begun[plan.Measure] + int64(p.Due+f.delay)
		for range each {
			a.Histograms[engine.Delivery].Record(f.delay)
			a.Histograms[engine.SentDelivery].Record(f.delay - 10*time.Microsecond)
			a.ExactStamps++
		}
		a.Histograms[engine.SendLag].Record(10 * time.Microsecond)
	}
	accounts := []engine.Account{a}
	if f.plan.Workers() == 2 && f.missing() == nil {
		accounts = append(accounts, engine.Account{Ledger: result.Ledger{GapsAgree: true}})
	}
	return accounts, f.call("settle")
}

// Records: the last subscriber hears a publication a fifth of the delay later
// than the first.
func (f *fakeFleet) Records(n int, take func(from int, records []engine.PublicationRecord)) error {
	records := make([]engine.PublicationRecord, n)
	for k := range f.published(plan.Measure, f.delay) {
		records[k] = engine.PublicationRecord{First: int64(f.delay) * 4 / 5, Middle: int64(f.delay) * 9 / 10, Last: int64(f.delay), Count: uint32(f.deliveries())}
	}
	take(0, records[:n/2])
	take(n/2, records[n/2:])
	return f.missing()
}

func histogram(values ...time.Duration) *latency.Histogram {
	h := latency.New(latency.Precise)
	for _, v := range values {
		h.Record(v)
	}
	return h
}

// readings are vitals that grow by the same amount at each look.
type readings struct{ reading vitals.Reading }

func (r *readings) Read(context.Context) (vitals.Reading, error) {
	r.reading.CPUSeconds += 0.25
	r.reading.ResidentBytes += 8000
	r.reading.ContextSwitches += 100
	r.reading.Descriptors = 16
	return r.reading, nil
}

// outcome is a run with the fake fleet.
type outcome struct {
	fleet  *fakeFleet
	result *result.Result
	err    error
	lines  []progress.Line
}

func (o outcome) history() string { return strings.Join(o.fleet.calls, ", ") }

func conduct(t *testing.T, change func(*fakeFleet, context.CancelFunc), settings ...string) outcome {
	t.Helper()
	values := map[string]string{
		"connections": "8", "rooms": "2", "rate": "4/s", "size": "64B",
		"phases.warm-up": "1s", "phases.measure": "2s", "phases.drain": "3s",
	}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		values[key] = value
		if value == "" {
			delete(values, key)
		}
	}
	var options []scenario.Option
	for key, value := range values {
		options = append(options, scenario.Set(key, value, ""))
	}
	asked, err := scenario.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(asked, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	clock := &fakeClock{now: origin, at: make(map[int64]func())}
	f := &fakeFleet{t: t, clock: clock, plan: p, delay: 5 * time.Millisecond, opening: 100 * time.Millisecond}
	if change != nil {
		change(f, cancel)
	}
	if f.target == nil {
		f.target = &readings{}
	}
	o := outcome{fleet: f}
	config := Config{
		Scenario: asked, Seed: 1, RunID: "20260102T030405Z-00000001", Stamp: 1, URL: "ws://127.0.0.1:9001",
		Address: netip.MustParseAddrPort("127.0.0.1:9001"), Host: "127.0.0.1:9001",
		Tool:        result.Tool{Name: "loadgen", Version: "test", Go: "go1"},
		Environment: result.Environment{Key: "test", Factors: map[string]string{}, Detail: map[string]string{}},
		Target:      f.target, Generator: &readings{}, CPUs: 64, Local: true, Machine: machine{clock}, Observe: f.observe,
	}
	o.result, o.err = Do(ctx, config, f, clock, func(l progress.Line) { o.lines = append(o.lines, l) })
	return o
}
