package engine

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/loadgen/internal/plan"
)

const (
	timerTag = -2 // of the timer's events

	// politeness is how many overdue publications the sender writes, of all or of
	// one connection, before it looks at its events.
	politeness = 64
)

// The sender publishes the worker's part of the timetable, on a thread that
// never reads: publishing has precedence over receiving, or an overloaded
// generator would run late and flatter the server.
type sender struct {
	*thread
	*writer
	share    plan.Share
	outboxes []*outbox // by publisher; nil for other workers'
	timer    int       // timerfd
	before   precedence
	atBegin  time.Duration // CPU time, see Account.LoopCPU

	// The phase under way.
	phase plan.Phase
	at    int64
	next  int // publication of the share
	until int // publications of the share
}

func newSender(c Config, share plan.Share, outboxes []*outbox) (*sender, error) {
	t, err := newThread()
	if err != nil {
		return nil, err
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err == nil {
		err = t.watch(timer, timerTag, unix.EPOLLIN)
	}
	if err != nil {
		t.start(func() {}) // closes its descriptors
		return nil, fmt.Errorf("create timer: %w", err)
	}
	return &sender{thread: t, writer: newWriter(c), share: share, outboxes: outboxes, timer: timer}, nil
}

func (s *sender) loop() {
	defer unix.Close(s.timer)
	s.before.raise()
	events := make([]unix.EpollEvent, 128)
	for !s.ending {
		timeout := -1
		if !s.publishDue() {
			timeout = 0
		}
		s.rest()
		s.before.watch()
		for _, event := range events[:s.wait(events, timeout)] {
			switch event.Fd {
			case wakeupTag:
				s.collect()
			case timerTag: // it has done its work by waking us
			default:
				s.flush(s.outboxes[event.Fd])
			}
		}
	}
}

// publishDue writes what is due, and sets the timer for what is not. It returns
// false if it stopped for politeness.
func (s *sender) publishDue() bool {
	for written := 0; s.next < s.until; written++ {
		if written == politeness {
			return false
		}
		p := s.share.At(s.phase, s.next)
		due := s.at + int64(p.Due)
		if due > clock.Now() {
			s.sleepUntil(due)
			return true
		}
		s.next++
		s.publish(s.outboxes[p.Publisher], departure{
			publisher: p.Publisher, room: p.Room, sequence: p.Sequence, due: due, phase: s.phase,
		})
	}
	return true
}

// sleepUntil sets the timer. A timerfd counts in nanoseconds without slack,
// where epoll's own timeout is rounded. What is left over is send lag.
func (s *sender) sleepUntil(due int64) {
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(due)}
	// It fails for descriptors and times that are invalid: these are not.
	_ = unix.TimerfdSettime(s.timer, unix.TFD_TIMER_ABSTIME, &at, nil)
}

// rest says so when the phase's publications have all left or are unsent.
func (s *sender) rest() {
	if s.next >= s.until && s.waiting == 0 && !s.idle.Load() {
		s.idle.Store(true)
	}
}

func (s *sender) begin(ph plan.Phase, at int64) {
	if ph == plan.Measure {
		s.atBegin = cpu()
	}
	s.phase, s.at, s.next, s.until = ph, at, 0, s.share.Publications(ph)
	s.idle.Store(false)
}

// stopSending leaves the rest of the phase unsent.
func (s *sender) stopSending() {
	s.counts.unsent += uint64(s.until - s.next)
	s.next, s.stopped = s.until, true
	for _, o := range s.outboxes {
		if o != nil {
			s.clear(o)
		}
	}
	s.idle.Store(true)
}
