package engine

import (
	"maps"
	"time"

	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/latency"
)

// kind numbers the histograms that an [Account] names.
type kind uint8

const (
	delivery kind = iota
	sentDelivery
	readLag
	sendLag
	blocked
	tlsHandshake
	slowDelivery
	recovery
	readDelivery
	kinds
)

var kindNames = [kinds]string{Delivery, SentDelivery, ReadLag, SendLag, Blocked, TLSHandshake, SlowDelivery, Recovery, ReadDelivery}

// receiverKinds are what a receiver records under a plan.
func receiverKinds(p *plan.Plan) []kind {
	all := []kind{delivery, sentDelivery, readLag}
	if closedLoop(p) {
		all = append(all, readDelivery)
	}
	if p.Scenario().Slow.Share > 0 {
		all = append(all, slowDelivery)
	}
	if p.Scenario().Reconnect.Most > 0 {
		all = append(all, recovery)
	}
	return all
}

// histograms are one set of a thread's recordings. The thread records into one
// set; a reader takes it and leaves an empty one, so that nothing is recorded
// twice and nothing is locked.
type histograms [kinds]*latency.Histogram

func newHistograms(wanted ...kind) *histograms {
	h := &histograms{}
	for _, k := range wanted {
		h[k] = latency.New(latency.Precise)
	}
	return h
}

func (h *histograms) record(k kind, nanoseconds int64) { h[k].Record(time.Duration(nanoseconds)) }

// merge adds o's counts of the kinds that h holds. All have one geometry:
// anything else is a programmer's error. Empty ones are not touched, here and
// in reset: memory that nothing was recorded in stays the kernel's.
func (h *histograms) merge(o *histograms) {
	for k, more := range o {
		if more == nil || more.Count() == 0 || h[k] == nil {
			continue
		}
		if err := h[k].Merge(more); err != nil {
			panic(err)
		}
	}
}

func (h *histograms) reset() {
	for _, one := range h {
		if one != nil && one.Count() > 0 {
			one.Reset()
		}
	}
}

// named is the form of an [Account].
func (h *histograms) named() map[string]*latency.Histogram {
	named := map[string]*latency.Histogram{}
	for k, one := range h {
		if one != nil {
			named[kindNames[k]] = one
		}
	}
	return named
}

// recorded is the form of a [Tick]: only those that hold a record.
func (h *histograms) recorded() map[string]*latency.Histogram {
	named := h.named()
	maps.DeleteFunc(named, func(_ string, one *latency.Histogram) bool { return one.Count() == 0 })
	return named
}
