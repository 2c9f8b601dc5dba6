package run

import (
	"maps"
	"slices"
	"strings"
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
)

// settle asks for the closing counts and the accounts, and merges them.
func (c *conductor) settle() {
	closing, err := c.fleet.Count()
	if err == nil {
		c.accounts, err = c.fleet.Settle(closing)
	} else {
		c.accounts, _ = c.fleet.Settle(closing) // the same workers are missing
	}
	if err != nil {
		c.lose(err)
	}
	ledger := result.Ledger{GapsAgree: len(c.accounts) == c.Scenario.Workers}
	var slow, silent result.Apart
	for _, a := range c.accounts {
		addLedger(&ledger, a.Ledger)
		addApart(&slow, a.Slow)
		addApart(&silent, a.Silent)
		c.result.Failures = result.AddFailures(c.result.Failures, a.Failures...)
		c.detail("sender_scheduling", a.SenderScheduling)
	}
	if missing := c.Scenario.Workers - len(c.accounts); missing > 0 {
		c.warn(plural(missing, "worker's account is", "workers' accounts are")+" missing: the ledger covers the others alone",
			"look at why the worker ended")
	}
	c.result.Ledger = ledger
	if c.Scenario.Slow.Share > 0 {
		c.result.Slow = &slow
	}
	if c.Scenario.Silent.Share > 0 {
		c.result.Silent = &silent
	}
}

// detail notes something that only the workers know of the machine, once for
// all that say the same.
func (c *conductor) detail(name, value string) {
	known := c.result.Environment.Detail[name]
	if value == "" || slices.Contains(strings.Split(known, "; "), value) {
		return
	}
	detail := maps.Clone(c.result.Environment.Detail) // the caller's
	if detail == nil {
		detail = make(map[string]string)
	}
	if known != "" {
		value = known + "; " + value
	}
	detail[name] = value
	c.result.Environment.Detail = detail
}

// addApart adds one worker's part.
func addApart(sum *result.Apart, part result.Apart) {
	sum.Subscribers += part.Subscribers
	sum.Ended += part.Ended
	sum.Expected += part.Expected
	sum.Delivered += part.Delivered
	sum.Missing += part.Missing
	sum.Duplicated += part.Duplicated
	sum.Reordered += part.Reordered
}

// addLedger adds one worker's part.
func addLedger(sum *result.Ledger, part result.Ledger) {
	for _, f := range []struct {
		into *uint64
		more uint64
	}{
		{&sum.Planned, part.Planned}, {&sum.Sent, part.Sent}, {&sum.Unsent, part.Unsent},
		{&sum.Expected, part.Expected}, {&sum.Delivered, part.Delivered}, {&sum.Lost, part.Lost},
		{&sum.LostUp, part.LostUp}, {&sum.LostDown, part.LostDown}, {&sum.Excluded, part.Excluded},
		{&sum.Duplicated, part.Duplicated}, {&sum.Reordered, part.Reordered}, {&sum.Corrupt, part.Corrupt},
		{&sum.Misrouted, part.Misrouted}, {&sum.Foreign, part.Foreign}, {&sum.Unknown, part.Unknown}, {&sum.Late, part.Late},
		{&sum.MeasuredPlanned, part.MeasuredPlanned}, {&sum.MeasuredSent, part.MeasuredSent}, {&sum.MeasuredDelivered, part.MeasuredDelivered},
	} {
		*f.into += f.more
	}
	sum.GapsAgree = sum.GapsAgree && part.GapsAgree
}

// Names of the histograms that are made here, of publications as all workers
// together received them. The others are the engine's.
const (
	first      = "first"      // first delivery − due time
	median     = "median"     // delivery with which half of the receivers were read − due time
	completion = "completion" // last delivery − due time
	spread     = "spread"     // last delivery − first
	connect    = "connect"    // SYN to the arrival of the 101 answer
)

// order of the histograms in the result.
var order = []string{
	engine.Delivery, engine.SentDelivery, engine.ReadDelivery, first, median, completion, spread,
	engine.SlowDelivery, engine.Recovery, engine.ReadLag, engine.SendLag, engine.Blocked, connect, engine.TLSHandshake,
}

// histograms merges the workers' histograms by name. Those without a record are
// left out.
func (c *conductor) histograms() map[string]*latency.Histogram {
	merged := make(map[string]*latency.Histogram)
	for _, a := range c.accounts {
		for name, h := range a.Histograms {
			if h == nil || h.Count() == 0 {
				continue
			}
			if sum := merged[name]; sum != nil {
				c.merged(sum.Merge(h))
			} else {
				merged[name] = h.Clone()
			}
		}
	}
	if h := c.ramp.connect; h != nil && h.Count() > 0 {
		merged[connect] = h
	}
	return merged
}

// publications records what the workers' subscribers received of each measured
// publication in the histograms first, median, completion and spread, and returns
// how many arrived at all and how many of them reached every planned subscriber.
func (c *conductor) publications(into map[string]*latency.Histogram) (all, complete uint64) {
	if c.result.Ledger.MeasuredDelivered == 0 {
		return 0, 0
	}
	for _, name := range []string{first, median, completion, spread} {
		into[name] = latency.New(latency.Precise)
	}
	err := c.fleet.Records(c.plan.Publications(plan.Measure), func(from int, records []engine.PublicationRecord) {
		for i, r := range records {
			if r.Count == 0 {
				continue
			}
			all++
			into[first].Record(time.Duration(r.First))
			if r.Middle != 0 {
				into[median].Record(time.Duration(r.Middle))
			}
			into[completion].Record(time.Duration(r.Last))
			into[spread].Record(time.Duration(r.Last - r.First))
			if int(r.Count) >= c.plan.RoomReaders(c.plan.At(plan.Measure, from+i).Room) {
				complete++
			}
		}
	})
	if err != nil {
		c.lose(err)
	}
	return all, complete
}

// encode writes the histograms into the result, in their order.
func (c *conductor) encode(histograms map[string]*latency.Histogram) {
	for _, name := range order {
		h := histograms[name]
		if h == nil {
			continue
		}
		encoded, err := result.NewHistogram(name, h)
		if err != nil {
			c.warn(err.Error(), "report this as a fault of loadgen")
			continue
		}
		c.result.Histograms = append(c.result.Histograms, encoded)
	}
}
