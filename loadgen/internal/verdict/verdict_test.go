package verdict

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fanbench/loadgen/internal/vitals"
	"fanbench/loadgen/latency"
	"fanbench/loadgen/result"
	"fanbench/loadgen/scenario"
)

// all is a histogram of a hundred equal records.
func all(d time.Duration) *latency.Histogram {
	h := latency.New(latency.Precise)
	for range 100 {
		h.Record(d)
	}
	return h
}

func ptr[T any](v T) *T { return &v }

func asked(t *testing.T, settings ...string) scenario.Scenario {
	t.Helper()
	var opts []scenario.Option
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		opts = append(opts, scenario.Set(key, value, ""))
	}
	s, err := scenario.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// healthy is a fan-out that neither side had trouble with: 2 CPUs, of which the
// target may use one.
func healthy(t *testing.T) Evidence {
	return Evidence{
		Scenario: asked(t),
		Metrics: map[string]result.Metric{
			"delivery.p99": {}, "sent_delivery.p99": {}, "completion.p50": {}, "spread.p50": {}, "read_lag.p99": {}, "send_lag.p99": {},
			"deliveries_per_second": {}, "connections_per_second": {}, "connect.p99": {}, "target.cpu_per_delivery_seconds": {},
			"generator.cpu_seconds": {}, "target.rss_per_connection_bytes": {}, "stamps.exact_share": {},
		},
		Ledger:      result.Ledger{Planned: 120, Sent: 120, Expected: 120_000, Delivered: 120_000, GapsAgree: true},
		TargetAlive: ptr(true), Requested: 1001, Opened: 1001, Held: ptr(1001), Outstanding: ptr(uint64(0)),
		Delivery: all(20 * time.Millisecond), SentDelivery: all(20 * time.Millisecond),
		SendLag: all(100 * time.Microsecond), ReadLag: all(100 * time.Microsecond), Blocked: all(10 * time.Microsecond),
		Arrivals: 100_000, StampsExact: 100_000, BusiestLoop: ptr(0.3), Interval: 10 * time.Second,
		GeneratorCPU: ptr(3 * time.Second), TargetCPU: ptr(4 * time.Second), CPUs: 2, TargetCores: 1,
		Overrun: ptr(20 * time.Millisecond), Local: true,
		Host: vitals.HostReading{
			CPU:      &vitals.CPUTimes{Busy: 8 * time.Second, Tasks: 7 * time.Second},
			Pressure: ptr(2 * time.Second), Throttled: ptr(time.Duration(0)), Segments: &vitals.Segments{Sent: 200_000},
		},
		RunDelay: ptr(0.01), TargetBusiest: ptr(0.4), TargetDelay: ptr(0.01),
		Standstill: ptr(50 * time.Millisecond), GCPause: ptr(100 * time.Microsecond),
	}
}

// busyOthers: somebody else had a fifth of the CPUs.
func busyOthers(e *Evidence) { e.Host.CPU.Tasks += 4 * time.Second }

// closedLoop is an echo at rate 0: no timetable, so no due times. One connection
// makes a hundred round trips of 20 ms in 2 s.
func closedLoop(t *testing.T, e *Evidence) {
	e.Scenario = asked(t, "workload=echo", "require=sent-delivery,throughput,ledger")
	e.Scenario.Phases.Measure = 2 * time.Second
	e.Requested, e.Opened, e.Held = 1, 1, ptr(1)
	e.Delivery, e.SendLag, e.Overrun = nil, nil, nil
}

