package fleet

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fanbench/loadgen/internal/control"
	"fanbench/loadgen/internal/engine"
	"fanbench/loadgen/internal/plan"
)

// TestMain also plays the worker processes: see processes below.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "as-worker" {
		play(os.Args[2])
		return
	}
	goleak.VerifyTestMain(m)
}

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// play is a worker process with a fault.
func play(fault string) {
	link := control.NewLines(os.Stdin, keepOpen{os.Stdout})
	if fault == "silent" {
		io.Copy(io.Discard, os.Stdin)
		return
	}
	link.Send(hello())
	for {
		m, err := link.Receive()
		if err != nil {
			if fault == "stubborn" {
				select {}
			}
			return
		}
		switch {
		case m.Settle != nil && fault == "dies":
			fmt.Fprintln(os.Stderr, "panic: out of luck")
			os.Exit(7)
		case m.Settle != nil:
			link.Send(control.Message{Account: &engine.Account{}})
		case m.Poll != nil && fault == "hangs":
			select {}
		case m.Poll != nil:
			link.Send(status())
		default:
			link.Send(control.Message{Done: &control.Done{}})
		}
	}
}

func hello() control.Message {
	return control.Message{Hello: &control.Hello{Version: control.Version, PID: os.Getpid()}}
}

func status() control.Message { return control.Message{Status: &control.Status{Sent: true}} }

// far makes the far side of an in-memory link, which answers with what script
// returns; nil closes it.
func far(t *testing.T, script func(control.Message) *control.Message) control.Link {
	t.Helper()
	downR, downW := io.Pipe()
	upR, upW := io.Pipe()
	link := control.NewLines(downR, upW)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer upW.Close()
		defer downR.Close()
		greeting := script(control.Message{})
		for m := greeting; m != nil; {
			if link.Send(*m) != nil {
				return
			}
			request, err := link.Receive()
			if err != nil {
				return
			}
			m = script(request)
		}
	}()
	t.Cleanup(func() { downW.Close(); upR.Close(); <-ended })
	return control.NewLines(upR, downW)
}

// good answers every request as a worker does.
func good(m control.Message) *control.Message {
	answer := control.Message{Done: &control.Done{}}
	switch {
	case m == control.Message{}:
		answer = hello()
	case m.Poll != nil:
		answer = status()
	case m.Count != nil:
		answer = control.Message{Closing: &control.Closing{Publishers: []engine.Closing{{Measure: 1}}}}
	case m.Owe != nil:
		answer = control.Message{Owed: &control.Owed{Deliveries: uint64(len(m.Owe.Closing))}}
	case m.Settle != nil:
		answer = control.Message{Account: &engine.Account{ClosedByTarget: uint64(len(m.Settle.Closing))}}
	case m.Recall != nil:
		answer = control.Message{Records: &control.Records{}}
		for k := m.Recall.From; k < m.Recall.To; k++ {
			*answer.Records = append(*answer.Records, record(k, 1))
		}
	}
	return &answer
}

// faulty is good but for one kind of request.
func faulty(is func(control.Message) bool, answer *control.Message) func(control.Message) *control.Message {
	return func(m control.Message) *control.Message {
		if is(m) {
			return answer
		}
		return good(m)
	}
}

func polls(m control.Message) bool  { return m.Poll != nil }
func greets(m control.Message) bool { return m == control.Message{} }

func TestFleetAsksAllWorkers(t *testing.T) {
	f, err := New(time.Minute, far(t, good), far(t, good))
	if err != nil {
		t.Fatal(err)
	}
	var parts [2]bool
	if err := f.Assign(func(worker int) control.Assign { parts[worker] = true; return control.Assign{} }); err != nil || parts != [2]bool{true, true} {
		t.Errorf("assign: %v, parts %v", err, parts)
	}
	if err := f.Ramp(); err != nil {
		t.Error(err)
	}
	if err := f.Begin(plan.Measure, 1); err != nil {
		t.Error(err)
	}
	if err := f.Halt(); err != nil {
		t.Error(err)
	}
	if states, err := f.Poll(); err != nil || len(states) != 2 {
		t.Errorf("poll: %v, %v", states, err)
	}
	closing, err := f.Count()
	if err != nil || len(closing) != 2 {
		t.Errorf("count: %v, %v", closing, err)
	}
	if owed, err := f.Outstanding(closing); err != nil || owed != 4 {
		t.Errorf("outstanding: %v, %v", owed, err)
	}
	accounts, err := f.Settle(closing)
	if err != nil || len(accounts) != 2 || accounts[1].ClosedByTarget != 2 {
		t.Errorf("settle: %v, %v", accounts, err)
	}
	if err := f.Stop(); err != nil {
		t.Error(err)
	}
}

// A run may have more records than a message has room for. In one message, with
// all that was in them, 4.2 million were the most.
func TestRecordsOfALongRun(t *testing.T) {
	const n = 4_500_000
	f, err := New(time.Minute, far(t, good))
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	err = f.Records(n, func(from int, records []engine.PublicationRecord) {
		if from != next {
			t.Errorf("records from %d, want %d", from, next)
		}
		for i, got := range records {
			if want := record(from+i, 1); got != want {
				t.Fatalf("record %d: %+v, want %+v", from+i, got, want)
			}
		}
		next += len(records)
	})
	if err != nil || next != n {
		t.Errorf("%d records, %v; want %d", next, err, n)
	}
	if err := f.Stop(); err != nil {
		t.Error(err)
	}
}

