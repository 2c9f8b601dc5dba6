package reader

import (
	"bytes"
	"testing"
	"time"
)

// Frames are counted once, wherever reads cut them.
func TestFramesAreCountedWhereverTheyAreCut(t *testing.T) {
	var stream []byte
	const frames = 5
	for _, header := range [][]byte{{0x81, 0}, {0x82, 125}, {0x82, 126, 0, 126}, {0x81, 1}, {0x82, 126, 0x01, 0x2c}} {
		size := int(header[1])
		if size == 126 {
			size = int(header[2])<<8 | int(header[3])
		}
		stream = append(append(stream, header...), bytes.Repeat([]byte{0x82}, size)...)
	}
	for step := 1; step <= len(stream); step++ {
		var s inbound
		got := 0
		for at := 0; at < len(stream); at += step {
			got += s.take(stream[at:min(at+step, len(stream))])
		}
		if got != frames || s != (inbound{header: s.header}) {
			t.Fatalf("in steps of %d: %d frames, want %d, and %+v is left", step, got, frames, s)
		}
	}
}

func TestReportsOfNothing(t *testing.T) {
	if r := (Report{}); r.PerDelivery() != 0 || r.SystemShare() != 0 {
		t.Errorf("%v, %v", r.PerDelivery(), r.SystemShare())
	}
	r := Report{Deliveries: 4, User: time.Second, System: 3 * time.Second}
	if r.PerDelivery() != time.Second || r.SystemShare() != 0.75 {
		t.Errorf("%v, %v", r.PerDelivery(), r.SystemShare())
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	var s inbound
	stream := append([]byte{0x82, 126, 0, 128}, make([]byte, 128)...)
	if n := testing.AllocsPerRun(100, func() { s.take(stream) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