const everything = "delivery sent-delivery throughput ledger connect resident cpu"

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		name    string
		change  func(t *testing.T, e *Evidence)
		verdict string
		limit   string
		tripped string // guards, in their order
		voided  string // metric groups, in the scenario's order
	}{
		{"nothing wrong", func(*testing.T, *Evidence) {}, result.Valid, LimitNone, "", ""},

		// The generator's faults, and what each of them voids.
		{"send lag voids latency from due time", func(_ *testing.T, e *Evidence) { e.SendLag = all(3 * time.Millisecond) },
			result.GeneratorLimited, LimitGenerator, "send-lag", "delivery"},
		{"and nothing that a scenario counting from sent requires", func(t *testing.T, e *Evidence) {
			e.Scenario, e.SendLag = asked(t, "latency-from=sent"), all(3*time.Millisecond)
		}, result.Valid, LimitGenerator, "send-lag", "delivery"},
		{"a send lag of 5 % of the median is accepted", func(_ *testing.T, e *Evidence) {
			e.Delivery, e.SendLag = all(100*time.Millisecond), all(4900*time.Microsecond)
		}, result.Valid, LimitNone, "", ""},
		{"a send lag of 1 ms is always accepted", func(_ *testing.T, e *Evidence) {
			e.Delivery, e.SendLag = all(50*time.Microsecond), all(990*time.Microsecond)
		}, result.Valid, LimitNone, "", ""},
		{"read lag voids no figure by arrival, and holds nobody up", func(_ *testing.T, e *Evidence) { e.ReadLag = all(5 * time.Millisecond) },
			result.Valid, LimitNone, "read-lag", ""},
		{"a read lag of 10 % of the p99 is accepted", func(_ *testing.T, e *Evidence) {
			e.SentDelivery, e.ReadLag = all(100*time.Millisecond), all(9900*time.Microsecond)
		}, result.Valid, LimitNone, "", ""},
		{"read lag with filled receive buffers voids arrivals", func(_ *testing.T, e *Evidence) {
			e.ReadLag, e.FilledBuffers = all(5*time.Millisecond), 3
		}, result.GeneratorLimited, LimitGenerator, "read-lag receive-buffers", "delivery sent-delivery throughput"},
		{"and the ledger if the target then closed connections", func(_ *testing.T, e *Evidence) {
			e.ReadLag, e.FilledBuffers, e.Ledger.LostDown = all(5*time.Millisecond), 3, 7
		}, result.GeneratorLimited, LimitGenerator, "read-lag receive-buffers", "delivery sent-delivery throughput ledger"},
		{"buffers that fill before a prompt reader void nothing", func(_ *testing.T, e *Evidence) { e.FilledBuffers = 3 },
			result.Valid, LimitNone, "receive-buffers", ""},
		{"a busy loop is a limit and voids nothing by itself", func(_ *testing.T, e *Evidence) { e.BusiestLoop = ptr(0.97) },
			result.Valid, LimitGenerator, "generator-cpu", ""},
		{"a closed loop that reads late sets its own pace", func(t *testing.T, e *Evidence) {
			closedLoop(t, e)
			e.SentDelivery, e.ReadLag = all(15*time.Millisecond), all(5*time.Millisecond)
		}, result.GeneratorLimited, LimitGenerator, "read-lag", "throughput"},
		{"a closed loop without CPU left likewise", func(t *testing.T, e *Evidence) {
			closedLoop(t, e)
			e.BusiestLoop = ptr(0.97)
		}, result.GeneratorLimited, LimitGenerator, "generator-cpu", "throughput"},
		{"a closed loop that keeps up", closedLoop, result.Valid, LimitNone, "", ""},

		// Faults of neither or of the target.
		{"arrivals without kernel stamps", func(_ *testing.T, e *Evidence) { e.StampsMissing = 101 },
			result.Invalid, LimitNone, "stamps", "delivery sent-delivery throughput"},
		{"one arrival in a thousand without", func(_ *testing.T, e *Evidence) { e.StampsMissing = 100 },
			result.Valid, LimitNone, "", ""},
		{"some connections refused", func(_ *testing.T, e *Evidence) {
			e.Opened, e.Failures = 1000, []result.Failure{{Bucket: "refused", Count: 1}}
		}, result.Invalid, LimitServer, "connected", "delivery sent-delivery throughput connect resident cpu"},
		{"some connections for any other fault of a socket", func(_ *testing.T, e *Evidence) {
			e.Opened, e.Failures = 1000, []result.Failure{{Bucket: "socket", Count: 1}}
		}, result.Invalid, LimitGenerator, "connected", "delivery sent-delivery throughput connect resident cpu"},
		{"some connections without a descriptor", func(_ *testing.T, e *Evidence) {
			e.Opened, e.Failures = 1000, []result.Failure{{Bucket: "descriptors", Count: 1}}
		}, result.Invalid, LimitGenerator, "connected", "delivery sent-delivery throughput connect resident cpu"},
		{"the target died", func(_ *testing.T, e *Evidence) { e.TargetAlive = ptr(false) },
			result.Invalid, LimitServer, "target-alive", everything},
		{"connections that were gone when memory was read", func(_ *testing.T, e *Evidence) { e.Held = ptr(990) },
			result.Valid, LimitNone, "held", "resident"},
		{"connections that did not last where they are only held", func(t *testing.T, e *Evidence) {
			e.Scenario, e.Held = asked(t, "workload=connect", "require=connect"), ptr(990)
		}, result.Invalid, LimitNone, "held", "connect resident cpu"},
		{"publications that never left", func(_ *testing.T, e *Evidence) { e.Ledger.Sent, e.Ledger.Unsent = 119, 1 },
			result.Invalid, LimitNone, "sent", "delivery sent-delivery throughput"},
		{"deliveries outstanding after the drain", func(_ *testing.T, e *Evidence) { e.Outstanding = ptr(uint64(121)) },
			result.Invalid, LimitNone, "drained", "delivery sent-delivery throughput"},
		{"one delivery in a thousand outstanding", func(_ *testing.T, e *Evidence) { e.Outstanding = ptr(uint64(120)) },
			result.Valid, LimitNone, "", ""},
		{"outstanding where losses are allowed", func(t *testing.T, e *Evidence) {
			e.Scenario, e.Outstanding = asked(t, "allow=lost"), ptr(uint64(60_000))
		}, result.Valid, LimitNone, "", ""},
		{"two counts of losses that differ", func(_ *testing.T, e *Evidence) { e.Ledger.GapsAgree = false },
			result.Invalid, LimitNone, "ledger-agrees", "throughput ledger cpu"},
		{"a fault of both kinds is not the generator's alone", func(_ *testing.T, e *Evidence) {
			e.SendLag, e.Ledger.Sent = all(3*time.Millisecond), 119
		}, result.Invalid, LimitGenerator, "sent send-lag", "delivery sent-delivery throughput"},

		// What shows that the target was the limit.
		{"the target used its cores", func(_ *testing.T, e *Evidence) { e.TargetCPU = ptr(9 * time.Second) },
			result.Valid, LimitServer, "", ""},
		{"of a target whose loops are not known, the machine's", func(_ *testing.T, e *Evidence) {
			e.TargetCPU, e.TargetCores = ptr(9*time.Second), 0
		}, result.Valid, LimitNone, "", ""},
		{"more loops than CPUs use the CPUs", func(_ *testing.T, e *Evidence) {
			e.TargetCPU, e.GeneratorCPU, e.TargetCores = ptr(18*time.Second), nil, 8
		}, result.Valid, LimitServer, "", ""},
		{"together they used the machine", func(_ *testing.T, e *Evidence) {
			e.TargetCPU, e.GeneratorCPU, e.TargetCores = ptr(12*time.Second), ptr(7*time.Second), 0
			e.Host.CPU = &vitals.CPUTimes{Busy: 19 * time.Second, Tasks: 18 * time.Second}
		}, result.Valid, LimitBoth, "", ""},
		{"interrupts count for a full machine", func(_ *testing.T, e *Evidence) { e.Host.CPU.Busy = 17 * time.Second },
			result.Valid, LimitBoth, "", ""},
		{"a full machine with the target elsewhere", func(_ *testing.T, e *Evidence) {
			e.Local, e.TargetCPU, e.Host.CPU.Busy = false, nil, 18*time.Second
			e.Host.CPU.Tasks = *e.GeneratorCPU
		}, result.Valid, LimitGenerator, "", ""},
		{"a machine that is full of others", func(_ *testing.T, e *Evidence) { busyOthers(e); e.Host.CPU.Busy = 19 * time.Second },
			result.Valid, LimitGenerator, "", ""},
		{"a loop of the target that never rests", func(_ *testing.T, e *Evidence) { e.TargetBusiest = ptr(0.95) },
			result.Valid, LimitServer, "", ""},
		{"the target did not take publications", func(_ *testing.T, e *Evidence) { e.Blocked = all(11 * time.Millisecond) },
			result.Valid, LimitServer, "", ""},
		{"deliveries completed slower than offered", func(_ *testing.T, e *Evidence) { e.Overrun = ptr(2 * time.Second) },
			result.Valid, LimitServer, "", ""},
		{"which is not the target's fault if they were sent as late", func(_ *testing.T, e *Evidence) {
			e.Overrun, e.SendLag = ptr(2*time.Second), all(1900*time.Millisecond)
		}, result.GeneratorLimited, LimitGenerator, "send-lag", "delivery"},
		{"nor known if full buffers held the target up", func(_ *testing.T, e *Evidence) {
			e.Overrun, e.ReadLag, e.FilledBuffers = ptr(2*time.Second), all(time.Second), 9
		}, result.GeneratorLimited, LimitGenerator, "read-lag receive-buffers", "delivery sent-delivery throughput"},
		{"overload on shared cores is both", func(t *testing.T, e *Evidence) {
			e.Scenario = asked(t, "latency-from=sent")
			e.TargetCPU, e.SendLag, e.Overrun = ptr(9500*time.Millisecond), all(20*time.Millisecond), ptr(5*time.Second)
		}, result.Valid, LimitBoth, "send-lag", "delivery"},

		// The generator's machine.
		{"the generator stood still", func(_ *testing.T, e *Evidence) { e.Standstill = ptr(5 * time.Second) },
			result.GeneratorLimited, LimitGenerator, "pause", "delivery sent-delivery throughput"},
		{"and the target closed connections meanwhile", func(_ *testing.T, e *Evidence) {
			e.Standstill, e.Ledger.LostDown = ptr(5*time.Second), 7
		}, result.GeneratorLimited, LimitGenerator, "pause", "delivery sent-delivery throughput ledger"},
		{"a connect storm that stood still", func(t *testing.T, e *Evidence) {
			*e = Evidence{Scenario: asked(t, "workload=connect"), Metrics: e.Metrics, Standstill: ptr(5 * time.Second)}
		}, result.GeneratorLimited, LimitGenerator, "pause", "connect"},
		{"target and generator that share the CPUs by intent", func(_ *testing.T, e *Evidence) { e.RunDelay, e.TargetDelay = ptr(0.4), ptr(0.4) },
			result.Valid, LimitNone, "", ""},
		{"loops that wait for CPUs which others have", func(_ *testing.T, e *Evidence) { e.RunDelay = ptr(0.06); busyOthers(e) },
			result.GeneratorLimited, LimitGenerator, "run-delay", "delivery sent-delivery throughput"},
		{"a target that waits for them", func(_ *testing.T, e *Evidence) { e.TargetDelay = ptr(0.06); busyOthers(e) },
			result.GeneratorLimited, LimitGenerator, "target-run-delay", "delivery sent-delivery throughput"},
		{"others that hold nobody up", func(_ *testing.T, e *Evidence) { busyOthers(e) }, result.Valid, LimitNone, "", ""},
		{"who has the CPUs is not known, and nothing lags", func(_ *testing.T, e *Evidence) { e.RunDelay, e.TargetCPU = ptr(0.4), nil },
			result.Valid, LimitNone, "", ""},
		{"who has the CPUs is not known, and reading lags", func(_ *testing.T, e *Evidence) {
			e.RunDelay, e.TargetCPU, e.ReadLag = ptr(0.4), nil, all(5*time.Millisecond)
		}, result.GeneratorLimited, LimitGenerator, "read-lag run-delay", "delivery sent-delivery throughput"},
		{"pressure alone says that somebody waited, not who", func(_ *testing.T, e *Evidence) { e.Host.Pressure = ptr(9 * time.Second) },
			result.Valid, LimitNone, "cpu-pressure", ""},
		{"times of connections that open while measuring are disturbed too", func(t *testing.T, e *Evidence) {
			e.Scenario, e.Standstill = asked(t, "reconnect.most=5s"), ptr(5*time.Second)
		}, result.GeneratorLimited, LimitGenerator, "pause", "delivery sent-delivery throughput connect"},
		{"steal", func(_ *testing.T, e *Evidence) { e.Host.CPU.Steal = 300 * time.Millisecond },
			result.GeneratorLimited, LimitGenerator, "steal", "delivery sent-delivery throughput"},
		{"a steal of one in a hundred", func(_ *testing.T, e *Evidence) { e.Host.CPU.Steal = 200 * time.Millisecond }, result.Valid, LimitNone, "", ""},
		{"throttling", func(_ *testing.T, e *Evidence) { e.Host.Throttled = ptr(110 * time.Millisecond) },
			result.GeneratorLimited, LimitGenerator, "throttling", "delivery sent-delivery throughput"},
		{"a long collection pause is in the lags already", func(_ *testing.T, e *Evidence) { e.GCPause = ptr(3 * time.Millisecond) },
			result.Valid, LimitNone, "gc-pause", ""},
		{"a clock that was stepped", func(_ *testing.T, e *Evidence) { e.ClockSteps = 1 }, result.Valid, LimitNone, "clock-steps", ""},

		// The link.
		{"segments that were sent again", func(_ *testing.T, e *Evidence) { e.Host.Segments.Retransmitted = 201 },
			result.LinkLimited, LimitLink, "retransmits", "delivery sent-delivery throughput"},
		{"one in a thousand", func(_ *testing.T, e *Evidence) { e.Host.Segments.Retransmitted = 200 }, result.Valid, LimitNone, "", ""},
		{"because this host's own queues were full", func(_ *testing.T, e *Evidence) {
			e.Host.Segments.Retransmitted, e.Host.Segments.Refused = 5000, 4900
		}, result.Valid, LimitNone, "", ""},
		{"because an answer was late", func(_ *testing.T, e *Evidence) {
			e.Host.Segments.Retransmitted, e.Host.Segments.Needless = 5000, 5000
		}, result.Valid, LimitNone, "", ""},
		{"what a link holds up looks like a slow server", func(_ *testing.T, e *Evidence) {
			e.Host.Segments.Retransmitted, e.Overrun = 5000, ptr(2*time.Second)
		}, result.LinkLimited, LimitLink, "retransmits", "delivery sent-delivery throughput"},
		{"a generator behind a bad link is mended first", func(_ *testing.T, e *Evidence) {
			e.Host.Segments.Retransmitted, e.SendLag = 5000, all(3*time.Millisecond)
		}, result.GeneratorLimited, LimitGenerator, "send-lag retransmits", "delivery sent-delivery throughput"},
		{"unanswered SYNs are the target's queue", func(t *testing.T, e *Evidence) {
			e.Scenario, e.Host.Segments.Retransmitted = asked(t, "workload=connect"), 5000
		}, result.Valid, LimitNone, "", ""},

		// What a run's own numbers say of each other.
		{"shared stamps that are read late are bounds", func(_ *testing.T, e *Evidence) {
			e.StampsExact, e.ReadLag = 80_000, all(5*time.Millisecond)
		}, result.Valid, LimitNone, "read-lag exact-stamps", ""},
		{"read at once they arrived together", func(_ *testing.T, e *Evidence) { e.StampsExact = 10_000 }, result.Valid, LimitNone, "", ""},
		{"a closed loop against Little's law", func(t *testing.T, e *Evidence) {
			closedLoop(t, e)
			e.SentDelivery = all(26 * time.Millisecond)
		}, result.Invalid, LimitNone, "littles-law", "sent-delivery throughput"},
		{"a closed loop that lost messages has a smaller window", func(t *testing.T, e *Evidence) {
			closedLoop(t, e)
			e.SentDelivery, e.Ledger.Lost = all(10*time.Millisecond), 1
		}, result.Valid, LimitNone, "", ""},
		{"a run that a condition ended has not sent all that was planned", func(_ *testing.T, e *Evidence) {
			e.Ledger.Sent, e.Ledger.Unsent, e.Abandoned = 60, 60, true
		}, result.Valid, LimitNone, "", ""},

		// What was not observed counts for nobody.
		{"nothing observed but the ledger", func(t *testing.T, e *Evidence) {
			*e = Evidence{Scenario: asked(t, "require=ledger"), Ledger: e.Ledger}
		}, result.Valid, LimitNone, "", ""},
		{"a required group that the run could not observe", func(t *testing.T, e *Evidence) {
			e.Scenario = asked(t, "require=resident")
			delete(e.Metrics, "target.rss_per_connection_bytes")
		}, result.Invalid, LimitNone, "", ""},
		{"nothing at all", func(t *testing.T, e *Evidence) { *e = Evidence{Scenario: asked(t)} }, result.Invalid, LimitNone, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := healthy(t)
			row.change(t, &e)
			v := Judge(e)
			var tripped, voided []string
			for _, g := range v.Guards {
				if g.Tripped {
					tripped = append(tripped, g.Name)
				} else if len(g.Voids) > 0 || g.Remedy != "" {
					t.Errorf("%s did not trip, and voids %v (%s)", g.Name, g.Voids, g.Remedy)
				}
			}
			for _, group := range scenario.Groups() {
				if len(v.Voided(group)) > 0 {
					voided = append(voided, group)
				}
			}
			if v.Verdict != row.verdict || v.Limit != row.limit {
				t.Errorf("%s, limit %s; want %s, limit %s (%q)", v.Verdict, v.Limit, row.verdict, row.limit, v.Reasons)
			}
			if got := strings.Join(tripped, " "); got != row.tripped {
				t.Errorf("tripped %q, want %q", got, row.tripped)
			}
			if got := strings.Join(voided, " "); got != row.voided {
				t.Errorf("voided %q, want %q", got, row.voided)
			}
			if (v.Verdict != result.Valid || v.Limit != LimitNone) != (len(v.Reasons) > 0) && row.tripped == "" {
				t.Errorf("%s, limit %s for the reasons %q", v.Verdict, v.Limit, v.Reasons)
			}
		})
	}
}

