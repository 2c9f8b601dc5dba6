package scenario

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// members checks who comes, goes, lags and is silent.
func (c *checker) members() {
	c.reconnect()
	if c.Workload != Fanout {
		c.notFor("membership", c.Membership == "")
		c.notFor("churn.rate", c.Churn == Churn{})
		c.notFor("slow.share", c.Slow == Slow{})
		c.notFor("silent.share", c.Silent == Silent{})
		return
	}
	s := c.Membership.Exponent()
	c.want(c.Membership == RoundRobin || s > 0 && s <= MaxExponent, "membership",
		"%q is out of range; %s, above 0 and at most %d", string(c.Membership), membershipForms, MaxExponent)
	c.slow()
	if c.Churn.Rate != 0 {
		c.churn()
	}
}

func (c *checker) slow() {
	c.share("slow.share", c.Slow.Share)
	c.share("silent.share", c.Silent.Share)
	c.want(c.SlowSubscribers()+c.SilentSubscribers() <= c.Connections, "slow.share",
		"%d slow and %d silent of %d subscribers; want at most all together",
		c.SlowSubscribers(), c.SilentSubscribers(), c.Connections)
	if c.Slow.Share == 0 {
		c.want(c.Slow.Buffer == 0, "slow.buffer", "is of slow subscribers, of which there are none; set slow.share, or leave it out")
		c.want(c.Slow.Pace == 0, "slow.pace", "is of slow subscribers, of which there are none; set slow.share, or leave it out")
		return
	}
	c.want(c.Slow.Buffer >= 4<<10 && c.Slow.Buffer <= 1<<30, "slow.buffer", "%v is out of range; want 4KiB to 1GiB", c.Slow.Buffer)
	c.want(c.Slow.Pace >= 0 && c.Slow.Pace <= 1e9, "slow.pace", "%v is out of range; want at most 1GB/s", c.Slow.Pace)
}

func (c *checker) share(key string, share Share) {
	c.want(share >= 0 && share <= 1, key, "%v is out of range; %s", share, shareForms)
}

// churn: on average a subscriber stays for at least as long as it is away.
func (c *checker) churn() {
	const often = int(time.Second / (2 * ChurnAway)) // a second
	stable := c.Connections - c.SlowSubscribers() - c.SilentSubscribers()
	c.want(c.Churn.Rate > 0 && float64(c.Churn.Rate) <= float64(often*stable), "churn.rate",
		"%v is out of range for %d subscribers that are neither slow nor silent; want at most %d/s, each %d times a second",
		c.Churn.Rate, stable, often*stable, often)
	c.want(c.Churns() >= 1, "churn.rate", "at %v nobody leaves and comes back within %v; want a higher rate or a longer phases.measure",
		c.Churn.Rate, c.Phases.Measure)
}

// Churns is how many subscribers leave and come back within the measured phase.
func (s Scenario) Churns() int {
	return max(0, int(float64(s.Churn.Rate)*(s.Phases.Measure-ChurnAway).Seconds()))
}

func (c *checker) reconnect() {
	r := c.Reconnect
	if r == (Reconnect{}) {
		return
	}
	if c.Workload == Echo {
		c.notFor("reconnect.most", false)
		return
	}
	if r.Most == 0 {
		c.want(false, "reconnect.first", "%v is the first of no waits; set reconnect.most, or leave it out", r.First)
		return
	}
	c.want(r.Most > 0 && r.Most <= time.Hour, "reconnect.most", "%v is out of range; want up to 1h", r.Most)
	c.want(r.First > 0 && r.First <= r.Most, "reconnect.first", "%v is out of range; want above 0 and up to reconnect.most, %v", r.First, r.Most)
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)

// handshake checks what the requests carry.
func (c *checker) handshake() {
	for i, h := range c.Headers {
		if err := h.check(); err != nil {
			c.want(false, "headers", "%v", err)
		}
		twice := slices.ContainsFunc(c.Headers[:i], func(other Header) bool { return strings.EqualFold(h.Name, other.Name) })
		c.want(!twice, "headers", "%s stands twice", h.Name)
	}
	c.want(c.TLS.ServerName == "" || hostName.MatchString(c.TLS.ServerName), "tls.server-name",
		`%q is not the name of a host; want for example "example.org"`, c.TLS.ServerName)
}

func (c *checker) conditions() {
	for _, condition := range c.SLO {
		if err := condition.check(); err != nil {
			c.want(false, "slo", "%v", err)
		}
	}
}
