// Package progress shows how a run gets on: one line rewritten in place on a
// terminal, a plain line each second anywhere else.
//
// It formats what it is given. Time comes with each [Line], so nothing here
// reads a clock, and nothing here is a result: the summary is package result's.
package progress

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Line is the state of a run at one instant. Pointers are nil where there is
// nothing to say yet.
type Line struct {
	// Phase, and how long it has lasted of how long it will (0: not known).
	// Lines are spaced by it.
	Phase            string
	Elapsed, Planned time.Duration

	Open, Connections int      // open now, of the plan's
	Failed            int      // connections that did not open
	DeliveriesPerSec  *float64 // over the last second
	Outstanding       uint64   // expected and not yet delivered
	P50, P99          *time.Duration
	Lost              uint64
	SendLagP99        *time.Duration // the generator's own
}

// A phase has one line in each of these.
const (
	plainInterval    = time.Second
	terminalInterval = 100 * time.Millisecond
)

// Printer writes lines. It has a single owner. The zero value is not useful;
// take one from New.
type Printer struct {
	w        io.Writer
	terminal bool
	width    int // columns of the terminal; a longer line would wrap and stay

	shown bool // a line is on the terminal that the next one replaces
	phase string
	slot  time.Duration // number of the interval that has its line
}

// New returns a printer for w, rewriting in place if w is a terminal of the
// given width in columns.
func New(w io.Writer, terminal bool, width int) *Printer {
	return &Printer{w: w, terminal: terminal, width: width}
}

// Show prints the first line of each phase and then the first in each second of
// it, on a terminal in each tenth of one.
func (p *Printer) Show(l Line) {
	interval := plainInterval
	if p.terminal {
		interval = terminalInterval
	}
	slot := l.Elapsed / interval
	if l.Phase == p.phase && slot == p.slot {
		return
	}
	p.phase, p.slot = l.Phase, slot
	text := l.String()
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	if p.width > 1 && utf8.RuneCountInString(text) >= p.width {
		text = string([]rune(text)[:p.width-1])
	}
	fmt.Fprintf(p.w, "\r\x1b[2K%s", text)
	p.shown = true
}

// Note prints a remark that stays, above the live line.
func (p *Printer) Note(text string) {
	p.Done()
	fmt.Fprintln(p.w, text)
}

// Done takes the live line away; what is printed next starts at the left.
func (p *Printer) Done() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[2K")
		p.shown = false
	}
}

func (l Line) String() string {
	var parts []string
	add := func(format string, values ...any) { parts = append(parts, fmt.Sprintf(format, values...)) }

	clock := fmt.Sprintf("%.1fs", l.Elapsed.Seconds())
	if l.Planned > 0 {
		clock += fmt.Sprintf("/%gs", l.Planned.Seconds())
	}
	add("%-7s %s", l.Phase, clock)
	add("%s/%s open", group(uint64(l.Open)), group(uint64(l.Connections)))
	if l.Failed > 0 {
		add("%s failed", group(uint64(l.Failed)))
	}
	if l.DeliveriesPerSec != nil {
		add("%s deliveries/s", group(uint64(math.Round(*l.DeliveriesPerSec))))
	}
	if l.P50 != nil && l.P99 != nil {
		add("p50 %s p99 %s", short(*l.P50), short(*l.P99))
	}
	if l.DeliveriesPerSec != nil {
		add("lost %s", group(l.Lost))
	}
	if l.Outstanding > 0 {
		add("outstanding %s", group(l.Outstanding))
	}
	if l.SendLagP99 != nil {
		add("send lag p99 %s", short(*l.SendLagP99))
	}
	return strings.Join(parts, " | ")
}

// short writes a duration with three significant digits.
func short(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.size {
			v := float64(d) / float64(unit.size)
			return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Log10(v))), 64) + unit.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}

// group writes a number with commas between thousands.
func group(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
