//go:build linux

package gateway

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"fanbench/server/internal/http1"
)

func TestPace(t *testing.T) {
	at := func(ms ...int) []time.Duration {
		var all []time.Duration
		for _, m := range ms {
			all = append(all, time.Duration(m)*time.Millisecond)
		}
		return all
	}
	for _, test := range []struct {
		name      string
		perSecond int
		events    []time.Duration
		refused   int
	}{
		{"none is no limit", 0, at(0, 0, 0, 0, 0), 0},
		{"a second's worth at once", 4, at(0, 0, 0, 0), 0},
		{"one more", 4, at(0, 0, 0, 0, 0), 1},
		{"one more before its time", 4, at(0, 0, 0, 0, 249), 1},
		{"one more at its time", 4, at(0, 0, 0, 0, 250), 0},
		{"spread", 2, at(0, 500, 1000, 1500, 2000), 0},
		{"refused ones cost nothing", 2, at(0, 0, 0, 0, 0, 500), 3},
		{"silence saves up a second's worth only", 2, at(0, 60_000, 60_000, 60_000), 1},
		{"more than the clock can tell apart", 3, at(0, 0, 0, 0), 1},
	} {
		p, paid, refused := paceOf(test.perSecond), time.Duration(0), 0
		for _, now := range test.events {
			if !p.take(&paid, now) {
				refused++
			}
		}
		if refused != test.refused {
			t.Errorf("%s: %d refused, want %d", test.name, refused, test.refused)
		}
	}
}

func TestAdmission(t *testing.T) {
	v4, other, v6 := net.IPv4(192, 0, 2, 1), net.IPv4(192, 0, 2, 2), net.ParseIP("2001:db8::1")
	sameSite, otherSite := net.ParseIP("2001:db8::ffff:1"), net.ParseIP("2001:db8:0:1::1")
	type attempt struct {
		from    net.IP
		at      time.Duration
		leaves  bool // or asks
		refusal *http1.Refusal
	}
	for _, test := range []struct {
		name     string
		cfg      Config
		attempts []attempt
	}{
		{"no limit", Config{}, []attempt{{v4, 0, false, nil}, {v4, 0, false, nil}, {v4, 0, true, nil}, {v4, 0, true, nil}}},
		{"in all", Config{MaxConnections: 2}, []attempt{
			{v4, 0, false, nil}, {other, 0, false, nil}, {v6, 0, false, http1.RefuseBusy}, {v4, 0, true, nil}, {v6, 0, false, nil},
		}},
		{"per address", Config{MaxPerAddress: 1}, []attempt{
			{v4, 0, false, nil}, {v4, 0, false, http1.RefuseAddress}, {other, 0, false, nil}, {v4, 0, true, nil}, {v4, 0, false, nil},
		}},
		{"an IPv6 site is one address", Config{MaxPerAddress: 1}, []attempt{
			{v6, 0, false, nil}, {sameSite, 0, false, http1.RefuseAddress}, {otherSite, 0, false, nil},
		}},
		{"the refused do not count in all", Config{MaxConnections: 2, MaxPerAddress: 1}, []attempt{
			{v4, 0, false, nil}, {v4, 0, false, http1.RefuseAddress}, {other, 0, false, nil}, {v6, 0, false, http1.RefuseBusy},
		}},
		{"rate", Config{HandshakeRate: 2}, []attempt{
			{v4, 0, false, nil}, {v4, 0, true, nil}, {v4, 0, false, nil}, {v4, 0, false, http1.RefuseRate}, {other, 0, false, nil},
			{v4, time.Second, false, nil},
		}},
	} {
		a := newAdmission(test.cfg)
		for i, at := range test.attempts {
			address := &net.TCPAddr{IP: at.from, Port: 1000 + i}
			if at.leaves {
				a.release(address)
			} else if got := a.admit(address, at.at); got != at.refusal {
				t.Errorf("%s: attempt %d: %v, want %v", test.name, i, got, at.refusal)
			}
		}
	}
}

// However many addresses come and go, what is kept is of those that are here and of those that were within the last second.
func TestAdmissionForgets(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  Config
		most int
	}{
		{"connections per address", Config{MaxPerAddress: 10}, 0},
		{"rate", Config{HandshakeRate: 10}, 2 * minSweep},
	} {
		a := newAdmission(test.cfg)
		most := 0
		for i := range 100_000 {
			from := &net.TCPAddr{IP: binary.BigEndian.AppendUint32(nil, uint32(i))}
			if refusal := a.admit(from, time.Duration(i)*time.Millisecond); refusal != nil {
				t.Fatalf("%s: %v", test.name, refusal)
			}
			a.release(from)
			most = max(most, len(a.known))
		}
		if most > test.most {
			t.Errorf("%s: %d addresses known, want %d at most", test.name, most, test.most)
		}
	}
}
