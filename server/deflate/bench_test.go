package deflate

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"io"
	"testing"
)

var benchSizes = []int{128, 1 << 10, 64 << 10}

func BenchmarkCompress(b *testing.B) {
	for _, bits := range []int{9, 15} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("window=%d/bytes=%d", bits, size), func(b *testing.B) {
				message, buffer := textBytes(size), make([]byte, 0, size)
				compressed := 0
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					compressed = len(Compress(buffer, message, bits))
				}
				b.ReportMetric(float64(compressed), "compressed-bytes")
			})
		}
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, size := range append(benchSizes, 1<<20) {
		message := textBytes(size)
		payload := Compress(nil, message, MaxWindowBits)
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			buffer := make([]byte, 0, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Inflate(buffer, payload, MaxWindowBits, int64(size)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkInflateStandard is the same work by compress/flate, for comparison.
func BenchmarkInflateStandard(b *testing.B) {
	for _, size := range append(benchSizes, 1<<20) {
		stream := append(Compress(nil, textBytes(size), MaxWindowBits), tail+"\x01\x00\x00\xff\xff"...)
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			in, buffer := bytes.NewReader(nil), make([]byte, size)
			reader := stdflate.NewReader(in)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(stream)
				if err := reader.(stdflate.Resetter).Reset(in, nil); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(reader, buffer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNegotiate(b *testing.B) {
	offer := Offer{ServerMaxWindowBits: 10}.String()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := Negotiate(offer); !ok {
			b.Fatal("declined")
		}
	}
}
