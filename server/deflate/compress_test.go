package deflate

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

// Every window, with the message that comes back from two inflaters.
func TestRoundTrip(t *testing.T) {
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		for name, kind := range sampleKinds {
			t.Run(fmt.Sprintf("%d bits, %s", bits, name), func(t *testing.T) {
				for _, size := range sampleSizes {
					message := kind(size)
					out := Compress([]byte("kept"), message, bits)
					if string(out[:4]) != "kept" {
						t.Fatalf("%d bytes: begins with %q", size, out[:4])
					}
					got, err := Inflate(nil, out[4:], bits, int64(size))
					if err != nil || !bytes.Equal(got, message) {
						t.Errorf("%d bytes: %d inflated, %v", size, len(got), err)
					}
					got, err = inflateIndependently(out[4:])
					if err != nil || !bytes.Equal(got, message) {
						t.Errorf("%d bytes: %d inflated elsewhere, %v", size, len(got), err)
					}
				}
			})
		}
	}
}

// RFC 7692 §7.1.2: references keep to the window. Where there is something to
// refer to at every distance, they go beyond the next smaller one, which shows
// that their distance is seen.
func TestCompressKeepsToTheWindow(t *testing.T) {
	for bits := MinWindowBits; bits <= MaxWindowBits; bits++ {
		for name, kind := range sampleKinds {
			farthest, err := reach(Compress(nil, kind(1<<17), bits))
			if err != nil || farthest > 1<<bits || name == "genome" && farthest <= 1<<(bits-1) {
				t.Errorf("%s in a window of %d bits: reaches %d bytes back, %v", name, bits, farthest, err)
			}
		}
	}
}

// RFC 7692 §7.2.3.6 has an empty message as one byte.
func TestCompressEmpty(t *testing.T) {
	if got := Compress(nil, nil, MaxWindowBits); !bytes.Equal(got, []byte{0}) {
		t.Errorf("compresses to % x", got)
	}
}

// Without context takeover a message does not depend on those before it.
func TestCompressIsIndependent(t *testing.T) {
	message := textBytes(2000)
	want := Compress(nil, message, 9)
	for range 3 {
		if got := Compress(nil, message, 9); !bytes.Equal(got, want) {
			t.Errorf("compresses to %d other bytes, first to %d", len(got), len(want))
		}
	}
}

func TestShrink(t *testing.T) {
	tests := []struct {
		name       string
		message    []byte
		compressed bool
	}{
		{"empty", nil, false},
		{"short", bytes.Repeat([]byte("a"), incompressible), false},
		{"repetitive", bytes.Repeat([]byte("ab"), 100), true},
		{"text", textBytes(1 << 10), true},
		{"random", randomBytes(1 << 10), false},
		{"random, in several blocks", randomBytes(1 << 17), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, compressed := Shrink([]byte("kept"), test.message, MaxWindowBits)
			if compressed != test.compressed || string(out[:4]) != "kept" {
				t.Fatalf("compressed is %v, begins with %q", compressed, out[:4])
			}
			got := out[4:]
			if compressed {
				if len(got) >= len(test.message) {
					t.Errorf("shrinks to %d of %d bytes", len(got), len(test.message))
				}
				var err error
				if got, err = Inflate(nil, got, MaxWindowBits, 1<<20); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, test.message) {
				t.Errorf("carries %d other bytes", len(got))
			}
		})
	}
}

// What incompressible says of the compressor.
func TestCompressStoresShortMessages(t *testing.T) {
	for size := 1; size <= incompressible; size++ {
		message := bytes.Repeat([]byte("a"), size)
		if got := Compress(nil, message, MaxWindowBits); len(got) <= size {
			t.Errorf("%d bytes compress to %d", size, len(got))
		}
	}
}

func TestConcurrently(t *testing.T) {
	message := textBytes(5000)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			var payload, got []byte
			for i := range 20 {
				bits := MinWindowBits + (worker+i)%8
				payload = Compress(payload[:0], message, bits)
				var err error
				if got, err = Inflate(got[:0], payload, bits, 5000); err != nil || !bytes.Equal(got, message) {
					t.Errorf("%d bits: %d bytes, %v", bits, len(got), err)
				}
			}
		})
	}
	group.Wait()
}
