package run

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fanbench/loadgen/result"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheWholePipelineToTheByte(t *testing.T) {
	o := conduct(t, nil)
	if o.err != nil {
		t.Fatal(o.err)
	}
	got, err := result.Encode(o.result)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "result.golden.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the result differs from %s (rewrite it with -update):\n%s", golden, got)
	}
}

func TestPhasesFollowEachOther(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []string
		calls    string
		phases   string
	}{
		{"warm-up and measure", nil, "assign, ramp, begin warm-up, begin measure, count, settle", "ramp idle warm-up drain measure drain"},
		{"no warm-up", []string{"phases.warm-up=0s"}, "assign, ramp, begin measure, count, settle", "ramp idle measure drain"},
		{"connections are only held", []string{"workload=connect", "rooms=", "rate=", "size=", "phases.warm-up=", "phases.drain="},
			"assign, ramp, count, settle", "ramp idle measure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := conduct(t, func(f *fakeFleet, _ context.CancelFunc) {}, c.settings...)
			if o.err != nil {
				t.Fatal(o.err)
			}
			if o.history() != c.calls {
				t.Errorf("calls %s, want %s", o.history(), c.calls)
			}
			var phases []string
			end := 0.0
			for _, p := range o.result.Times.Phases {
				phases = append(phases, p.Name)
				if p.Start < end || p.End < p.Start {
					t.Errorf("phase %+v overlaps the one before, which ended at %v s", p, end)
				}
				end = p.End
			}
			if got := strings.Join(phases, " "); got != c.phases {
				t.Errorf("phases %s, want %s", got, c.phases)
			}
			if v := o.result.Verdict; v.Verdict != "valid" || v.Partial {
				t.Errorf("verdict %+v", v)
			}
		})
	}
}

func TestMetricsFollowFromWhatWasObserved(t *testing.T) {
	o := conduct(t, nil)
	if o.err != nil {
		t.Fatal(o.err)
	}
	// 2 s at 4/s into rooms of 4: 8 publications, 32 deliveries. Each reading
	// adds 0.25 CPU seconds and 8,000 bytes; between the measured phase's edges
	// there are two rows of the series and the closing edge itself.
	last := 1.75 + 0.005 // due time and delay of the last
	for name, want := range map[string]float64{
		"deliveries_per_second":              32 / last,
		"connections_per_second":             100, // 8 subscribers and 2 publishers in 0.1 s
		"completion.max":                     0.005,
		"first.max":                          0.004,
		"median.max":                         0.0045,
		"spread.p50":                         0.001,
		"generator.cpu_seconds":              0.75,
		"generator.cpu_per_delivery_seconds": 0.75 / 32,
		"target.cpu_per_delivery_seconds":    0.75 / 32,
		"target.rss_per_connection_bytes":    3 * 8000 / 10.0,
		"target.context_switches":            300,
		"target.descriptors":                 16,
		"stamps.exact_share":                 1,
		"generator.gc_pause.max":             0.0002,
	} {
		m, _, observed := o.result.Metric(name)
		if !observed || m.Value < want*0.999 || m.Value > want*1.001 {
			t.Errorf("%s is %v (observed: %v), want %v", name, m.Value, observed, want)
		}
	}
	if m := o.result.Metrics["delivery.p99"]; m.Publications != 8 || !m.Marked || m.N != 32 {
		t.Errorf("delivery.p99 rests on 8 publications: %+v", m)
	}
	if l := o.result.Ledger; l.Planned != 12 || l.Sent != 12 || l.Expected != 48 || l.Delivered != 48 || !l.GapsAgree {
		t.Errorf("ledger %+v", l)
	}
}

