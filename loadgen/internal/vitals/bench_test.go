package vitals

import (
	"os"
	"testing"
)

// BenchmarkTreeRead is what a reading each second costs the machine.
func BenchmarkTreeRead(b *testing.B) {
	tree, err := NewTree(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
