//go:build linux && !race

package gateway

import (
	"testing"

	"github.com/gobwas/ws"
)

// The race detector has pools drop what they are given, and would count that.

func TestCompressedEchoDoesNotAllocate(t *testing.T) {
	g := start(t, Config{Loops: 1, Deflate: true})
	c := upgradeDeflating(t, g, "/echo", 0)
	out := []byte(packed(ws.OpText, compress(payloadOf(1000))))
	in := make([]byte, len(appendCompressed(nil, ws.OpText, []byte(payloadOf(1000)), 15)))
	if got := testing.AllocsPerRun(200, func() { echoRound(t, c.raw, out, in) }); got >= 1 {
		t.Errorf("%v allocations per compressed echo, want none", got)
	}
}
