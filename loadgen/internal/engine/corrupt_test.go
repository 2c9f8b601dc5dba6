package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/payload"
	"fanbench/loadgen/internal/stamp"
	"fanbench/loadgen/scenario"
	"fanbench/server/frame"
)

// TestEveryDamagedByteIsCorrupt flips the lowest and the highest bit of each
// byte of a payload, which makes text no text: it is counted once, nothing is
// delivered by it, and the connection stays. Frames that come whole and cut
// take different ways.
func TestEveryDamagedByteIsCorrupt(t *testing.T) {
	const size = 160
	for _, kind := range []scenario.Payload{scenario.Padding, scenario.JSON} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			t.Run(fmt.Sprintf("%s, opcode %d", kind, op), func(t *testing.T) {
				r := idleReceiver(t, 1)
				r.reader.before = payload.Before(kind)
				c := &r.conns[0]
				whole, at := payload.New(kind, size)
				stamp.Encode(whole[at:], stamp.Stamp{Run: r.reader.run})
				var damaged uint64
				for i := range whole {
					for _, flip := range []byte{1, 0x80} {
						message := bytes.Clone(whole)
						message[i] ^= flip
						b := frame.AppendFrame(nil, op, message)
						r.arrive(c, bytes.Clone(b))
						r.arrive(c, bytes.Clone(b[:20]))
						r.arrive(c, bytes.Clone(b[20:]))
						if damaged += 2; r.counts.corrupt != damaged || c.state != open {
							t.Fatalf("byte %d with %#x flipped: %d corrupt, want %d; unknown %d, state %v, failures %+v",
								i, flip, r.counts.corrupt, damaged, r.counts.unknown, c.state, r.failures)
						}
					}
				}
				if n := r.account.Counts().Delivered; n != 0 {
					t.Errorf("%d delivered", n)
				}
				r.arrive(c, frame.AppendFrame(nil, op, whole))
				if n := r.account.Counts().Delivered; n != 1 || r.counts.corrupt != damaged {
					t.Errorf("undamaged: %d delivered, %d corrupt", n, r.counts.corrupt)
				}
			})
		}
	}
}
