//go:build linux

package gateway

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fanbench/server/internal/http1"
)

// admission decides which connections may stay, by their number and by where they come from. Memory is bounded by the sockets:
// an address is known while it has a connection, or had one so recently that its next one may be too soon.
type admission struct {
	connections int64 // at most; 0: any number
	perAddress  int   // likewise
	rate        pace  // of connections from one address

	admitted atomic.Int64

	mu    sync.Mutex
	known map[network]*record // nil where addresses do not matter
	sweep int                 // the number of records at which those that say nothing any more are dropped
}

// network is where connections come from as one: an IPv4 address, or the 64 bits of an IPv6 address that a site chooses its
// own addresses under.
type network [16]byte

// record is what is known of a network.
type record struct {
	connections int
	paid        time.Duration // see pace
}

// minSweep is below how many records dropping any is not worth the look.
const minSweep = 1024

func newAdmission(cfg Config) *admission {
	a := &admission{
		connections: int64(cfg.MaxConnections), perAddress: cfg.MaxPerAddress, rate: paceOf(cfg.HandshakeRate), sweep: minSweep,
	}
	if a.perAddress > 0 || a.rate.limits() {
		a.known = map[network]*record{}
	}
	return a
}

// admit counts a connection in, or says why it may not stay.
func (a *admission) admit(from net.Addr, now time.Duration) *http1.Refusal {
	if n := a.admitted.Add(1); a.connections > 0 && n > a.connections {
		a.admitted.Add(-1)
		return http1.RefuseBusy
	}
	if a.known == nil {
		return nil
	}
	refusal := a.admitFrom(networkOf(from), now)
	if refusal != nil {
		a.admitted.Add(-1)
	}
	return refusal
}

func (a *admission) admitFrom(n network, now time.Duration) *http1.Refusal {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.known[n]
	if r == nil {
		if len(a.known) >= a.sweep {
			a.forget(now)
		}
		r = &record{}
		a.known[n] = r
	}
	switch {
	case a.perAddress > 0 && r.connections >= a.perAddress:
		return http1.RefuseAddress
	case !a.rate.take(&r.paid, now):
		return http1.RefuseRate
	}
	r.connections++
	return nil
}

// forget drops the records that are as good as new. It runs when they have doubled since the last time.
func (a *admission) forget(now time.Duration) {
	for n, r := range a.known {
		if r.connections == 0 && r.paid <= now {
			delete(a.known, n)
		}
	}
	a.sweep = max(minSweep, 2*len(a.known))
}

// release counts out a connection that was admitted.
func (a *admission) release(from net.Addr) {
	a.admitted.Add(-1)
	if a.known == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := networkOf(from)
	r := a.known[n]
	r.connections--
	if r.connections == 0 && !a.rate.limits() {
		delete(a.known, n)
	}
}

func networkOf(from net.Addr) (n network) {
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return n
	}
	copy(n[:], tcp.IP.To16())
	if tcp.IP.To4() == nil {
		clear(n[8:])
	}
	return n
}

// pace allows so many events a second: spread over it, or all at once. The zero pace allows any number.
type pace struct{ each, second time.Duration }

func paceOf(perSecond int) pace {
	if perSecond <= 0 {
		return pace{}
	}
	each := time.Second / time.Duration(perSecond)
	return pace{each, each * time.Duration(perSecond)}
}

func (p pace) limits() bool { return p.each > 0 }

// take says whether an event may happen now. paid, 0 at first, is up to when earlier events have used up the allowance: a token
// bucket in one word.
func (p pace) take(paid *time.Duration, now time.Duration) bool {
	if !p.limits() {
		return true
	}
	next := max(*paid, now) + p.each
	if next-now > p.second {
		return false
	}
	*paid = next
	return true
}
