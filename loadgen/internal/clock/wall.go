package clock

import "time"

const (
	// stepThreshold is how far two readings of the offset may differ without a
	// step. Slewing moves both clocks alike, so the offset itself only ever
	// jumps; what remains is the readings' own width.
	stepThreshold = 10 * time.Microsecond
	// maxAge is how long an offset is used before it is read again.
	maxAge = 5 * time.Millisecond
	// suspicious is how long before its read an arrival must lie to make the
	// offset's next reading due at once. It costs little and need not be rare.
	suspicious = 100 * time.Millisecond
)

// Wall converts CLOCK_REALTIME to CLOCK_MONOTONIC by an offset that it keeps
// sampling. It has a single owner. When the wall clock is stepped, instants
// from before and after the step are both converted rightly.
type Wall struct {
	offset   int64 // realtime − monotonic
	previous int64 // before the last step
	width    int64 // uncertainty of offset
	sampled  int64 // when offset was read
	steady   int64 // no later than the last reading before the last step
	stepped  int64 // when the last step was noticed
	steps    uint64
	read     func() (wall, mono, width int64)
}

// NewWall returns a converter with a first sample.
func NewWall() *Wall { return newWall(readClocks) }

func newWall(read func() (wall, mono, width int64)) *Wall {
	w := &Wall{read: read}
	wall, mono, width := w.tight()
	w.offset, w.previous, w.width, w.sampled = wall-mono, wall-mono, width, mono
	return w
}

// Refresh samples the offset if the last sample is older than 5 ms. now is a
// current reading of [Now].
func (w *Wall) Refresh(now int64) {
	if now-w.sampled >= int64(maxAge) {
		w.sample()
	}
}

// Mono converts the CLOCK_REALTIME instant wall, of something that happened
// before the monotonic instant read. A result after read means that the clocks
// disagree; the caller clamps and counts it.
func (w *Wall) Mono(wall, read int64) int64 {
	at := wall - w.offset
	if at <= read && read-at < int64(suspicious) && at >= w.steady {
		return at
	}
	return w.doubtful(wall, read)
}

// doubtful converts an instant that lies oddly to its read, or to the last step.
// Before the step it can lie by the offset from before it only
// if that is not after the noticing, and after the step by the new one only if
// that is not before the last sample without it. An instant that a step back
// repeats can be both; the later is taken, which is nearer to its read.
func (w *Wall) doubtful(wall, read int64) int64 {
	w.sample()
	at, other := wall-w.offset, wall-w.previous
	before := other <= read && other <= w.stepped
	after := at <= read && at >= w.steady
	if before && (!after || other > at) {
		return other
	}
	return at
}

// Steps is how often the wall clock was seen to jump.
func (w *Wall) Steps() uint64 { return w.steps }

func (w *Wall) sample() {
	wall, mono, width := w.tight()
	last := w.sampled
	w.sampled = mono
	offset := wall - mono
	moved := offset - w.offset
	if limit := int64(stepThreshold) + w.width + width; moved > limit || moved < -limit {
		w.previous = w.offset
		w.offset, w.width = offset, width
		w.steady, w.stepped = last-width, mono
		w.steps++
	} else if width < w.width {
		w.offset, w.width = offset, width
	}
}

// tight reads both clocks until little came between the readings, at most
// eight times, and returns the closest pair and how far apart it may be.
func (w *Wall) tight() (wall, mono, width int64) {
	wall, mono, width = w.read()
	for range 7 {
		if width < int64(stepThreshold)/8 {
			break
		}
		if again, m, closer := w.read(); closer < width {
			wall, mono, width = again, m, closer
		}
	}
	return wall, mono, width
}

// readClocks reads CLOCK_REALTIME between two readings of CLOCK_MONOTONIC.
func readClocks() (wall, mono, width int64) {
	before := Now()
	wall = time.Now().UnixNano()
	after := Now()
	return wall, before + (after-before)/2, after - before
}
