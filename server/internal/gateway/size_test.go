//go:build linux

package gateway

import (
	"testing"
	"unsafe"
)

// A connection's own state decides how many of them a machine holds: 144 bytes is a size class of the allocator's, and one byte more
// would cost 16.
func TestConnIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(conn{}); got > 144 {
		t.Errorf("a conn has %d bytes, want 144 at most", got)
	}
}
