package deflate

import (
	"fmt"
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

func BenchmarkNegotiate(b *testing.B) {
	offer := Offer{ServerMaxWindowBits: 10}.String()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := Negotiate(offer); !ok {
			b.Fatal("declined")
		}
	}
}
