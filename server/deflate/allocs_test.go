//go:build !race

package deflate

import "testing"

// Under the race detector pools drop what they are given at random, which is
// then allocated anew; everywhere else a message costs no allocation.
func TestAllocations(t *testing.T) {
	message := textBytes(1 << 10)
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		payload := Compress(nil, message, bits)
		buffer := make([]byte, 0, 2<<10)
		for name, work := range map[string]func(){
			"Compress": func() { Compress(buffer, message, bits) },
			"Shrink":   func() { Shrink(buffer, message, bits) },
			"Inflate":  func() { Inflate(buffer, payload, bits, 1<<10) },
		} {
			if n := testing.AllocsPerRun(100, work); n != 0 {
				t.Errorf("%s in a window of %d bits: %v allocations", name, bits, n)
			}
		}
	}
}

func TestNegotiateAllocations(t *testing.T) {
	offer := Offer{ServerMaxWindowBits: 10}.String()
	if n := testing.AllocsPerRun(100, func() { Negotiate(offer) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A pooled inflater keeps neither the payload nor the message.
func TestInflaterForgets(t *testing.T) {
	if _, err := Inflate(nil, Compress(nil, textBytes(1<<20), MaxWindowBits), MaxWindowBits, anySize); err != nil {
		t.Fatal(err)
	}
	f := inflaters.Get().(*inflater)
	defer f.release()
	if f.in.message != nil || f.out != nil {
		t.Errorf("keeps %d and %d bytes", len(f.in.message), cap(f.out))
	}
}
