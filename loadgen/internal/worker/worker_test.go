package worker

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"fanbench/loadgen/internal/control"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEngine records what it is told, and ramps until it is let.
type fakeEngine struct {
	config engine.Config
	let    chan struct{}

	mu    sync.Mutex
	calls []string
}

func (e *fakeEngine) note(call string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, call)
}

func (e *fakeEngine) history() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.calls, " ")
}

func (e *fakeEngine) Ramp(ctx context.Context) engine.Ramp {
	select {
	case <-e.let:
		return engine.Ramp{Requested: 5, Opened: 5}
	case <-ctx.Done():
		return engine.Ramp{Requested: 5, NotAttempted: 5}
	}
}

func (e *fakeEngine) Begin(ph plan.Phase, at int64) { e.note("begin " + ph.String()) }
func (e *fakeEngine) Sent() bool                    { return true }
func (e *fakeEngine) StopSending()                  { e.note("stop") }
func (e *fakeEngine) Tick() engine.Tick             { return engine.Tick{Open: 5} }
func (e *fakeEngine) Closing() []engine.Closing     { return []engine.Closing{{Publisher: 0, Measure: 9}} }
func (e *fakeEngine) Outstanding(closing []engine.Closing) uint64 {
	return 2 * closing[0].Measure
}
func (e *fakeEngine) Close() error { e.note("close"); return nil }
func (e *fakeEngine) Settle(closing []engine.Closing) engine.Account {
	return engine.Account{ClosedByTarget: closing[0].Measure}
}

func (e *fakeEngine) Records(from, to int) []engine.PublicationRecord {
	return []engine.PublicationRecord{{First: int64(from), Last: int64(to)}}
}

// session is a worker under test and the coordinator's end of its link.
type session struct {
	t      *testing.T
	engine *fakeEngine
	link   *control.Lines
	ended  chan error
}

func start(t *testing.T) *session {
	t.Helper()
	downR, downW := io.Pipe()
	upR, upW := io.Pipe()
	s := &session{t: t, engine: &fakeEngine{let: make(chan struct{})}, link: control.NewLines(upR, downW), ended: make(chan error, 1)}
	go func() {
		s.ended <- Serve(control.NewLines(downR, upW), func(c engine.Config) (Engine, error) {
			if !c.Address.IsValid() {
				return nil, errors.New("no address")
			}
			s.engine.config = c
			return s.engine, nil
		})
	}()
	if m := s.receive(); m.Hello == nil || m.Hello.Version != control.Version || m.Hello.PID == 0 {
		t.Fatalf("first message %+v", m)
	}
	t.Cleanup(func() { s.link.Close() })
	return s
}

