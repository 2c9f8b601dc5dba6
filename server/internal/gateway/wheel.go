//go:build linux

package gateway

import "time"

// turns is how many groups the open connections of a loop are pinged in, one group after another over the ping interval.
const turns = 64

// A wheel knows which of a loop's connections want attention at some time. Each connection is in exactly one of its lists: hurried
// ones have a deadline, settled ones a turn at being pinged. It costs a connection 8 bytes here and 10 in itself, and no timer.
type wheel struct {
	hurried []*conn
	turns   [turns][]*conn
	deal    uint16 // the turn that the next settled connection gets
	due     uint16 // the turn that comes next
	dueAt   time.Duration
}

const (
	nowhere  = 0
	inHurry  = 1
	inTurn   = 2 // and up: inTurn+turn
	turnMask = turns - 1
)

func (w *wheel) list(place uint16) *[]*conn {
	if place == inHurry {
		return &w.hurried
	}
	return &w.turns[place-inTurn]
}

func (w *wheel) put(c *conn, place uint16) {
	w.remove(c)
	list := w.list(place)
	c.place, c.slot = place, int32(len(*list))
	*list = append(*list, c)
}

// hurry gives c a deadline, in milliseconds of the gateway's clock.
func (w *wheel) hurry(c *conn, deadline uint32) {
	c.deadline = deadline
	if c.place != inHurry {
		w.put(c, inHurry)
	}
}

// settle takes c's deadline away and gives it a turn.
func (w *wheel) settle(c *conn) {
	w.put(c, inTurn+w.deal)
	w.deal = (w.deal + 1) & turnMask
}

func (w *wheel) remove(c *conn) {
	if c.place == nowhere {
		return
	}
	list := w.list(c.place)
	last := len(*list) - 1
	moved := (*list)[last]
	(*list)[c.slot] = moved
	moved.slot = c.slot
	(*list)[last] = nil
	*list = (*list)[:last]
	c.place = nowhere
}

// expired calls f for each connection whose deadline has come. f may remove it.
func (w *wheel) expired(now uint32, f func(*conn)) {
	for i := len(w.hurried) - 1; i >= 0; i-- { // backwards: removal moves a visited one into the gap
		if c := w.hurried[i]; int32(now-c.deadline) >= 0 {
			f(c)
		}
	}
}

// turned calls f for each connection whose turn has come since the last call, with one round over interval. f may remove it.
func (w *wheel) turned(now, interval time.Duration, f func(*conn)) {
	step := interval / turns
	for range turns { // at most one round, however late the call
		if now < w.dueAt {
			return
		}
		list := &w.turns[w.due]
		for i := len(*list) - 1; i >= 0; i-- {
			f((*list)[i])
		}
		w.due = (w.due + 1) & turnMask
		w.dueAt += step
	}
	w.dueAt = now + step
}

// each calls f for every connection. f may move or remove it.
func (w *wheel) each(f func(*conn)) {
	visit := func(list *[]*conn) {
		for i := len(*list) - 1; i >= 0; i-- {
			f((*list)[i])
		}
	}
	visit(&w.hurried) // first: f moves settled ones here
	for i := range w.turns {
		visit(&w.turns[i])
	}
}
