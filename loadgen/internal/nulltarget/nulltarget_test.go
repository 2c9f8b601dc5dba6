package nulltarget

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/perturb"
	"fanbench/loadgen/internal/stamp"
	"fanbench/server/frame"
)

// patience bounds each wait; a passing test does not need it.
const patience = 10 * time.Second

func start(t *testing.T, c Config) *Target {
	t.Helper()
	target, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := target.Stop(); err != nil {
			t.Error(err)
		}
	})
	return target
}

// peer is one connection to the target.
type peer struct {
	*testing.T
	net.Conn
	in     *bufio.Reader
	parser frame.Parser
	rest   []byte
}

func dial(t *testing.T, target *Target, path string) *peer {
	t.Helper()
	c, err := net.DialTimeout("tcp", target.Address().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p := &peer{T: t, Conn: c, in: bufio.NewReader(c)}
	// In two pieces: a head may be cut anywhere. The key and its answer are
	// those of RFC 6455 §1.3.
	p.write([]byte("GET " + path + " HTTP/1.1\r\nHost: x\r\nSec-Web"))
	p.write([]byte("Socket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	answer, err := http.ReadResponse(p.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%s: %s, %v", path, answer.Status, answer.Header)
	}
	return p
}

func (p *peer) write(b []byte) {
	p.Helper()
	if _, err := p.Write(b); err != nil {
		p.Fatal(err)
	}
}

func (p *peer) send(op ws.OpCode, payload []byte) {
	p.Helper()
	p.write(frame.AppendMasked(nil, op, payload, [4]byte{1, 2, 3, 4}))
}

// receive is the next message.
func (p *peer) receive() frame.Message {
	p.Helper()
	config := &frame.Config{Role: frame.Client, MaxMessage: 1 << 24}
	for {
		if len(p.rest) > 0 {
			m, n, ok, err := p.parser.Next(config, p.rest)
			if err != nil {
				p.Fatal(err)
			}
			p.rest = p.rest[n:]
			if ok {
				m.Payload = bytes.Clone(m.Payload)
				return m
			}
		}
		b := make([]byte, 64<<10)
		n, err := p.in.Read(b)
		if err != nil {
			p.Fatal(err)
		}
		p.rest = b[:n]
	}
}

// publication is a payload of a publisher's.
func publication(room, publisher int, sequence uint64, due int64) []byte {
	b := make([]byte, 64)
	stamp.Padding(b[stamp.Size:])
	stamp.Encode(b, stamp.Stamp{Run: 1, Room: room, Publisher: publisher, Sequence: sequence, Due: due})
	return b
}

func TestEcho(t *testing.T) {
	p := dial(t, start(t, Config{}), "/echo")
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		want := bytes.Repeat([]byte{'x'}, size)
		go p.send(ws.OpText, want) // the largest does not fit the buffers
		if m := p.receive(); m.Op != ws.OpText || !bytes.Equal(m.Payload, want) {
			t.Errorf("%d bytes came back as %d, opcode %v", size, len(m.Payload), m.Op)
		}
	}
	p.send(ws.OpPing, []byte("now?"))
	if m := p.receive(); m.Op != ws.OpPong || string(m.Payload) != "now?" {
		t.Errorf("ping answered by %v %q", m.Op, m.Payload)
	}
	p.send(ws.OpClose, frame.AppendClosePayload(nil, ws.StatusNormalClosure, ""))
	if m := p.receive(); m.Op != ws.OpClose {
		t.Errorf("close answered by %v", m.Op)
	}
	if n, err := p.in.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the close: %d bytes, %v", n, err)
	}
}

func TestUnknownPath(t *testing.T) {
	c, err := net.DialTimeout("tcp", start(t, Config{}).Address().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /nowhere HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if answer, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || answer.StatusCode != http.StatusNotFound {
		t.Errorf("%v, %v", answer, err)
	}
}

// Each member of the room gets each publication, in order, whether they are
// batched or not; other rooms and publishers get nothing.
func TestBroadcast(t *testing.T) {
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprintf("batch %v", batch), func(t *testing.T) {
			target := start(t, Config{Batch: batch})
			members := []*peer{dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a")}
			other, publisher := dial(t, target, "/rooms/b"), dial(t, target, "/rooms/a?self=0")
			for i := range 100 {
				publisher.send(ws.OpBinary, publication(0, 0, uint64(i), 0))
			}
			for _, m := range members {
				for i := range 100 {
					if got := m.receive(); got.Op != ws.OpBinary || !bytes.Equal(got.Payload, publication(0, 0, uint64(i), 0)) {
						t.Fatalf("delivery %d: %v %q", i, got.Op, got.Payload)
					}
				}
			}
			for _, p := range []*peer{other, publisher} {
				p.send(ws.OpPing, nil)
				if m := p.receive(); m.Op != ws.OpPong {
					t.Errorf("%v before the pong", m.Op)
				}
			}
		})
	}
}