// Whoever has the CPUs of the generator's machine, it is not the generator.
func TestWhoseLimitTheGeneratorsIs(t *testing.T) {
	for _, row := range []struct {
		name      string
		change    func(e *Evidence)
		limit     string
		disturbed bool
	}{
		{"a generator that is late", func(e *Evidence) { e.SendLag = all(3 * time.Millisecond) }, LimitGenerator, false},
		{"late because others had its CPUs", func(e *Evidence) { e.SendLag, e.RunDelay = all(3*time.Millisecond), ptr(0.06); busyOthers(e) }, LimitGenerator, true},
		{"a machine full of others", func(e *Evidence) { busyOthers(e); e.Host.CPU.Busy = 19 * time.Second }, LimitGenerator, true},
		{"of others, and a target without CPU left", func(e *Evidence) {
			busyOthers(e)
			e.Host.CPU.Busy, e.TargetBusiest = 19*time.Second, ptr(0.95)
		}, LimitBoth, true},
		{"full of target and generator", func(e *Evidence) { e.Host.CPU.Busy = 17 * time.Second }, LimitBoth, false},
		{"steal", func(e *Evidence) { e.Host.CPU.Steal = time.Second }, LimitGenerator, true},
		{"throttling", func(e *Evidence) { e.Host.Throttled = ptr(time.Second) }, LimitGenerator, true},
		{"others that hold nobody up", busyOthers, LimitNone, false},
	} {
		e := healthy(t)
		row.change(&e)
		if v := Judge(e); v.Limit != row.limit || v.Disturbed != row.disturbed {
			t.Errorf("%s: limit %s, disturbed %v; want %s, %v (%q)", row.name, v.Limit, v.Disturbed, row.limit, row.disturbed, v.Reasons)
		}
	}
}