func TestRunsThatEndEarly(t *testing.T) {
	measuring := origin + int64(2500*time.Millisecond)
	for _, c := range []struct {
		name    string
		change  func(*fakeFleet, context.CancelFunc)
		setting []string
		reason  string
		check   func(*testing.T, *result.Result)
	}{
		{"interrupted while measuring: what was under way is awaited",
			func(f *fakeFleet, cancel context.CancelFunc) { f.clock.at[measuring] = cancel }, nil, "the run was interrupted",
			func(t *testing.T, r *result.Result) {
				if l := r.Ledger; !r.Verdict.Interrupted || l.Unsent == 0 || l.Lost != 0 || l.Planned != l.Sent+l.Unsent {
					t.Errorf("verdict %+v, ledger %+v", r.Verdict, l)
				}
			}},
		{"interrupted in the idle phase: nothing is published",
			func(f *fakeFleet, cancel context.CancelFunc) { f.clock.at[origin+int64(200*time.Millisecond)] = cancel }, nil, "the run was interrupted",
			func(t *testing.T, r *result.Result) {
				if r.Ledger.Sent != 0 {
					t.Errorf("ledger %+v", r.Ledger)
				}
			}},
		{"the target dies while measuring",
			func(f *fakeFleet, _ context.CancelFunc) { f.dies = measuring }, nil, "the run ended early: the target is gone: 10 of 10 connections closed",
			func(t *testing.T, r *result.Result) {
				if v := r.Verdict; v.Interrupted || v.Verdict != "invalid" {
					t.Errorf("verdict %+v", v)
				}
			}},
		{"a worker is lost while measuring",
			func(f *fakeFleet, _ context.CancelFunc) { f.loses = measuring }, []string{"workers=2"}, "the run ended early: worker 1: ended: signal: killed",
			func(t *testing.T, r *result.Result) {
				missing := slices.ContainsFunc(r.Warnings, func(w result.Warning) bool { return strings.Contains(w.Text, "1 worker's account is missing") })
				if r.Verdict.Verdict != "invalid" || r.Ledger.GapsAgree || !missing {
					t.Errorf("verdict %+v, warnings %+v", r.Verdict, r.Warnings)
				}
			}},
		{"workers do not stop sending",
			func(f *fakeFleet, _ context.CancelFunc) { f.deaf = true }, nil, "the run ended early: the workers did not stop sending within 5s",
			func(*testing.T, *result.Result) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := conduct(t, c.change, c.setting...)
			if o.err != nil {
				t.Fatal(o.err)
			}
			v := o.result.Verdict
			if !v.Partial || !slices.Contains(v.Reasons, c.reason) {
				t.Errorf("partial %v, reasons %q, want %q", v.Partial, v.Reasons, c.reason)
			}
			if !strings.HasSuffix(o.history(), "count, settle") {
				t.Errorf("calls %s: the account is missing", o.history())
			}
			if _, err := result.Encode(o.result); err != nil {
				t.Error(err)
			}
			c.check(t, o.result)
		})
	}
}

// A target that closes connections while nobody looks at them must not look as
// if it could hold them cheaply.
func TestConnectionsThatDoNotLast(t *testing.T) {
	holding := []string{"workload=connect", "rooms=", "rate=", "size=", "phases.warm-up=", "phases.drain=", "phases.idle=2s", "phases.measure=4s",
		"require=connect,resident"}
	publishing := []string{"phases.idle=2s"}
	for _, c := range []struct {
		name     string
		setting  []string
		sheds    int
		at       time.Duration // after the start
		held     float64
		verdict  string
		untrusts []string
	}{
		{"all last", holding, 0, 0, 1, result.Valid, nil},
		{"some are closed while they are idle", holding, 2, time.Second, 0.75, result.Invalid, []string{"target.rss_per_connection_bytes", "connections_per_second", "target.cpu_per_connection_seconds"}},
		{"and some later", holding, 2, 4 * time.Second, 0.75, result.Invalid, []string{"target.rss_per_connection_bytes", "connections_per_second"}},
		{"all last until there is something to deliver", publishing, 3, 4 * time.Second, 1, result.Valid, nil},
		{"some are closed before", publishing, 3, time.Second, 0.7, result.Valid, []string{"target.rss_per_connection_bytes"}},
	} {
		o := conduct(t, func(f *fakeFleet, _ context.CancelFunc) { f.sheds, f.shedAt = c.sheds, origin+int64(c.at) }, c.setting...)
		if o.err != nil {
			t.Fatal(o.err)
		}
		r := o.result
		guard := slices.IndexFunc(r.Verdict.Guards, func(g result.Guard) bool { return g.Name == "held" })
		if guard < 0 || *r.Verdict.Guards[guard].Value != c.held || r.Verdict.Verdict != c.verdict {
			t.Errorf("%s: verdict %+v", c.name, r.Verdict)
		}
		for name := range r.Untrusted {
			if len(c.untrusts) == 0 {
				t.Errorf("%s: %s is not trusted", c.name, name)
			}
		}
		for _, name := range c.untrusts {
			if _, found := r.Untrusted[name]; !found {
				t.Errorf("%s: %s is trusted", c.name, name)
			}
		}
	}
}