func TestTheLongestRecordsFitIntoAMessage(t *testing.T) {
	longest := engine.PublicationRecord{First: math.MinInt64, Middle: math.MinInt64, Last: math.MinInt64, Count: math.MaxUint32}
	all := control.Records(slices.Repeat([]engine.PublicationRecord{longest}, recordsAtOnce))
	if err := control.NewLines(nil, keepOpen{io.Discard}).Send(control.Message{Records: &all}); err != nil {
		t.Error(err)
	}
}

// record differs from all others.
func record(k int, count uint32) engine.PublicationRecord {
	due := int64(k)
	return engine.PublicationRecord{First: due, Middle: 1e9 + due, Last: 2e9 + due, Count: count}
}

func TestRecordsAreMerged(t *testing.T) {
	three := control.Message{Records: &control.Records{{}, {}, {}}}
	recalls := func(m control.Message) bool { return m.Recall != nil }
	f, err := New(time.Minute, far(t, good), far(t, faulty(recalls, &three)), far(t, good))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		n    int
		want []engine.PublicationRecord
		lost string
	}{
		{0, nil, ""},
		{3, []engine.PublicationRecord{record(0, 2), record(1, 2), record(2, 2)}, ""},
		{2, []engine.PublicationRecord{record(0, 2), record(1, 2)}, "worker 1: answered something else"}, // one too many
	} {
		var got []engine.PublicationRecord
		err := f.Records(c.n, func(_ int, records []engine.PublicationRecord) { got = append(got, records...) })
		if !slices.Equal(got, c.want) || (err == nil) != (c.lost == "") || err != nil && !strings.Contains(err.Error(), c.lost) {
			t.Errorf("%d records: %+v, %v; want %+v, %q", c.n, got, err, c.want, c.lost)
		}
	}
	if err := f.Stop(); err != nil {
		t.Error(err)
	}
}

func TestALostWorkerIsNamedAndTheOthersGoOn(t *testing.T) {
	never := make(chan struct{})
	for _, c := range []struct {
		name     string
		script   func(control.Message) *control.Message
		problem  string
		patience time.Duration
	}{
		{"ends", faulty(polls, nil), "worker 1: ended", time.Minute},
		{"fails", faulty(polls, &control.Message{Failed: &control.Failed{Error: "no luck"}}), "worker 1: no luck", time.Minute},
		{"answers something else", faulty(polls, &control.Message{Done: &control.Done{}}), "worker 1: answered something else", time.Minute},
		{"does not answer", func(m control.Message) *control.Message {
			if polls(m) {
				<-never
			}
			return good(m)
		}, "worker 1: no answer within 300ms", 300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "does not answer" {
				defer close(never)
			}
			f, err := New(c.patience, far(t, good), far(t, c.script), far(t, good))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the loss is told at every answer from then on
				states, err := f.Poll()
				if len(states) != 2 || err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("%d states, error %v; want 2, %q", len(states), err, c.problem)
				}
			}
			if closing, err := f.Count(); len(closing) != 2 || err == nil {
				t.Errorf("count %v, %v", closing, err)
			}
			if err := f.Stop(); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	newer := hello()
	newer.Hello.Version++
	for name, c := range map[string]struct {
		greeting *control.Message
		problem  string
	}{
		"another version": {&newer, "speaks version 4, this coordinator 3; run the same build on both"},
		"no greeting":     {&control.Message{Done: &control.Done{}}, "did not say hello"},
		"nobody":          {nil, "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(time.Minute, far(t, good), far(t, faulty(greets, c.greeting)))
			if err == nil || !strings.Contains(err.Error(), "worker 1: ") || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("error %v, want %q", err, c.problem)
			}
		})
	}
}

func processes(t *testing.T, patience time.Duration, fault string) (*Fleet, error) {
	t.Helper()
	f, err := Start(patience, 2, os.Args[0], "as-worker", fault)
	if err == nil {
		t.Cleanup(f.Kill)
	}
	return f, err
}

func TestProcesses(t *testing.T) {
	f, err := processes(t, time.Minute, "none")
	if err != nil {
		t.Fatal(err)
	}
	if states, err := f.Poll(); err != nil || len(states) != 2 {
		t.Errorf("poll: %v, %v", states, err)
	}
	if err := f.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestAProcessThatDiesSaysHow(t *testing.T) {
	f, err := processes(t, time.Minute, "dies")
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := f.Settle(nil)
	if want := "worker 0: ended: exit status 7: panic: out of luck"; len(accounts) != 0 || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%d accounts, error %v, want %q", len(accounts), err, want)
	}
	if err := f.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestAProcessThatHangsIsKilled(t *testing.T) {
	f, err := processes(t, 300*time.Millisecond, "hangs")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Poll(); err == nil || !strings.Contains(err.Error(), "worker 0: no answer within 300ms: signal: killed") {
		t.Errorf("error %v", err)
	}
}

func TestAProcessThatDoesNotGreetIsKilled(t *testing.T) {
	if _, err := processes(t, 300*time.Millisecond, "silent"); err == nil || !strings.Contains(err.Error(), "no answer within 300ms") {
		t.Errorf("error %v", err)
	}
}

func TestKillEndsProcessesThatIgnoreTheEnd(t *testing.T) {
	f, err := processes(t, time.Minute, "stubborn")
	if err != nil {
		t.Fatal(err)
	}
	f.Kill()
	if states, err := f.Poll(); len(states) != 0 || err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("%d states, error %v", len(states), err)
	}
}

func TestStartNamesAProgramThatIsNotThere(t *testing.T) {
	if _, err := Start(time.Minute, 1, "/no/such/program"); err == nil || !strings.Contains(err.Error(), "start worker 0: ") {
		t.Errorf("error %v", err)
	}
}
