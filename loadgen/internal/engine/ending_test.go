package engine

import (
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
	"fanbench/server/frame"
)

// openConn is a receiver that a test drives, with one connection whose other
// end is there. The receiver owns its descriptor.
func openConn(t *testing.T) (r *receiver, c *conn, there int) {
	t.Helper()
	r = idleReceiver(t, 1)
	here, other := socketPair(t)
	fd, err := unix.Dup(int(here))
	if err != nil {
		t.Fatal(err)
	}
	r.conns[0].fd = int32(fd)
	t.Cleanup(func() {
		if r.conns[0].fd != gone {
			unix.Close(fd)
		}
	})
	return r, &r.conns[0], int(other)
}

// readAll is what has arrived there, EAGAIN or EOF behind it left out.
func readAll(there int) (b []byte) {
	buffer := make([]byte, 1024)
	for {
		n, err := unix.Read(there, buffer)
		if err != nil || n == 0 {
			return b
		}
		b = append(b, buffer[:n]...)
	}
}

// TestTargetClosesFirst: behind the Close frames nothing is answered, and the
// TCP connection is the target's to close (RFC 6455 §5.5.1, §7.1.1).
func TestTargetClosesFirst(t *testing.T) {
	for name, c := range map[string]struct {
		arrives []byte
		code    ws.StatusCode
	}{
		"closed by the target": {frame.AppendClose(nil, ws.StatusGoingAway, ""), ws.StatusGoingAway},
		"failed by us":         {[]byte{0x83, 0}, ws.StatusProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			r, conn, there := openConn(t)
			arrives := func(b []byte) {
				t.Helper()
				if _, errno := send(int32(there), b); errno != 0 {
					t.Fatal(errno)
				}
				eventually(t, "bytes", func() bool {
					buffered, err := unix.IoctlGetInt(int(conn.fd), unix.TIOCINQ)
					return err == nil && buffered == len(b)
				})
				r.drain(conn, false)
			}
			arrives(c.arrives)
			var parser frame.Parser
			m, _, ok, err := parser.Next(&frame.Config{}, readAll(there))
			if code, _, _ := frame.ParseClose(m.Payload); !ok || err != nil || m.Op != ws.OpClose || code != c.code {
				t.Fatalf("answered %v with %d, want a Close frame with %d", m.Op, code, c.code)
			}
			arrives(frame.AppendFrame(nil, ws.OpPing, []byte("anyone?")))
			if b := readAll(there); len(b) > 0 || conn.fd == gone || conn.state != departed {
				t.Fatalf("after Close: %d bytes, descriptor %d, state %d", len(b), conn.fd, conn.state)
			}
			if err := unix.Shutdown(there, unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the end", func() bool {
				if conn.fd != gone {
					r.drain(conn, true)
				}
				return conn.fd == gone
			})
		})
	}
}

// TestTargetNeverCloses: its time is bounded (row 56, mirrored).
func TestTargetNeverCloses(t *testing.T) {
	r, conn, _ := openConn(t)
	now := clock.Now()
	r.arrive(conn, frame.AppendClose(nil, ws.StatusNormalClosure, ""))
	r.expireParting(now)
	if conn.fd == gone || r.timeout() <= 0 {
		t.Fatal("closed at once")
	}
	r.expireParting(clock.Now() + int64(partingTime))
	if conn.fd != gone || len(r.parting) != 0 || r.timeout() >= 0 {
		t.Error("left open")
	}
}