func TestNoConnectionNoResult(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*fakeFleet, context.CancelFunc)
		problem string
	}{
		{"all refused", func(f *fakeFleet, _ context.CancelFunc) { f.refuse = 10 }, "10 of 10 connections failed: refused: connection refused"},
		{"interrupted at once", func(f *fakeFleet, cancel context.CancelFunc) { f.refuse = 10; cancel() }, "context canceled"},
		{"a worker is lost in the ramp", func(f *fakeFleet, _ context.CancelFunc) { f.loses = origin + 1 }, "worker 1: ended: signal: killed"},
		{"a ramp without end is halted", func(f *fakeFleet, _ context.CancelFunc) { f.opening = time.Hour; f.refuse = 10 }, "10 of 10 connections failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := conduct(t, c.change)
			if o.result != nil || o.err == nil || !strings.Contains(o.err.Error(), c.problem) {
				t.Errorf("result %v, error %v, want %q", o.result != nil, o.err, c.problem)
			}
		})
	}
}

func TestADrainEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*fakeFleet, context.CancelFunc)
		longest float64 // seconds
		least   float64
	}{
		{"at once when nothing is outstanding", func(*fakeFleet, context.CancelFunc) {}, 0.1, 0},
		{"at its limit when deliveries are missing", func(f *fakeFleet, _ context.CancelFunc) { f.swallow = 1 }, 3.1, 3},
		{"sooner when subscribers are missing and nothing more comes", func(f *fakeFleet, _ context.CancelFunc) { f.swallow, f.refuse = 1, 1 }, 1.1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := conduct(t, c.change, "phases.warm-up=0s")
			if o.err != nil {
				t.Fatal(o.err)
			}
			phases := o.result.Times.Phases
			drain := phases[len(phases)-1]
			if took := drain.End - drain.Start; drain.Name != "drain" || took > c.longest || took < c.least {
				t.Errorf("%s took %v s of the fake clock, want %v to %v", drain.Name, took, c.least, c.longest)
			}
		})
	}
}

func TestRampErrorIsOneLine(t *testing.T) {
	for _, c := range []struct {
		err  RampError
		want string
	}{
		{RampError{10000, 10000, []result.Failure{{Bucket: "handshake-status", Count: 10000, First: "HTTP/1.1 404 Not Found"}}},
			"10000 of 10000 connections failed: handshake-status: HTTP/1.1 404 Not Found"},
		{RampError{10000, 300, []result.Failure{{Bucket: "refused", Count: 300, First: "connection refused"}}},
			"300 of 10000 connections failed: refused: connection refused (the other 9700 were not tried)"},
		{RampError{5, 5, []result.Failure{{Bucket: "refused", Count: 3, First: "no"}, {Bucket: "reset", Count: 2, First: "gone"}}},
			"5 of 5 connections failed: 3 refused: no; 2 reset: gone"},
		{RampError{Connections: 5}, "0 of 5 connections opened"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestTheSeriesHasARowForEachSecond(t *testing.T) {
	o := conduct(t, nil, "phases.measure=5s")
	s := o.result.Series
	if len(s.Rows) < 6 {
		t.Fatalf("%d rows in over 6 s", len(s.Rows))
	}
	for i, row := range s.Rows {
		if len(row) != len(s.Columns) {
			t.Errorf("row %d has %d values for %d columns", i, len(row), len(s.Columns))
		}
		if i > 0 && *row[0] <= *s.Rows[i-1][0] {
			t.Errorf("row %d is at %v s, the one before at %v s", i, *row[0], *s.Rows[i-1][0])
		}
	}
	shown := make(map[string]bool)
	for _, l := range o.lines {
		shown[l.Phase] = true
	}
	for _, phase := range []string{"ramp", "idle", "warm-up", "measure", "drain"} {
		if !shown[phase] {
			t.Errorf("no progress line of phase %s", phase)
		}
	}
}
