//go:build linux

package gateway

import (
	"slices"

	"fanbench/server/internal/fanout"
)

// A small room's members are few on each loop, and to wake a loop for a handful of writes costs more than the writes: another thread,
// often another processor out of its sleep. So the loop that a publication came from makes those writes itself, where the other loop
// is not busy: it takes the other's helm, without waiting for it, and steps in its place.
//
// Every event is handled with the loop's helm held, so that a connection's state, its output's order and its descriptor are as
// safe with a helper as without one: a socket is closed after its connection was told so, under the helm, and left its room.

// helpful is how many members of other loops a loop visits between two waits, at most. Where there are more, or the other loop is
// busy, that one is woken: then the loops work side by side, and what comes meanwhile merges.
const helpful = 64

// debts are the loops that a loop has work for and has not woken.
type debts struct {
	loops   []*loop
	members int
}

func (d *debts) any() bool { return len(d.loops) > 0 }

// wakeFor is the fan-out's wake. by is the loop that publishes: this is its goroutine, and it has its helm.
func (l *loop) wakeFor(by *fanout.Loop, members int) {
	if by != nil && by != l.fan {
		for _, helper := range l.g.loops() {
			if helper.fan == by && helper.owe(l, members) {
				return
			}
		}
	}
	l.wake()
}

// owe takes it on to see to other's work, unless that is too much.
func (l *loop) owe(other *loop, members int) bool {
	if l.owed.members+members > helpful {
		return false
	}
	l.owed.members += members
	if !slices.Contains(l.owed.loops, other) {
		l.owed.loops = append(l.owed.loops, other)
	}
	return true
}

// settle does the work that is owed, or wakes whom it is owed to.
func (l *loop) settle() {
	for _, other := range l.owed.loops {
		if l.yielded || !other.helped() {
			other.wake()
		}
	}
	l.owed.loops, l.owed.members = l.owed.loops[:0], 0
}

// helped makes one short step in the loop's place. It says whether that was all there was to do.
func (l *loop) helped() (all bool) {
	if !l.helm.TryLock() {
		return false
	}
	defer l.helm.Unlock()
	defer l.survive(nil)
	report := l.fan.Step(helpful)
	l.heed(report)
	return !report.More
}
