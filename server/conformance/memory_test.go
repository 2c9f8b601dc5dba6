package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Rows 28, 37 and 57: what a peer declares, asks for without reading the answers, or has inflated, costs the server at most 1 MiB
// of resident memory while it happens.
//
// The highest resident size since the row's start is compared with the size before it. Go's heap grows by garbage up to its next
// collection, which is no cost of the row's; therefore good messages of the largest size go first, on as many connections, until
// the heap has found its level. The row's very first run is measured: what it cost once, the heap would keep. The server is never
// built with the race detector, whose own memory would hide everything.
func TestMemory(t *testing.T) {
	for name, row := range map[string]struct {
		number int
		flags  []string
		terms  *Terms
		good   int // messages per connection; small send buffers make them slow
		run    func(*program) error
	}{
		"row 28 declared lengths":         {28, nil, nil, 10, declared},
		"row 37 pings and nobody to read": {37, []string{"--sndbuf", "4KiB"}, nil, 1, pingsUnread},
		"row 57 a bomb":                   {57, []string{"--deflate"}, &Terms{ClientBits: AnyBits}, 10, bomb},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, programs.lean, row.flags...)
			w := attend(t, s, "memory", witnessPace(byDefault))
			if err := goodMessages(s, row.terms, row.good); err != nil {
				t.Fatal(err)
			}
			before := s.residentBytes(t, "VmRSS")
			s.forgetPeak(t)
			if err := row.run(s); err != nil {
				t.Fatal(err)
			}
			grown := s.residentBytes(t, "VmHWM") - before
			t.Logf("from %d KiB by %d KiB", before>>10, grown>>10)
			if grown > 1<<20 {
				t.Errorf("resident memory grew by %d bytes, want %d at most", grown, 1<<20)
			}
			if _, err := w.leave(); err != nil {
				t.Errorf("witness: %v", err)
			}
			ran.Lock()
			ran.rows[row.number] = true
			ran.Unlock()
			count(&ran.inputs)
			count(&ran.splits)
		})
	}
}

// peers are how many connections do the same at once.
const peers = 8

// goodMessages sends messages of the largest size, count on each of several connections.
func goodMessages(s *program, terms *Terms, count int) error {
	m := Message{Op: opText, Payload: materials()[0].part(0, 64<<10), Frames: 16 << 10, Deflate: terms != nil}
	for range 5 * peers {
		link, err := Dial(s.listen, "/echo", terms)
		if err == nil {
			err = link.Play(inTurn("good", count, m))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// declared has several connections declare huge messages, and small enough ones that never come, at once.
func declared(s *program) error {
	for _, length := range []uint64{1<<63 - 1, 1 << 40, 64<<10 + 1} {
		for range peers {
			link, err := Dial(s.listen, "/echo", nil)
			if err != nil {
				return err
			}
			if err := link.Play(failing("28", "", Whole, 1009, steps(Frame{Op: opBinary, Declared: length}))); err != nil {
				return err
			}
		}
	}
	var waiting []*Link
	for range peers {
		link, err := Dial(s.listen, "/echo", nil)
		if err != nil {
			return err
		}
		waiting = append(waiting, link)
		// All of the payload is allowed and none comes. The pong says that the server has read the header.
		header := Frame{Op: opBinary, Declared: 64 << 10, More: true}.append(ping("read").append(nil, Client, newRandom("28")), Client, newRandom("28"))
		if _, err := link.Write(header); err != nil {
			return err
		}
		r := reader{from: link.from, role: Client}
		if f, err := r.notPing(); err != nil || f.Op != opPong {
			return fmt.Errorf("frame %v, %w, want a pong", f, err)
		}
	}
	for _, link := range waiting {
		link.Close()
	}
	return nil
}

// bomb sends 64 KiB that inflate to 64 MiB.
func bomb(s *program) error {
	for _, c := range BadFrames(64 << 10) {
		if !strings.HasPrefix(c.ID, "57 bomb") {
			continue
		}
		for range peers {
			link, err := Dial(s.listen, "/echo", c.Terms)
			if err == nil {
				err = link.Play(c)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// pingsUnread sends pings and reads nothing until all are sent. Then there are fewer pongs than pings, in order, the last ping's
// among them, and the connection works as before.
func pingsUnread(s *program) error {
	dialer := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		return errors.Join(rc.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
		}), err)
	}}
	conn, err := dialer.Dial("tcp", s.listen)
	if err != nil {
		return err
	}
	link := newClient(conn)
	defer link.Close()
	if err := link.upgrade("/echo", nil); err != nil {
		return err
	}
	const pings = 40_000
	numbered := func(i int) string { return fmt.Sprintf("%0125d", i) }
	var all []byte
	random := newRandom("37")
	for i := range pings {
		all = ping(numbered(i)).append(all, Client, random)
	}
	all = text("on").append(all, Client, random)
	if _, err := io.Copy(link, bytes.NewReader(all)); err != nil {
		return err
	}
	r := reader{from: link.from, role: Client}
	var unfinished Message
	pongs, last := 0, ""
	for {
		m, err := r.next(&unfinished)
		if err != nil {
			return err
		}
		if m.Op == opText {
			break
		}
		if m.Op != opPong || string(m.Payload) <= last {
			return fmt.Errorf("%v after pong %q", m, last)
		}
		pongs, last = pongs+1, string(m.Payload)
	}
	if pongs >= pings || last != numbered(pings-1) {
		return fmt.Errorf("%d pongs for %d pings, the last of them %q", pongs, pings, last)
	}
	return link.Play(orderly("37", "", ByFrame, steps(text("still on")), said(text("still on"))))
}

// residentBytes reads a line of /proc/PID/status: VmRSS is the resident size, VmHWM the highest since forgetPeak.
func (s *program) residentBytes(t *testing.T, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kibibytes int
		if n, _ := fmt.Sscanf(line, name+": %d kB", &kibibytes); n == 1 {
			return kibibytes << 10
		}
	}
	t.Fatalf("no %s in /proc", name)
	return 0
}

// forgetPeak makes the resident size of now the highest (proc_pid_clear_refs(5)).
func (s *program) forgetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}