// A member that reads nothing holds nobody up, and misses nothing.
func TestAMemberThatFallsBehind(t *testing.T) {
	target := start(t, Config{})
	slow, quick, publisher := dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a?self=0")
	payload := bytes.Repeat([]byte{'x'}, 1<<20)
	const n = 32 // more than any buffer holds
	for range n {
		publisher.send(ws.OpText, payload)
		if m := quick.receive(); len(m.Payload) != len(payload) {
			t.Fatalf("%d bytes", len(m.Payload))
		}
	}
	for i := range n {
		if m := slow.receive(); !bytes.Equal(m.Payload, payload) {
			t.Fatalf("delivery %d: %d bytes", i, len(m.Payload))
		}
	}
}

// A member that has gone leaves the others their places.
func TestAMemberThatLeaves(t *testing.T) {
	target := start(t, Config{})
	first, second, publisher := dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a?self=0")
	first.send(ws.OpClose, nil)
	first.receive()
	publisher.send(ws.OpText, []byte("still there?"))
	if m := second.receive(); string(m.Payload) != "still there?" {
		t.Errorf("%q", m.Payload)
	}
}

// What is delayed comes after its delay and in its publisher's order, and does
// not hold up what is not. The notes say when each was written.
func TestDelays(t *testing.T) {
	const delay = 50 * time.Millisecond
	target := start(t, Config{Record: true, Delays: []time.Duration{0, delay}})
	member, publisher := dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a?self=0")
	var all []byte // in one write, so that they arrive together
	for i := range 4 {
		all = frame.AppendMasked(all, ws.OpText, publication(0, (i+1)%2, uint64(i/2), 0), [4]byte{1, 2, 3, 4})
	}
	publisher.write(all)
	var got []string
	for range 4 {
		s, verdict := stamp.Find(member.receive().Payload)
		if verdict != stamp.Sound {
			t.Fatal("not sound")
		}
		got = append(got, fmt.Sprintf("%d/%d", s.Publisher, s.Sequence))
	}
	if want := []string{"0/0", "0/1", "1/0", "1/1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	report, err := target.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if w := report.Written; report.Publications != 4 || len(w) != 4 || !slices.IsSorted(w) || w[2]-w[1] < int64(delay)/2 {
		t.Errorf("%+v", report)
	}
}

// The notes count from the due times in the stamps.
func TestNotesCountFromDue(t *testing.T) {
	target := start(t, Config{Record: true})
	member, publisher := dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a?self=0")
	for i, due := range []int64{0, int64(time.Hour)} {
		publisher.send(ws.OpText, publication(0, 0, uint64(i), due))
		member.receive()
	}
	report, err := target.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if w := report.Written; len(w) != 2 || w[0] <= 0 || w[1] > w[0]-int64(time.Hour)+int64(patience) {
		t.Errorf("%v", w)
	}
}

// During a stall nothing is written, and what came meanwhile is written after.
func TestStall(t *testing.T) {
	const stall = 50 * time.Millisecond
	target := start(t, Config{Record: true, Stall: stall, StallAt: 2})
	member, publisher := dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a?self=0")
	for i := range 4 {
		publisher.send(ws.OpText, publication(0, 0, uint64(i), 0))
	}
	for range 4 {
		member.receive()
	}
	report, err := target.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if w := report.Written; len(w) != 4 || w[1]-w[0] < int64(stall) {
		t.Errorf("%v", w)
	}
}