func TestReasons(t *testing.T) {
	for _, row := range []struct {
		change func(e *Evidence)
		want   []string
	}{
		{func(e *Evidence) { e.TargetCPU = ptr(9600 * time.Millisecond) }, []string{"the target used 0.96 of the 1 CPUs that it can use"}},
		{func(e *Evidence) { e.Blocked = all(32 * time.Millisecond) }, []string{"the target kept publications waiting 32.01ms at p99 before it took them"}},
		{func(e *Evidence) { e.Overrun = ptr(10*time.Second + 100*time.Microsecond) }, []string{"the target completed deliveries at 50 % of the offered rate"}},
		{func(e *Evidence) { e.Host.CPU.Busy = 19 * time.Second }, []string{"the machine's 2 CPUs were busy 95 % of the time"}},
		{func(e *Evidence) { busyOthers(e); e.Host.CPU.Busy = 19 * time.Second },
			[]string{"the machine's 2 CPUs were busy 95 % of the time, 20 % with neither target nor generator"}},
		{func(e *Evidence) { e.TargetBusiest = ptr(0.951) }, []string{"the target's busiest thread was on a CPU 95 % of the time"}},
		{func(e *Evidence) { e.Standstill = ptr(5030 * time.Millisecond) },
			[]string{"the generator stood still for 5.03s, limit 1s; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.RunDelay = ptr(0.25); busyOthers(e) },
			[]string{"a loop of the generator waited for a CPU 25 % of the time, limit 5 %; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.TargetDelay = ptr(0.25); busyOthers(e) },
			[]string{"a thread of the target waited for a CPU 25 % of the time, limit 5 %; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.StampsExact, e.ReadLag = 80_000, all(3*time.Second) }, []string{"read lag 3s at p99, limit 2ms; voids nothing",
			"80 % of the arrivals have a time stamp of their own, limit 90 %; the others' delivery latencies are upper bounds; voids nothing"}},
		{func(e *Evidence) { e.Host.Pressure = ptr(6 * time.Second) }, []string{"somebody waited for a CPU 60 % of the time, limit 50 %; voids nothing"}},
		{func(e *Evidence) { e.Host.CPU.Steal = time.Second },
			[]string{"other guests had the CPUs 5 % of the time, limit 1 %; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.Host.Throttled = ptr(time.Second) },
			[]string{"the control group's CPU limit held the generator up 10 % of the time, limit 1 %; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.GCPause = ptr(3 * time.Millisecond) }, []string{"the generator's longest collection pause was 3ms, limit 2ms; voids nothing"}},
		{func(e *Evidence) { e.ClockSteps = 2 }, []string{"the wall clock was stepped 2 times; voids nothing"}},
		{func(e *Evidence) { e.Host.Segments.Retransmitted = 1000 },
			[]string{"0.5 % of the TCP segments were lost and sent again, limit 0.1 %; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.Interrupted = true }, []string{"the run was interrupted"}},
		{func(e *Evidence) { e.SendLag = all(3 * time.Millisecond) }, []string{"send lag 3ms at p99, limit 1ms; voids delivery"}},
		{func(e *Evidence) { e.ReadLag = all(3 * time.Second) }, []string{"read lag 3s at p99, limit 2ms; voids nothing"}},
		{func(e *Evidence) { e.BusiestLoop = ptr(0.972) }, []string{"the generator's busiest loop was on a CPU 97 % of the time, limit 90 %; voids nothing"}},
		{func(e *Evidence) { e.FilledBuffers = 12 }, []string{"12 reads found a receive buffer half full; voids nothing"}},
		{func(e *Evidence) { e.StampsMissing = 50_000 }, []string{"50000 of 100000 arrivals have no kernel time stamp; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.Opened = 0 }, []string{"the target opened 0 of 1001 connections",
			"0 of 1001 connections opened; voids delivery, sent-delivery, throughput, connect, resident, cpu"}},
		{func(e *Evidence) { e.TargetAlive = ptr(false) }, []string{"the target ended before the run did",
			"the target did not live to the end; voids delivery, sent-delivery, throughput, ledger, connect, resident, cpu"}},
		{func(e *Evidence) { e.Ledger.Sent = 100 }, []string{"100 of 120 planned publications left; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.Outstanding = ptr(uint64(5000)) }, []string{"5000 deliveries were outstanding when the drain ended; voids delivery, sent-delivery, throughput"}},
		{func(e *Evidence) { e.Ledger.GapsAgree = false }, []string{"the two counts of lost deliveries differ; voids ledger, throughput, cpu"}},
		{func(e *Evidence) { clear(e.Metrics) }, []string{"the scenario requires delivery, and the run observed none"}},
	} {
		e := healthy(t)
		row.change(&e)
		if got := Judge(e).Reasons; !slices.Equal(got, row.want) {
			t.Errorf("reasons\n%q, want\n%q", got, row.want)
		}
	}
}

const machineGuards = "exact-stamps pause run-delay target-run-delay cpu-pressure steal throttling gc-pause clock-steps retransmits"

// A guard without its source is absent, it does not stand at 0.
func TestAbsentSources(t *testing.T) {
	names := func(e Evidence) string {
		var names []string
		for _, g := range Judge(e).Guards {
			names = append(names, g.Name)
		}
		return strings.Join(names, " ")
	}
	full := healthy(t)
	if got, want := names(full), "connected target-alive held sent drained ledger-agrees send-lag read-lag generator-cpu receive-buffers stamps "+machineGuards; got != want {
		t.Errorf("guards %s, want %s", got, want)
	}
	echo := healthy(t)
	closedLoop(t, &echo)
	if got, want := names(echo), "connected target-alive held drained ledger-agrees read-lag generator-cpu receive-buffers stamps "+strings.Replace(machineGuards, "pause", "littles-law pause", 1); got != want {
		t.Errorf("guards of a closed loop %s, want %s", got, want)
	}
	if got := names(Evidence{Scenario: asked(t), SendLag: latency.New(latency.Precise)}); got != "" {
		t.Errorf("guards of nothing: %s", got)
	}
}

func TestPartial(t *testing.T) {
	e := healthy(t)
	if v := Judge(e); v.Partial || v.Interrupted {
		t.Error("a whole run is partial")
	}
	e.Interrupted = true
	if v := Judge(e); !v.Partial || !v.Interrupted {
		t.Error("an interrupted run is not partial")
	}
	e.Interrupted, e.TargetAlive = false, ptr(false)
	if v := Judge(e); !v.Partial || v.Interrupted {
		t.Error("a run whose target died is not partial")
	}
}

func TestGroup(t *testing.T) {
	for metric, want := range map[string]string{
		"delivery.p99.9": "delivery", "completion.p50": "delivery", "first.p50": "delivery", "median.p50": "delivery",
		"slow_delivery.p50": "delivery", "slow_delivery.exact_share": "delivery",
		"sent_delivery.max": "sent-delivery", "spread.p90": "sent-delivery", "blocked.max": "sent-delivery",
		"deliveries_per_second": "throughput", "read_delivery.p50": "throughput",
		"connections_per_second": "connect", "connect.p99": "connect",
		"tls_handshake.p99": "connect", "recovery.max": "connect", "recovery_seconds": "connect",
		"generator.cpu_per_delivery_seconds": "cpu", "target.cpu_seconds": "cpu", "target.cpu_per_connection_seconds": "cpu",
		"generator.rss_per_connection_bytes": "resident", "target.rss_per_connection_bytes": "resident",
		"send_lag.p99": "", "read_lag.p99": "", "generator.gc_pause.max": "", "stamps.exact_share": "",
		"generator.run_delay_share": "", "target.run_delay_share": "", "cpu_pressure_share": "", "cpu_busy_share": "",
		"steal_share": "", "throttled_share": "",
	} {
		if got := Group(metric); got != want {
			t.Errorf("%s is of group %q, want %q", metric, got, want)
		}
	}
}

// No metric is trusted for want of somebody's having thought of it.
func TestEveryMetricHasAGroupOrNeedsNone(t *testing.T) {
	for metric := range scenario.Metrics() {
		if _, decided := groups[family(metric)]; !decided {
			t.Errorf("%s is not among the groups", metric)
		}
	}
}

func TestSplit(t *testing.T) {
	e := healthy(t)
	e.SendLag = all(time.Second)
	trusted, untrusted := Split(Judge(e), e.Metrics)
	if len(trusted)+len(untrusted) != len(e.Metrics) {
		t.Errorf("%d and %d of %d metrics", len(trusted), len(untrusted), len(e.Metrics))
	}
	for name := range e.Metrics {
		_, struck := untrusted[name]
		if want := name == "delivery.p99" || name == "completion.p50"; struck != want {
			t.Errorf("%s untrusted %v, want %v", name, struck, want)
		}
	}
}

func TestExitCode(t *testing.T) {
	lost := func(e *Evidence) { e.Ledger.Lost, e.Ledger.LostUp = 1, 1 }
	for _, row := range []struct {
		name   string
		change func(t *testing.T, e *Evidence)
		want   int
	}{
		{"fine", func(*testing.T, *Evidence) {}, ExitFine},
		{"fine with the server at its limit", func(_ *testing.T, e *Evidence) { e.TargetCPU = ptr(10 * time.Second) }, ExitFine},
		{"lost", func(_ *testing.T, e *Evidence) { lost(e) }, ExitBreach},
		{"duplicated", func(_ *testing.T, e *Evidence) { e.Ledger.Duplicated = 1 }, ExitBreach},
		{"reordered", func(_ *testing.T, e *Evidence) { e.Ledger.Reordered = 1 }, ExitBreach},
		{"corrupt", func(_ *testing.T, e *Evidence) { e.Ledger.Corrupt = 1 }, ExitBreach},
		{"misrouted", func(_ *testing.T, e *Evidence) { e.Ledger.Misrouted = 1 }, ExitBreach},
		{"all of them allowed", func(t *testing.T, e *Evidence) {
			e.Scenario = asked(t, "allow=lost,duplicated,reordered,corrupt,misrouted")
			e.Ledger.Lost, e.Ledger.Duplicated, e.Ledger.Reordered, e.Ledger.Corrupt, e.Ledger.Misrouted = 1, 1, 1, 1, 1
		}, ExitFine},
		{"lost, and other metrics not valid", func(_ *testing.T, e *Evidence) { lost(e); e.SendLag = all(time.Second) }, ExitBreach},
		{"lost, by a ledger that is not valid", func(_ *testing.T, e *Evidence) { lost(e); e.Ledger.GapsAgree = false }, ExitUntrusted},
		{"a required metric not valid", func(_ *testing.T, e *Evidence) { e.SendLag = all(time.Second) }, ExitUntrusted},
		{"the target refused", func(_ *testing.T, e *Evidence) { e.Opened = 0 }, ExitUntrusted},
		{"the target died, and much was lost with it", func(_ *testing.T, e *Evidence) { lost(e); e.TargetAlive = ptr(false) }, ExitUntrusted},
		{"a network that loses", func(_ *testing.T, e *Evidence) { e.Host.Segments.Retransmitted = 5000 }, ExitUntrusted},
		{"interrupted", func(_ *testing.T, e *Evidence) { lost(e); e.Interrupted = true; e.Opened = 3 }, ExitInterrupted},
	} {
		e := healthy(t)
		row.change(t, &e)
		r := &result.Result{Scenario: e.Scenario, Ledger: e.Ledger, Verdict: Judge(e)}
		if got := ExitCode(r); got != row.want {
			t.Errorf("%s: exit %d, want %d (%+v)", row.name, got, row.want, r.Verdict)
		}
	}
}

func TestExitCodeOfObjectives(t *testing.T) {
	for _, row := range []struct {
		states  string
		verdict string
		want    int
	}{
		{"ok ok", result.Valid, ExitFine},
		{"ok breached", result.Valid, ExitBreach},
		{"unknown ok", result.Valid, ExitUntrusted},
		{"unknown breached", result.Valid, ExitBreach},
		{"breached", result.GeneratorLimited, ExitBreach},
		{"ok", result.GeneratorLimited, ExitUntrusted},
	} {
		r := &result.Result{Verdict: result.Verdict{Verdict: row.verdict}}
		for state := range strings.FieldsSeq(row.states) {
			r.SLO = append(r.SLO, result.Objective{State: state})
		}
		if got := ExitCode(r); got != row.want {
			t.Errorf("%s, %s: exit %d, want %d", row.states, row.verdict, got, row.want)
		}
	}
}
