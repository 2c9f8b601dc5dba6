//go:build linux

package gateway

import (
	"testing"

	"github.com/gobwas/ws"
)

// What a peer was in the middle of saying when the server closed is still frames: nothing in it is a violation, however it is cut
// into segments, and the connection ends when the peer's close frame is whole.
func TestClosingReadsOnInPieces(t *testing.T) {
	answer := masked(ws.OpClose, "\x03\xe9")
	for _, test := range []struct{ name, before, after string }{
		{"its close frame", "", answer},
		{"a message begun before", masked(ws.OpText, "half a message")[:9], masked(ws.OpText, "half a message")[9:] + answer},
		{"a message begun after", "", masked(ws.OpText, "a message") + answer},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := start(t, Config{Loops: 1})
			c := upgrade(t, g, "/rooms/r")
			l := g.loops()[0]
			half := func() (mid bool) {
				asked := make(chan bool, 1)
				l.execute(func() {
					mid := false
					l.wheel.each(func(c *conn) { mid = c.input != nil })
					asked <- mid
				})
				return <-asked
			}
			if test.before != "" {
				c.write(test.before)
				eventually(t, "half a message arrived", half)
			}
			l.execute(func() { l.drain(1) })
			c.expect(ws.OpClose, "\x03\xe9")
			for i := range test.after {
				c.write(test.after[i : i+1])
				half() // so that the loop reads, on the whole, byte by byte
			}
			c.expectEnd()
			_ = c.Close()
			eventually(t, "gone", func() bool { return g.Stats().Connections == 0 })
			if s := g.Stats(); len(s.Rejected) > 0 || len(s.GivenUp) > 0 {
				t.Errorf("rejected %v, given up %v; want neither", s.Rejected, s.GivenUp)
			}
		})
	}
}
