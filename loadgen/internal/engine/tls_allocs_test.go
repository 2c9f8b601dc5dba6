//go:build !race

package engine

import (
	"bytes"
	"crypto/tls"
	"testing"
)

// TestReceivingOverTLSAllocates only what crypto/tls does: a reader of 24 bytes
// each time that it asks for more of a record, which is twice a record at most,
// however many deliveries the record holds.
func TestReceivingOverTLSAllocates(t *testing.T) {
	for _, c := range []struct {
		version uint16
		records int // to a read
	}{{tls.VersionTLS12, 1}, {tls.VersionTLS13, 1}, {tls.VersionTLS13, 10}} {
		r := idleReceiver(t, 1)
		layer, server, wire := layered(t, c.version)
		r.conns[0].tls, r.plain = layer, make([]byte, 0, plainBuffer)
		var sealed [][]byte
		for _, batch := range reads(r, glued) {
			size := len(batch) / c.records
			for at := 0; at < len(batch); at += size {
				if _, err := server.Write(batch[at:min(at+size, len(batch))]); err != nil {
					t.Fatal(err)
				}
			}
			sealed = append(sealed, bytes.Clone(wire.Bytes()))
			wire.Reset()
		}
		next := 0
		n := testing.AllocsPerRun(len(sealed)-1, func() {
			r.readAt = 1 << 60
			r.at, r.stamped = r.readAt, own
			r.take(&r.conns[0], sealed[next])
			next++
		})
		if limit := float64(2*c.records + 2); n > limit {
			t.Errorf("%x: %v allocations for %d deliveries in %d records, want %v at most", c.version, n, glued, c.records, limit)
		}
		if got := r.account.Counts(); got.Delivered != flood {
			t.Errorf("%x: %d delivered, want %d", c.version, got.Delivered, flood)
		}
		if r.counts.exact != flood/glued {
			t.Errorf("%x: %d exact stamps, want one for each of %d reads", c.version, r.counts.exact, flood/glued)
		}
		r.conns[0].tls = nil
	}
}

// TestPublishingOverTLSDoesNotAllocate: ciphertext is made in buffers that stay.
func TestPublishingOverTLSDoesNotAllocate(t *testing.T) {
	w, o, drain := freeWriter(t)
	o.tls, _, _ = layered(t, tls.VersionTLS13)
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
}