func (s *session) receive() control.Message {
	s.t.Helper()
	m, err := s.link.Receive()
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

func (s *session) ask(m control.Message) control.Message {
	s.t.Helper()
	if err := s.link.Send(m); err != nil {
		s.t.Fatal(err)
	}
	return s.receive()
}

func (s *session) order(m control.Message) {
	s.t.Helper()
	if answer := s.ask(m); answer.Done == nil {
		s.t.Fatalf("answer %+v", answer)
	}
}

func (s *session) ramped() *engine.Ramp {
	s.t.Helper()
	for {
		if status := s.ask(control.Message{Poll: &control.Poll{}}).Status; status.Ramp != nil {
			return status.Ramp
		}
	}
}

func assignment() control.Message {
	asked := scenario.Default()
	return control.Message{Assign: &control.Assign{Version: control.Version, Scenario: asked, RunID: 3,
		Address: netip.MustParseAddrPort("127.0.0.1:1"), Host: "target", InFlight: 4}}
}

func TestServeTakesAnEngineThroughARun(t *testing.T) {
	s := start(t)
	s.order(assignment())
	if c := s.engine.config; c.Host != "target" || c.InFlight != 4 || c.RunID != 3 || c.Plan.Connections() != 1001 {
		t.Errorf("configuration %+v", c)
	}
	s.order(control.Message{Ramp: &control.Ramp{}})
	if status := s.ask(control.Message{Poll: &control.Poll{}}).Status; status.Ramp != nil || status.Sent || status.Tick.Open != 5 {
		t.Errorf("status while ramping %+v", status)
	}
	close(s.engine.let)
	if r := s.ramped(); r.Opened != 5 {
		t.Errorf("ramp %+v", r)
	}
	s.order(control.Message{Begin: &control.Begin{Phase: plan.WarmUp}})
	s.order(control.Message{Begin: &control.Begin{Phase: plan.Measure}})
	if status := s.ask(control.Message{Poll: &control.Poll{}}).Status; !status.Sent {
		t.Errorf("status %+v", status)
	}
	s.order(control.Message{Halt: &control.Halt{}})
	closing := s.ask(control.Message{Count: &control.Count{}}).Closing
	if owed := s.ask(control.Message{Owe: &control.Owe{Closing: closing.Publishers}}).Owed; owed.Deliveries != 18 {
		t.Errorf("owed %+v, want 18 deliveries", owed)
	}
	if account := s.ask(control.Message{Settle: &control.Settle{Closing: closing.Publishers}}).Account; account.ClosedByTarget != 9 {
		t.Errorf("account %+v", account)
	}
	records := s.ask(control.Message{Recall: &control.Recall{From: 3, To: 4}}).Records
	if want := []engine.PublicationRecord{{First: 3, Last: 4}}; !slices.Equal(*records, want) {
		t.Errorf("records %+v, want %+v", *records, want)
	}
	s.link.Close()
	if err := <-s.ended; err != nil {
		t.Errorf("ended: %v", err)
	}
	if want := "begin warm-up begin measure stop close"; s.engine.history() != want {
		t.Errorf("engine was told %q, want %q", s.engine.history(), want)
	}
}

func TestHaltEndsARamp(t *testing.T) {
	s := start(t)
	s.order(assignment())
	s.order(control.Message{Ramp: &control.Ramp{}})
	s.order(control.Message{Halt: &control.Halt{}})
	if r := s.ramped(); r.NotAttempted != 5 {
		t.Errorf("ramp %+v", r)
	}
}

func TestACoordinatorThatIsGoneEndsTheWorkerInMidRamp(t *testing.T) {
	s := start(t)
	s.order(assignment())
	s.order(control.Message{Ramp: &control.Ramp{}})
	s.link.Close()
	if err := <-s.ended; err != nil {
		t.Errorf("ended: %v", err)
	}
	if s.engine.history() != "close" {
		t.Errorf("engine was told %q", s.engine.history())
	}
}

func TestServeRefuses(t *testing.T) {
	older := assignment()
	older.Assign.Version--
	nowhere := assignment()
	nowhere.Assign.Address = netip.AddrPort{}
	wrong := assignment()
	wrong.Assign.Scenario.Connections = 0
	ramp := control.Message{Ramp: &control.Ramp{}}
	for _, c := range []struct {
		name     string
		requests []control.Message
		problem  string
	}{
		{"another version", []control.Message{older}, "run the same build on both"},
		{"a scenario that is not valid", []control.Message{wrong}, "connections"},
		{"an engine that cannot be made", []control.Message{nowhere}, "no address"},
		{"a request before the assignment", []control.Message{ramp}, "assign must come once, and first"},
		{"a second assignment", []control.Message{assignment(), assignment()}, "assign must come once, and first"},
		{"a second ramp", []control.Message{assignment(), ramp, ramp}, "a second ramp"},
		{"publishing before the ramp has ended", []control.Message{assignment(), ramp, {Begin: &control.Begin{}}}, "before the ramp has ended"},
		{"an answer", []control.Message{assignment(), {Done: &control.Done{}}}, "not a request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t)
			last := len(c.requests) - 1
			for _, m := range c.requests[:last] {
				s.order(m)
			}
			answer := s.ask(c.requests[last])
			if answer.Failed == nil || !strings.Contains(answer.Failed.Error, c.problem) {
				t.Errorf("answer %+v, want %q", answer, c.problem)
			}
			if err := <-s.ended; err == nil {
				t.Error("the worker ended as if all were well")
			}
		})
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		target     scenario.Target
		connection plan.Connection
		want       string
	}{
		{scenario.Target{Subscribe: "/rooms/{room}", Publish: "/rooms/{room}?self=0"}, plan.Connection{Role: plan.Subscriber, Room: 7}, "/rooms/7"},
		{scenario.Target{Subscribe: "/rooms/{room}", Publish: "/rooms/{room}?self=0"}, plan.Connection{Role: plan.Publisher, Room: 7}, "/rooms/7?self=0"},
		{scenario.Target{Subscribe: "/echo"}, plan.Connection{Role: plan.Echoer, Room: 7}, "/echo"},
		{scenario.Target{Subscribe: "/{room}/a/{room}"}, plan.Connection{Role: plan.Holder}, "/0/a/0"},
	} {
		if got := Path(c.target)(c.connection); got != c.want {
			t.Errorf("path %s, want %s", got, c.want)
		}
	}
}
