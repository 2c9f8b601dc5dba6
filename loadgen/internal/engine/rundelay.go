package engine

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// runDelays is how long each thread, receivers first and then the sender, was
// runnable and waited for a CPU since its start; nil where the kernel does not
// count that. The threads themselves have nothing to do with it.
func (e *Engine) runDelays() []time.Duration {
	var delays []time.Duration
	for _, r := range e.receivers {
		if delay, counted := r.runDelay(); counted {
			delays = append(delays, delay)
		}
	}
	if delay, counted := e.sender.runDelay(); counted {
		delays = append(delays, delay)
	}
	if len(delays) <= len(e.receivers) {
		return nil
	}
	return delays
}

// runDelay is the second number of /proc/self/task/<tid>/schedstat: time on a
// CPU, time waiting for one, and how often it got one.
func (t *thread) runDelay() (delay time.Duration, counted bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/schedstat", t.id.Load()))
	if err != nil {
		return 0, false
	}
	var onCPU, waited, turns int64
	if n, _ := fmt.Sscan(string(text), &onCPU, &waited, &turns); n < 3 || turns == 0 {
		return 0, false
	}
	return time.Duration(waited), true
}

// identify notes which thread of the kernel runs the loop.
func (t *thread) identify() { t.id.Store(int32(unix.Gettid())) }