// TestFaults draws what each kind does to six publications of one publisher:
// it befalls the third.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		kind perturb.Kind
		want string
	}{
		{perturb.Drop, "0 1 3 4 5"},
		{perturb.Double, "0 1 2 2 3 4 5"},
		{perturb.Swap, "0 1 3 2 4 5"},
		{perturb.Corrupt, "0 1 corrupt 3 4 5"},
		{perturb.Misroute, "0 1 2 stray 3 4 5"},
	} {
		for _, batch := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, batch %v", c.kind, batch), func(t *testing.T) {
				target := start(t, Config{Batch: batch, Faults: []perturb.Fault{{Kind: c.kind, Member: 1, Publisher: 7, Sequence: 2, Byte: 50, Flip: 1}}})
				spared, struck := dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a")
				other, publisher := dial(t, target, "/rooms/b"), dial(t, target, "/rooms/a?self=0")
				other.send(ws.OpText, publication(1, 1, 0, 0))
				other.receive() // the other room has had a publication
				var all []byte
				for i := range 6 {
					all = frame.AppendMasked(all, ws.OpText, publication(0, 7, uint64(i), 0), [4]byte{1, 2, 3, 4})
				}
				publisher.write(all)
				for peer, want := range map[*peer]string{spared: "0 1 2 3 4 5", struck: c.want} {
					if got := sequences(peer, strings.Count(want, " ")+1); got != want {
						t.Errorf("%s, want %s", got, want)
					}
				}
				report, err := target.Stop()
				if err != nil {
					t.Fatal(err)
				}
				want := perturb.Counts{}
				want[c.kind] = 1
				if report.Committed != want {
					t.Errorf("committed %v", report.Committed)
				}
			})
		}
	}
}

// sequences are what n messages say.
func sequences(p *peer, n int) string {
	var all []string
	for range n {
		s, verdict := stamp.Find(p.receive().Payload)
		switch {
		case verdict != stamp.Sound:
			all = append(all, "corrupt")
		case s.Room != 0:
			all = append(all, "stray")
		default:
			all = append(all, fmt.Sprint(s.Sequence))
		}
	}
	return strings.Join(all, " ")
}

// What could not be committed is not reported as committed.
func TestFaultsThatNeverCame(t *testing.T) {
	target := start(t, Config{Faults: []perturb.Fault{
		{Kind: perturb.Drop, Member: 5, Publisher: 0, Sequence: 0},
		{Kind: perturb.Swap, Member: 0, Publisher: 0, Sequence: 0},     // its next one never comes
		{Kind: perturb.Misroute, Member: 1, Publisher: 0, Sequence: 0}, // there is no other room
	}})
	dial(t, target, "/rooms/a")
	member, publisher := dial(t, target, "/rooms/a"), dial(t, target, "/rooms/a?self=0")
	publisher.send(ws.OpText, publication(0, 0, 0, 0))
	if got := sequences(member, 1); got != "0" {
		t.Error(got)
	}
	if report, err := target.Stop(); err != nil || report.Committed != (perturb.Counts{}) {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestStartRefuses(t *testing.T) {
	if target, err := Start(Config{Record: true, Faults: make([]perturb.Fault, 1)}); err == nil {
		t.Errorf("recording and faults: %v", target.Address())
	}
}

// Serve greets, serves until its input ends, and reports.
func TestServe(t *testing.T) {
	in, config := io.Pipe()
	answers, out := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(in, out) }()
	if err := json.NewEncoder(config).Encode(Config{Record: true}); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(answers)
	var hello greeting
	if err := decoder.Decode(&hello); err != nil || hello.Address.Port() == 0 {
		t.Fatalf("%+v, %v", hello, err)
	}
	c, err := net.DialTimeout("tcp", hello.Address.String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	config.Close()
	var report Report
	if err := decoder.Decode(&report); err != nil || report.Publications != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := Serve(strings.NewReader("no JSON"), io.Discard); err == nil {
		t.Error("a configuration that is none was taken")
	}
}

// The target must not pay for garbage while it broadcasts.
func TestBroadcastDoesNotAllocate(t *testing.T) {
	target := start(t, Config{})
	dial(t, target, "/rooms/a")
	if _, err := target.Stop(); err != nil { // the loop is ours from here on
		t.Fatal(err)
	}
	l := target.loop
	r := l.rooms["a"]
	c := r.members[0]
	r.log, r.frames = make([]byte, 0, 1<<20), make([]entry, 0, 1<<12)
	encoded := frame.AppendFrame(nil, ws.OpText, publication(0, 0, 0, 0))
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	c.fd, c.gone = pair[0], false
	if n := testing.AllocsPerRun(100, func() { l.publish(r, encoded, entry{}) }); n != 0 {
		t.Errorf("%v allocations for a publication", n)
	}
	if c.next != len(r.frames) {
		t.Error("the socket did not take everything: this measured something else")
	}
}
