package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

func reading(r io.Reader) *Lines { return NewLines(io.NopCloser(r), nil) }

func histogram(values ...time.Duration) *latency.Histogram {
	h := latency.New(latency.Coarse)
	for _, v := range values {
		h.Record(v)
	}
	return h
}

// every is one message of each kind.
func every(t testing.TB) map[string]Message {
	t.Helper()
	asked, err := scenario.New(scenario.Set("rooms", "3", "--rooms"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Message{
		"hello":   {Hello: &Hello{Version: Version, PID: 17}},
		"done":    {Done: &Done{}},
		"failed":  {Failed: &Failed{Error: "a \"quoted\"\nerror"}},
		"ramp":    {Ramp: &Ramp{}},
		"begin":   {Begin: &Begin{Phase: plan.Measure, At: 1 << 60}},
		"poll":    {Poll: &Poll{}},
		"halt":    {Halt: &Halt{}},
		"count":   {Count: &Count{}},
		"closing": {Closing: &Closing{Publishers: []engine.Closing{{Publisher: 1, WarmUp: 2, Measure: 3}}}},
		"owe":     {Owe: &Owe{Closing: []engine.Closing{{Publisher: 0, Measure: 4, Holes: []ledger.Span{{First: 1, End: 3}}}}}},
		"owed":    {Owed: &Owed{Deliveries: 1 << 40}},
		"settle":  {Settle: &Settle{Closing: []engine.Closing{{Publisher: 0, WarmUp: 0, Measure: 1 << 63}}}},
		"assign": {Assign: &Assign{
			Version: Version, Worker: 2, Scenario: asked, Seed: 1<<64 - 1, RunID: 1<<30 - 1,
			Address: netip.MustParseAddrPort("127.0.0.1:9001"), Host: "localhost:9001",
			Sources: []netip.Addr{netip.MustParseAddr("127.0.0.2")}, Epoch: -5, InFlight: 8, RampRate: 12.5,
		}},
		"status": {Status: &Status{Sent: true, Ramp: &engine.Ramp{Requested: 2, Opened: 1, Seconds: 0.5,
			Failures: []result.Failure{{Bucket: "refused", Count: 1, First: "no"}}, Connect: histogram(time.Millisecond)},
			Tick: engine.Tick{Open: 1, Delivered: 7, Histograms: map[string]*latency.Histogram{
				engine.Delivery: histogram(time.Second, time.Minute), engine.SendLag: histogram(-1)}}}},
		"account": {Account: &engine.Account{Ledger: result.Ledger{Planned: 3, GapsAgree: true},
			Histograms: map[string]*latency.Histogram{engine.Delivery: histogram(time.Hour)},
			LoopCPU:    []time.Duration{1, 2}}},
		"recall":  {Recall: &Recall{From: 1, To: 3}},
		"records": {Records: &Records{{First: -3, Middle: 2, Last: 1 << 60, Count: 1<<32 - 1}, {}}},
	}
}

// text is a message as JSON, in which histograms compare by their counts.
func text(t testing.TB, m Message) string {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryMessageArrivesAsItWasSent(t *testing.T) {
	var wire bytes.Buffer
	out := NewLines(nil, discard{&wire})
	messages := every(t)
	if kinds := reflect.TypeFor[Message]().NumField(); len(messages) != kinds {
		t.Fatalf("%d kinds of message, %d of them tested", kinds, len(messages))
	}
	var sent []string
	for name, m := range messages {
		if err := out.Send(m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sent = append(sent, text(t, m))
	}
	in := reading(&wire)
	for _, want := range sent {
		m, err := in.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, m); got != want {
			t.Errorf("got  %s\nsent %s", got, want)
		}
	}
	if _, err := in.Receive(); err != io.EOF {
		t.Errorf("after the last message: %v, want EOF", err)
	}
}

func TestReceiveRefuses(t *testing.T) {
	for _, c := range []struct{ name, wire, problem string }{
		{"no JSON", "hello\n", "invalid character"},
		{"an empty line", "\n", "EOF"},
		{"an unknown kind", `{"shutdown":{}}` + "\n", `unknown field "shutdown"`},
		{"an unknown field", `{"begin":{"phase":1,"at_ns":1,"until":2}}` + "\n", `unknown field "until"`},
		{"nothing", "{}\n", "exactly one field"},
		{"null", "null\n", "exactly one field"},
		{"two things", `{"poll":{},"halt":{}}` + "\n", "exactly one field"},
		{"records that are no base64", `{"records":"AAA!"}` + "\n", "illegal base64"},
		{"a record that is cut", `{"records":"AAAA"}` + "\n", "a record is cut"},
		{"two documents", `{"poll":{}}{"poll":{}}` + "\n", "more than one document"},
		{"the wrong type", `{"begin":{"phase":"measure"}}` + "\n", "cannot unmarshal"},
		{"a torn line", `{"poll":{}`, "unexpected EOF"},
		{"a line that is too long", strings.Repeat(" ", 300) + "\n", "longer than 256 bytes"},
		{"a line without end", strings.Repeat(" ", 100_000), "longer than 256 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := reading(strings.NewReader(c.wire))
			l.max = 256
			_, err := l.Receive()
			if err == nil || err == io.EOF || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("error %v, want %q", err, c.problem)
			}
		})
	}
}

func TestSendRefuses(t *testing.T) {
	var wire bytes.Buffer
	l := NewLines(nil, discard{&wire})
	l.max = 64
	for name, m := range map[string]Message{
		"nothing":    {},
		"two things": {Poll: &Poll{}, Halt: &Halt{}},
		"too much":   {Failed: &Failed{Error: strings.Repeat("x", 64)}},
	} {
		if err := l.Send(m); err == nil {
			t.Errorf("%s was sent", name)
		}
	}
	if wire.Len() != 0 {
		t.Errorf("on the wire: %q", wire.String())
	}
	closed := errors.New("closed")
	broken := NewLines(nil, discard{failing{closed}})
	if err := broken.Send(Message{Poll: &Poll{}}); !errors.Is(err, closed) {
		t.Errorf("a broken pipe: %v", err)
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

// FuzzReceive: whatever arrives, a link answers with a message that can be sent
// on, or an error, and holds no more than its bound.
func FuzzReceive(f *testing.F) {
	for _, m := range every(f) {
		f.Add([]byte(text(f, m) + "\n"))
	}
	f.Add([]byte("{\"poll\":{}}\r\n{\"poll\":{}}\n\n"))
	f.Add([]byte("{\"status\":{\"tick\":{\"delivery\":{\"data\":\"HISTFAAAAA\"}}}}\n"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		l := reading(bytes.NewReader(wire))
		l.max = 1 << 16
		for {
			m, err := l.Receive()
			if err != nil {
				return
			}
			var again bytes.Buffer
			if err := NewLines(nil, discard{&again}).Send(m); err != nil {
				t.Fatalf("received what cannot be sent: %v", err)
			}
			if _, err := reading(&again).Receive(); err != nil {
				t.Fatalf("sent what cannot be received: %v", err)
			}
		}
	})
}
