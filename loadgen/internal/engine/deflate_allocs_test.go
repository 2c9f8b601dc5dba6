//go:build !race

package engine

import "testing"

// Under the race detector, which this file is not built for, pools drop what
// they are given at random, and that is allocated anew.
func TestReceivingDeflatedDoesNotAllocate(t *testing.T) {
	const members = 10
	r := idleReceiver(t, members)
	for i := range r.conns {
		r.conns[i].inflate = peerWindow
	}
	batches := deflated(r)
	next := 0
	if n := testing.AllocsPerRun(len(batches)-1, func() {
		for i := range members {
			r.arrive(&r.conns[i], batches[next])
		}
		next++
	}); n != 0 {
		t.Errorf("%v allocations for %d deliveries", n, members)
	}
	if got := r.account.Counts(); got.Delivered != members*flood || r.counts.corrupt+r.counts.unknown != 0 {
		t.Errorf("counts %+v, %+v", got, r.counts)
	}
}

// TestPublishingDeflatedDoesNotAllocate: a compressed publication is made in
// buffers that stay.
func TestPublishingDeflatedDoesNotAllocate(t *testing.T) {
	w, o, drain := freeWriter(t)
	o.deflate = peerWindow
	sequence := uint64(0)
	if n := testing.AllocsPerRun(200, func() {
		w.publish(o, departure{sequence: sequence})
		sequence++
		drain()
	}); n != 0 {
		t.Errorf("%v allocations a publication", n)
	}
	if w.counts.sent != sequence {
		t.Errorf("%d sent, want %d", w.counts.sent, sequence)
	}
	if first := w.frame[0]; first != 0xc1 {
		t.Errorf("first byte %#x, want a compressed text", first)
	}
}
