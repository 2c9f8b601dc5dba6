package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"fanbench/loadgen/internal/engine"
)

// moving: subscribers leave and come back, so that what is outstanding is not
// what was sent times the members less what arrived.
func (c *conductor) moving() bool {
	return c.plan.Churns() > 0 || c.Scenario.Reconnect.Most > 0
}

// drainMembers is drain where the membership changes. The workers count what
// each member is owed; what it missed while it was away is not.
func (c *conductor) drainMembers(ctx context.Context) (left uint64) {
	begun := c.clock.Mono()
	until := begun + int64(c.Scenario.Phases.Drain)
	closing, err := c.fleet.Count()
	for {
		c.poll()
		c.tick(ctx, "drain", begun, c.Scenario.Phases.Drain)
		if err == nil {
			left, err = c.fleet.Outstanding(closing)
		}
		if err != nil {
			c.lose(err)
		}
		now := c.clock.Mono()
		if left == 0 || now >= until || c.lost != nil || c.gone {
			return left
		}
		c.clock.Sleep(ctx, min(until, now+int64(owedInterval)))
	}
}

// closedByTarget is how many of the connections that opened the target has
// ended, and that are not open again.
func (c *conductor) closedByTarget() int { return c.ramp.opened - c.last.open - c.last.away }

// depleted: a target of which at least half of the connections are gone has
// died, or lets nobody stay.
func (c *conductor) depleted() bool {
	gone := c.closedByTarget()
	return gone > 0 && 2*gone >= c.ramp.opened
}

// checkReturn ends a run whose target went away and has not come back.
func (c *conductor) checkReturn() {
	if c.Scenario.Reconnect.Most > 0 && c.lost == nil && c.depleted() {
		c.gone = true
		c.end(fmt.Sprintf("the target did not come back: %d of %d connections are closed", c.closedByTarget(), c.ramp.opened))
	}
}

// movement is what became of connections that left or were lost.
func (c *conductor) movement(m measured) {
	var left, joined, reconnects, lost uint64
	var outages []engine.Outage
	for _, a := range c.accounts {
		left += a.Left
		joined += a.Joined
		reconnects += a.Reconnects
		lost += a.Lost
		outages = append(outages, a.Outages...)
	}
	if c.plan.Churns() > 0 {
		m.add("churn.left", number(float64(left)), "1", "", 0)
		m.add("churn.joined", number(float64(joined)), "1", "", 0)
	}
	if c.Scenario.Reconnect.Most == 0 {
		return
	}
	m.add("reconnects", number(float64(reconnects)), "1", "", 0)
	if lost > 0 {
		c.warn(plural(int(lost), "connection that the target had closed was", "connections that the target had closed were")+
			" not open again at the end: the time to recover is not known", "lengthen phases.measure, or see the failures")
	} else if len(outages) > 0 {
		m.add("recovery_seconds", number(longest(outages).Seconds()), "seconds", "lower", reconnects)
	}
}

// longest time without a break in which some worker's connections were not all
// open.
func longest(outages []engine.Outage) time.Duration {
	slices.SortFunc(outages, func(a, b engine.Outage) int { return cmp.Compare(a.From, b.From) })
	var most int64
	whole := outages[0]
	for _, o := range outages {
		if o.From > whole.To {
			whole = o
		}
		whole.To = max(whole.To, o.To)
		most = max(most, whole.To-whole.From)
	}
	return time.Duration(most)
}
