package scenario

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	ramp := Ramp{InFlight: 256, Timeout: 10 * time.Second}
	for _, row := range []struct {
		settings string
		want     Scenario
	}{
		{"", Scenario{
			Workload: Fanout, Connections: 1000, Rooms: 1, Membership: RoundRobin, Publishers: 1, Rate: 10, Arrivals: Constant, Size: 128, Payload: Padding,
			Phases:      Phases{Ramp: ramp, Idle: MinIdle, WarmUp: 2 * time.Second, Measure: 10 * time.Second, Drain: 10 * time.Second},
			LatencyFrom: FromDue, Require: []string{"delivery", "ledger"},
			Target: Target{Subscribe: "/rooms/{room}", Publish: "/rooms/{room}?self=0"},
		}},
		{"workload=echo", Scenario{
			Workload: Echo, Connections: 1000, Window: 1, Size: 128, Payload: Padding,
			Phases:      Phases{Ramp: ramp, Idle: MinIdle, WarmUp: 2 * time.Second, Measure: 10 * time.Second, Drain: 10 * time.Second},
			LatencyFrom: FromSent, Require: []string{"sent-delivery", "ledger"}, Target: Target{Subscribe: "/echo"},
		}},
		{"workload=connect", Scenario{
			Workload: Connect, Connections: 1000,
			Phases:      Phases{Ramp: ramp, Idle: MinIdle, Measure: time.Second},
			LatencyFrom: FromDue, Require: []string{"connect"}, Target: Target{Subscribe: "/echo"},
		}},
	} {
		want := row.want
		want.Name, want.Version, want.Question = "adhoc", 1, "How does the target carry this load?"
		want.Workers, want.Loops, want.Server.Workers, want.Allow = 1, 1, 1, []string{}
		got, err := New(settings(row.settings)...)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: error %v\n got %+v\nwant %+v", row.settings, err, got, want)
		}
	}
	if fanout, err := New(); err != nil || !reflect.DeepEqual(Default(), fanout) {
		t.Errorf("Default differs from New without options (%v)", err)
	}
}

// settings turns "key=value key=value" into options.
func settings(text string) []Option {
	var opts []Option
	for _, s := range strings.Fields(text) {
		key, value, _ := strings.Cut(s, "=")
		opts = append(opts, Set(key, value, "--"+key))
	}
	return opts
}

// Some defaults follow what was set, and what was set to 0 stays 0.
func TestDependentDefaults(t *testing.T) {
	for _, row := range []struct {
		settings string
		got      func(Scenario) any
		want     any
	}{
		{"rooms=10", func(s Scenario) any { return s.Publishers }, 10},
		{"rooms=10 publishers=30", func(s Scenario) any { return s.Publishers }, 30},
		{"phases.warm-up=0", func(s Scenario) any { return s.Phases.WarmUp }, time.Duration(0)},
		{"latency-from=sent", func(s Scenario) any { return s.Require }, []string{"sent-delivery", "ledger"}},
		{"require=", func(s Scenario) any { return s.Require }, []string{}},
		{"require=cpu,ledger", func(s Scenario) any { return s.Require }, []string{"cpu", "ledger"}},
		{"workload=echo rate=100/s", func(s Scenario) any { return []any{s.Window, s.LatencyFrom, s.ClosedLoop()} }, []any{0, FromDue, false}},
		{"workload=echo rate=0", func(s Scenario) any { return []any{s.Window, s.LatencyFrom, s.ClosedLoop()} }, []any{1, FromSent, true}},
		{"sizes=128B:70,1KiB:30", func(s Scenario) any { return []any{s.Size, s.LargestSize(), s.Distribution()} },
			[]any{Size(0), Size(1 << 10), []WeightedSize{{128, 70}, {1 << 10, 30}}}},
		{"size=1KiB", func(s Scenario) any { return []any{s.LargestSize(), s.Distribution()} },
			[]any{Size(1 << 10), []WeightedSize{{1 << 10, 1}}}},
		{"workload=connect", func(s Scenario) any { return []any{s.LargestSize(), len(s.Distribution())} }, []any{Size(0), 0}},
		{"membership=zipf", func(s Scenario) any { return []any{s.Membership, s.Membership.Exponent()} }, []any{Membership("zipf:1"), 1.0}},
		{"slow.share=0.01%", func(s Scenario) any { return []any{s.Slow, s.SlowSubscribers(), s.SilentSubscribers()} },
			[]any{Slow{0.0001, 4 << 10, 1 << 10}, 1, 0}},
		{"slow.share=1% slow.pace=0", func(s Scenario) any { return []any{s.Slow, s.SlowSubscribers()} }, []any{Slow{0.01, 4 << 10, 0}, 10}},
		{"reconnect.most=5s", func(s Scenario) any { return s.Reconnect }, Reconnect{100 * time.Millisecond, 5 * time.Second}},
		{"reconnect.most=50ms", func(s Scenario) any { return s.Reconnect }, Reconnect{50 * time.Millisecond, 50 * time.Millisecond}},
		{"churn.rate=50/s", func(s Scenario) any { return s.Churns() }, 495}, // 10s less the 100ms away
		{"slo=lost==0,sent>5", func(s Scenario) any { return s.SLO },
			[]Condition{{Metric: "lost", Op: "==", Unit: Number}, {Metric: "sent", Op: ">", Value: 5, Unit: Number}}},
		{"headers=X-A:b,c", func(s Scenario) any { return s.Headers }, []Header{{"X-A", "b,c"}}},
		{"allow=lost", func(s Scenario) any { return []any{s.Allows("lost"), s.Allows("corrupt")} }, []any{true, false}},
		{"require=cpu", func(s Scenario) any { return s.Require }, []string{"cpu"}},
	} {
		s, err := New(settings(row.settings)...)
		if err != nil || !reflect.DeepEqual(row.got(s), row.want) {
			t.Errorf("%q: %v, want %v (%v)", row.settings, row.got(s), row.want, err)
		}
	}
}

const everyKey = `# comment
version: 3
question: |
  Does every key arrive?
workload: fanout
connections: 10_000
rooms: 4
membership: zipf:1.2
publishers: 8
rate: 30/min
arrivals: poisson
sizes: [128B:70, 1KiB:25, "16KiB:5"]
churn: {rate: 50/s}
reconnect: {first: 50ms, most: 5s}
slow: {share: 1%, buffer: 8KiB, pace: 2KiB/s}
silent: {share: 2%}
headers: ["Authorization: Bearer {token}", "X-Id: {connection}, again"]
tls: {server-name: example.org}
slo: [delivery.p99 < 50ms, "lost == 0 after 5s abort", target.rss_per_connection <= 2KiB]
binary: true
payload: json
deflate: true
phases:
  ramp: {in-flight: 8, timeout: 3s, rate: 500/s}
  idle: 1s
  warm-up: 1500ms
  measure: 4s
  drain: 1m30s
workers: 2
loops: 3
receive-buffer: 64KiB
latency-from: sent
require: [throughput]
allow:
  - lost
  - reordered
target: {subscribe: "/a/{room}", publish: "/b/{room}"}
server: {workers: 2, flags: [--loops, "1"]}
toy: {connections: 40, phases: {measure: 2500ms}}
`

func TestEveryKey(t *testing.T) {
	want := Scenario{
		Name: "every", Version: 3, Question: "Does every key arrive?", Workload: Fanout,
		Connections: 10_000, Rooms: 4, Membership: "zipf:1.2", Publishers: 8, Rate: 0.5, Arrivals: Poisson,
		Sizes: []WeightedSize{{128, 70}, {1 << 10, 25}, {16 << 10, 5}}, Binary: true, Payload: JSON, Deflate: true,
		Churn: Churn{50}, Reconnect: Reconnect{50 * time.Millisecond, 5 * time.Second},
		Slow: Slow{0.01, 8 << 10, 2 << 10}, Silent: Silent{0.02}, TLS: TLS{"example.org"},
		Headers: []Header{{"Authorization", "Bearer {token}"}, {"X-Id", "{connection}, again"}},
		SLO: []Condition{{Metric: "delivery.p99", Op: "<", Value: 0.05, Unit: Seconds},
			{Metric: "lost", Op: "==", Unit: Number, After: 5 * time.Second, Abort: true},
			{Metric: "target.rss_per_connection_bytes", Op: "<=", Value: 2048, Unit: Bytes}},
		Phases: Phases{Ramp: Ramp{InFlight: 8, Timeout: 3 * time.Second, Rate: 500}, Idle: time.Second,
			WarmUp: 1500 * time.Millisecond, Measure: 4 * time.Second, Drain: 90 * time.Second},
		Workers: 2, Loops: 3, ReceiveBuffer: 64 << 10, LatencyFrom: FromSent,
		Require: []string{"throughput"}, Allow: []string{"lost", "reordered"},
		Target: Target{Subscribe: "/a/{room}", Publish: "/b/{room}"}, Server: Server{Workers: 2, Flags: []string{"--loops", "1"}},
	}
	path := filepath.Join(t.TempDir(), "every.yaml")
	if err := os.WriteFile(path, []byte(everyKey), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("error %v\n got %+v\nwant %+v", err, got, want)
	}
	if _, err := Load(path + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// The file, its toy block and flags lie over each other in this order.
func TestLayers(t *testing.T) {
	src := []byte("question: q\nconnections: 1000\nrooms: 4\nphases: {measure: 4s, warm-up: 3s}\n" +
		"toy:\n  connections: 40\n  phases: {measure: 500ms}\n")
	for _, row := range []struct {
		name                      string
		opts                      []Option
		connections, rooms, pubs  int
		measure, warmUp, untouchd time.Duration
	}{
		{"the file", nil, 1000, 4, 4, 4 * time.Second, 3 * time.Second, 10 * time.Second},
		{"its toy block", []Option{Toy()}, 40, 4, 4, 500 * time.Millisecond, 3 * time.Second, 10 * time.Second},
		{"a flag over the file", settings("connections=7"), 7, 4, 4, 4 * time.Second, 3 * time.Second, 10 * time.Second},
		{"a flag over the toy block", append(settings("connections=7 rooms=2"), Toy()), 7, 2, 2, 500 * time.Millisecond, 3 * time.Second, 10 * time.Second},
	} {
		s, err := Parse("x.yaml", src, row.opts...)
		got := []any{s.Connections, s.Rooms, s.Publishers, s.Phases.Measure, s.Phases.WarmUp, s.Phases.Drain}
		if want := []any{row.connections, row.rooms, row.pubs, row.measure, row.warmUp, row.untouchd}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v (%v)", row.name, got, want, err)
		}
	}
}

// Each row is a whole file but for the question, and all that is said about it,
// without the excerpts.
func TestProblems(t *testing.T) {
	const question = "question: q\n"
	for _, row := range []struct {
		src  string
		want []string
	}{
		{"roomz: 3", []string{`2:1: roomz: unknown key; did you mean "rooms"?`}},
		{"Rooms: 3", []string{`2:1: Rooms: unknown key; did you mean "rooms"?`}},
		{"zzz: 3", []string{`2:1: zzz: unknown key`}},
		{"warm-up: 3s", []string{`2:1: warm-up: unknown key`}},
		{"phases: {warm_up: 3s}", []string{`2:10: phases.warm_up: unknown key; did you mean "warm-up"?`}},
		{"<<: {rooms: 3}", []string{`2:1: <<: unknown key`}},
		{"rate: 200", []string{`2:7: rate: 200 has no unit; want a rate with its unit: "200/s", "30/min" or "5/h"`}},
		{"rate: 200 Hz", []string{`2:7: rate: "200 Hz" has no known unit; want a rate with its unit: "200/s", "30/min" or "5/h"`}},
		{"rate: -1/s", []string{`2:7: rate: -1 is negative; want a rate with its unit: "200/s", "30/min" or "5/h"`}},
		{"rate: inf/s", []string{`2:7: rate: "inf" is not a number; want a rate with its unit: "200/s", "30/min" or "5/h"`}},
		{"size: 128", []string{`2:7: size: 128 has no unit; want a size with its unit: "128B", "64KiB", "1MiB" or "1MB"`}},
		{"size: 0.3B", []string{`2:7: size: 0.3B is not a whole number of bytes up to 1 PiB; want a size with its unit: "128B", "64KiB", "1MiB" or "1MB"`}},
		{"phases: {idle: 5}", []string{`2:16: phases.idle: 5 has no unit; want a duration with its unit: "500ms", "10s" or "1m30s"`}},
		{"phases: {idle: -5s}", []string{`2:16: phases.idle: -5s is negative; want a duration with its unit: "500ms", "10s" or "1m30s"`}},
		{"phases: {idle: soon}", []string{`2:16: phases.idle: "soon" is not a duration; want a duration with its unit: "500ms", "10s" or "1m30s"`}},
		{"connections: many", []string{`2:14: connections: "many" does not fit; want a whole number`}},
		{"connections: 1.5", []string{`2:14: connections: "1.5" does not fit; want a whole number`}},
		{"connections:", []string{`2:14: connections: has no value; want a whole number`}},
		{"connections: [1]", []string{`2:14: connections: want a whole number, not a list`}},
		{"connections: {a: 1}", []string{`2:14: connections: want a whole number, not keys below it`}},
		{"connections: *x", nil}, // an alias without its anchor: see below
		{"connections: &x 5", []string{`2:14: connections: anchor is not supported here; want a whole number`}},
		{"binary: yes", []string{`2:9: binary: "yes" does not fit; want true or false`}},
		{"phases: 10s", []string{`2:9: phases: "10s" does not fit; want keys below it: drain, idle, measure, ramp, warm-up`}},
		{"require: [{a: 1}]", []string{`2:11: require[0]: want text, not keys below it`}},
		{"toy: 3", []string{`2:6: toy: want keys below it`}},
		{"toy: {toy: {rooms: 1}}", []string{`2:7: toy: unknown key`}},
		{"toy: {size: 12}", []string{`2:13: size: 12 has no unit; want a size with its unit: "128B", "64KiB", "1MiB" or "1MB"`}},
		{"rooms: 3\nrooms: 4", []string{`3:1: mapping key "rooms" already defined at [2:1]`}},
		{"rooms: [3", nil},

		{"size: 47B", []string{`2:1: size: 47B is out of range; want 48B, the length of the stamp, to 16777215B`}},
		{"payload: xml", []string{`2:1: payload: "xml" is unknown; want padding or json`}},
		{"size: 127B\npayload: json", []string{`2:1: size: 127B is too short for a payload of JSON; want 128B or more`}},
		{"workload: connect\npayload: json", []string{`3:1: payload: is not for workload connect; leave it out`}},
		{"deflate: 15", []string{`2:10: deflate: "15" does not fit; want true or false`}},
		{"rooms: 0", []string{`2:1: rooms: 0 rooms for 1000 connections; want 1 to connections`, `publishers: 0 is out of range; want 1 to 16777216`}},
		{"rooms: 1001", []string{`2:1: rooms: 1001 rooms for 1000 connections; want 1 to connections`}},
		{"publishers: 0", []string{`2:1: publishers: 0 is out of range; want 1 to 16777216`}},
		{"rooms: 3\npublishers: 4", []string{`3:1: publishers: 4 publishers for 3 rooms; want a multiple of rooms, the next is 6`}},
		{"rate: 0", []string{`2:1: rate: a fan-out needs a rate above 0; want for example "10/s"`}},
		{"connections: 0\nrooms: 1", []string{`2:1: connections: 0 is out of range; want 1 to 16777216`}},
		{"version: 0", []string{`2:1: version: 0 is out of range; want 1 or more`}},
		{"workload: fan-out", []string{`2:1: workload: "fan-out" is unknown; did you mean "fanout"?; want fanout, echo or connect`}},
		{"workload: echo\nrooms: 3", []string{`3:1: rooms: is not for workload echo; leave it out`}},
		{"workload: echo\npublishers: 3", []string{`3:1: publishers: is not for workload echo; leave it out`}},
		{"workload: echo\nlatency-from: due", []string{`3:1: latency-from: "due" needs due times, and an echo at rate 0 is a closed loop; set rate, or want "sent"`}},
		{"workload: echo\nwindow: 0", []string{`3:1: window: 0 is out of range; want 1 to 1024`}},
		{"workload: echo\nrate: 5/s\nwindow: 2", []string{`4:1: window: 2 messages in flight need a closed loop; leave it out, or want workload echo at rate 0`}},
		{"workload: connect\nrate: 5/s", []string{`3:1: rate: is not for workload connect; leave it out`}},
		{"workload: connect\nphases: {warm-up: 1s, drain: 1s}", []string{
			`3:10: phases.warm-up: is not for workload connect; leave it out`, `3:23: phases.drain: is not for workload connect; leave it out`}},
		{"target: {subscribe: rooms}", []string{`2:10: target.subscribe: "rooms" is not a path; want one that begins with /`}},
		{"rooms: 2\ntarget: {publish: /lobby}", []string{`3:10: target.publish: "/lobby" leads 2 rooms to one place; want a {room} in it`}},
		{"phases: {idle: 499ms}", []string{`2:10: phases.idle: 499ms is too short for resident memory to settle; want 500ms or more`}},
		{"phases: {measure: 0}", []string{`2:10: phases.measure: 0 measures nothing; want for example "10s"`}},
		{"phases: {measure: 25h}", []string{`2:10: phases.measure: 25h0m0s is out of range; want 0 to 24h`}},
		{"phases: {drain: 0}", []string{`2:10: phases.drain: 0 leaves deliveries no time to arrive; want for example "10s"`}},
		{"phases: {ramp: {timeout: 0, in-flight: 0}}", []string{
			`2:29: phases.ramp.in-flight: 0 is out of range; want 1 to 16777216`, `2:17: phases.ramp.timeout: 0 leaves no time to connect; want for example "10s"`}},
		{"rate: 1/min", []string{`phases.measure: 10s at 0.016666666666666666/s is less than one publication; want a longer phase or a higher rate`}},
		{"workers: 0", []string{`2:1: workers: 0 is out of range; want 1 to 1024`}},
		{"connections: 1\nworkers: 2", []string{`3:1: workers: 2 workers for 1 connections; want at most one each`}},
		{"receive-buffer: 1KiB", []string{`2:1: receive-buffer: 1KiB is out of range; want 4KiB to 1GiB, or 0 for the kernel's autotuning`}},
		{"require: [delivery, ledgre]", []string{`2:1: require: "ledgre" is unknown; did you mean "ledger"?; want any of delivery, sent-delivery, throughput, ledger, connect, resident, cpu`}},
		{"allow: [lost, lost]", []string{`2:1: allow: "lost" stands twice`}},
		{"allow: [delayed]", []string{`2:1: allow: "delayed" is unknown; want any of lost, duplicated, reordered, corrupt, misrouted`}},
		{"latency-from: now", []string{`2:1: latency-from: "now" is unknown; want due or sent`}},
		{"arrivals: uniform", []string{`2:1: arrivals: "uniform" is unknown; want constant or poisson`}},
		{"workload: echo\narrivals: poisson", []string{`3:1: arrivals: "poisson" needs a timetable, and an echo at rate 0 is a closed loop; set rate, or leave it out`}},
		{"workload: connect\narrivals: poisson", []string{`3:1: arrivals: is not for workload connect; leave it out`}},
		{"workload: echo\narrivals: poisson\nrate: 2000000/s", []string{`phases.measure: 10s at 2000000/s is 20000000 publications, whose times a table must hold; want at most 16777216: a shorter phase, or constant arrivals`}},
		{"rate: 2000000/s", []string{`phases.measure: 10s at 2000000/s is 20000000 publications, each with a record in memory; want at most 16777216: a shorter phase, or a lower rate`}},
		{"arrivals: poisson\nrate: 200/s\nphases: {measure: 24h}", []string{`4:10: phases.measure: 24h0m0s at 200/s is 17280000 publications, each with a record in memory; want at most 16777216: a shorter phase, or a lower rate`}},
		{"size: 1KiB\nsizes: 64B:1", []string{`3:1: sizes: stands beside size; leave one of the two out`}},
		{"sizes: 64B", []string{`2:8: sizes: "64B" has no weight; want a size and its weight: "1KiB:25"`}},
		{"sizes: [64B:1, 1KiB:x]", []string{`2:16: sizes[1]: "x" is not a whole number; want a size and its weight: "1KiB:25"`}},
		{"sizes: [{64B: 1}]", []string{`2:9: sizes[0]: want a size and its weight: "1KiB:25", not keys below it`}},
		{"sizes: 47B:1,64B:0,64B:1", []string{
			`2:1: sizes: 47B is out of range; want 48B, the length of the stamp, to 16777215B`,
			`2:1: sizes: 64B:0: weight 0 is out of range; want 1 to 1000000`, `2:1: sizes: 64B stands twice`}},
		{"payload: json\nsizes: 64B:1", []string{`3:1: sizes: 64B is too short for a payload of JSON; want 128B or more`}},
		{"sizes: " + strings.Repeat("1KiB:1,", 17), append([]string{`2:1: sizes: 17 sizes; want at most 16`},
			slices.Repeat([]string{`2:1: sizes: 1KiB stands twice`}, 16)...)},
		{"membership: zip", []string{`2:13: membership: "zip" is unknown; want round-robin, zipf or zipf with its exponent: "zipf:1.2"`}},
		{"membership: zipf:0x1", []string{`2:13: membership: "zipf:0x1" is unknown; want round-robin, zipf or zipf with its exponent: "zipf:1.2"`}},
		{"membership: zipf:11", []string{`2:1: membership: "zipf:11" is out of range; want round-robin, zipf or zipf with its exponent: "zipf:1.2", above 0 and at most 10`}},
		{"workload: echo\nmembership: zipf", []string{`3:1: membership: is not for workload echo; leave it out`}},
		{"churn: {rate: 5001/s}", []string{`2:9: churn.rate: 5001/s is out of range for 1000 subscribers that are neither slow nor silent; want at most 5000/s, each 5 times a second`}},
		{"churn: {rate: 1/min}", []string{`2:9: churn.rate: at 0.016666666666666666/s nobody leaves and comes back within 10s; want a higher rate or a longer phases.measure`}},
		{"workload: echo\nchurn: {rate: 1/s}", []string{`3:9: churn.rate: is not for workload echo; leave it out`}},
		{"workload: connect\nslow: {share: 1%}", []string{`3:8: slow.share: is not for workload connect; leave it out`}},
		{"workload: echo\nsilent: {share: 1%}", []string{`3:10: silent.share: is not for workload echo; leave it out`}},
		{"slow: {share: 1}", []string{`2:15: slow.share: 1 has no unit; want a percentage up to 100%: "1%"`}},
		{"slow: {share: 101%}", []string{`2:15: slow.share: 101% is more than all; want a percentage up to 100%: "1%"`}},
		{"slow: {share: 60%}\nsilent: {share: 50%}", []string{`2:8: slow.share: 600 slow and 500 silent of 1000 subscribers; want at most all together`}},
		{"slow: {buffer: 8KiB}", []string{`2:8: slow.buffer: is of slow subscribers, of which there are none; set slow.share, or leave it out`}},
		{"slow: {share: 1%, buffer: 4095B}", []string{`2:19: slow.buffer: 4095B is out of range; want 4KiB to 1GiB`}},
		{"slow: {share: 1%, pace: 1KiB}", []string{`2:25: slow.pace: "1KiB" has no known unit; want bytes per second with their unit: "512B/s" or "1KiB/s"`}},
		{"reconnect: {first: 1s}", []string{`2:13: reconnect.first: 1s is the first of no waits; set reconnect.most, or leave it out`}},
		{"reconnect: {first: 2s, most: 1s}", []string{`2:13: reconnect.first: 2s is out of range; want above 0 and up to reconnect.most, 1s`}},
		{"reconnect: {most: 2h}", []string{`2:13: reconnect.most: 2h0m0s is out of range; want up to 1h`}},
		{"workload: echo\nreconnect: {most: 2s}", []string{`3:13: reconnect.most: is not for workload echo; leave it out`}},
		{"headers: [X-A]", []string{`2:11: headers[0]: "X-A" has no colon; want "Name: value"`}},
		{`headers: ["X A: b"]`, []string{`2:11: headers[0]: "X A" is not the name of a header (RFC 9110 §5.1); want "Name: value"`}},
		{`headers: ["X-A: b", "X-B: b\r\nX-C: d"]`, []string{`2:21: headers[1]: X-B: the value "b\r\nX-C: d" holds a control character (RFC 9110 §5.5); leave it out`}},
		{`headers: ["sec-websocket-key: x"]`, []string{`2:11: headers[0]: sec-websocket-key is the handshake's own; leave it out`}},
		{`headers: ["Host: x"]`, []string{`2:11: headers[0]: Host is the handshake's own; leave it out`}},
		{`headers: ["X-A: {tokn}"]`, []string{`2:11: headers[0]: X-A: {tokn} is unknown; want {connection} or {token}`}},
		{`headers: ["X-A: b", "x-a: c"]`, []string{`2:1: headers: x-a stands twice`}},
		{"tls: {server-name: 'a:443'}", []string{`2:7: tls.server-name: "a:443" is not the name of a host; want for example "example.org"`}},
		{"slo: [delivery.p99]", []string{`2:7: slo[0]: "delivery.p99" has no operator; ` + conditionForms}},
		{"slo:\n  - lost == 0\n  - delivry.p99 < 1ms", []string{`4:5: slo[1]: metric "delivry.p99" is unknown; did you mean "delivery.p99"?`}},
		{"slo: [lost = 0]", []string{`2:7: slo[0]: operator "=" is unknown; want <, <=, >, >=, == or !=`}},
		{"slo: [delivery.p99 <]", []string{`2:7: slo[0]: "delivery.p99 <" has no value; ` + conditionForms}},
		{"slo: [delivery.p99 < 5]", []string{`2:7: slo[0]: delivery.p99: 5 has no unit; want a duration with its unit: "500ms", "10s" or "1m30s"`}},
		{"slo: [target.resident < 5s]", []string{`2:7: slo[0]: target.resident: "5s" has no known unit; want a size with its unit: "128B", "64KiB", "1MiB" or "1MB"`}},
		{"slo: [lost < 5B]", []string{`2:7: slo[0]: lost: "5B" is not a plain number, which this metric wants`}},
		{"slo: [lost < 5 before 3s]", []string{`2:7: slo[0]: "before 3s" is out of place; ` + conditionForms}},
		{"slo: [lost < 5 after 3]", []string{`2:7: slo[0]: after: 3 has no unit; want a duration with its unit: "500ms", "10s" or "1m30s"`}},
		{"rooms: 5\ntoy: {connections: 2}", []string{`2:1: rooms: 5 rooms for 2 connections; want 1 to connections`}},

		// All of them at once, in the toy block too.
		{"roomz: 3\nsize: 12\nphases: {idle: x}\ntoy: {rate: fast}", []string{
			`2:1: roomz: unknown key; did you mean "rooms"?`,
			`3:7: size: 12 has no unit; want a size with its unit: "128B", "64KiB", "1MiB" or "1MB"`,
			`4:16: phases.idle: "x" is not a duration; want a duration with its unit: "500ms", "10s" or "1m30s"`,
			`5:13: rate: "fast" has no known unit; want a rate with its unit: "200/s", "30/min" or "5/h"`,
		}},
	} {
		_, err := Parse("x.yaml", []byte(question+row.src+"\n"))
		var problems Problems
		if !errors.As(err, &problems) {
			t.Errorf("%q: %v", row.src, err)
			continue
		}
		if row.want == nil { // YAML's own syntax: the place is what counts
			if len(problems) != 1 || problems[0].File != "x.yaml" || problems[0].Line != 2 {
				t.Errorf("%q: %+v", row.src, problems)
			}
			continue
		}
		var got []string
		for _, p := range problems {
			line, _, _ := strings.Cut(p.Error(), "\n")
			got = append(got, strings.TrimSpace(strings.TrimPrefix(line, "x.yaml:")))
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%q:\n got %q\nwant %q", row.src, got, row.want)
		}
	}
}

func TestFilesThatAreNoScenario(t *testing.T) {
	for src, want := range map[string]string{
		"":                              "x.yaml: is empty; want at least a question",
		"# nothing\n":                   "x.yaml: is empty; want at least a question",
		"rooms: 1\n":                    "x.yaml: question: is missing; want the one question that the scenario answers",
		"[1, 2]\n":                      "x.yaml: is not a scenario; want keys and values",
		"question: a\n---\nrooms: 3\n":  "x.yaml: holds 2 documents; want one scenario a file",
		"question: a\nphases:\n\t- 1\n": "x.yaml:3:1: ",
	} {
		if _, err := Parse("x.yaml", []byte(src)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
	}
}

func TestAByteOrderMarkIsNoKey(t *testing.T) {
	if s, err := Parse("x.yaml", []byte("\xef\xbb\xbfquestion: q\r\nrooms: 3\r\n")); err != nil || s.Rooms != 3 {
		t.Errorf("%d rooms, want 3 (%v)", s.Rooms, err)
	}
}

func TestAFileWithoutAnEndIsNoScenario(t *testing.T) {
	const want = "load scenario: /dev/zero holds more than 1048576 bytes, and is none"
	if _, err := Load("/dev/zero"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestExcerptPointsAtThePlace(t *testing.T) {
	_, err := Parse("x.yaml", []byte("question: q\nphases:\n  idle: 5\n"))
	want := "x.yaml:3:9: phases.idle: 5 has no unit; want a duration with its unit: \"500ms\", \"10s\" or \"1m30s\"\n" +
		"   3 |   idle: 5\n" +
		"     |         ^"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestFlagErrorsNameTheFlag(t *testing.T) {
	for _, row := range []struct{ key, value, want string }{
		{"rooms", "x", `--f: "x" does not fit; want a whole number`},
		{"rooms", "2000", `--f 2000: 2000 rooms for 1000 connections; want 1 to connections`},
		{"size", "12", `--f: 12 has no unit; want a size with its unit: "128B", "64KiB", "1MiB" or "1MB"`},
		{"roomz", "3", `--f: unknown key "roomz"; did you mean "rooms"?`},
		{"rooms.x", "3", `--f: unknown key "rooms.x"`},
		{"phases", "3", `--f: "3" does not fit; want keys below it: drain, idle, measure, ramp, warm-up`},
	} {
		for name, make := range map[string]func(Option) (Scenario, error){
			"flags alone": func(o Option) (Scenario, error) { return New(o) },
			"over a file": func(o Option) (Scenario, error) { return Parse("x.yaml", []byte("question: q\n"), o) },
		} {
			if _, err := make(Set(row.key, row.value, "--f")); err == nil || err.Error() != row.want {
				t.Errorf("%s=%s %s: %v, want %s", row.key, row.value, name, err, row.want)
			}
		}
	}
}

func TestHash(t *testing.T) {
	base := Default()
	same := base
	same.Name, same.Question = "other", "other?"
	if base.Hash() != same.Hash() || len(base.Hash()) != 64 {
		t.Errorf("hashes %s and %s", base.Hash(), same.Hash())
	}
	// What nobody used to be asked changes no hash from before.
	for workload, want := range map[string]string{
		"fanout":  "e0183b73312fd8acfe0aba763bfe0a5ee406362cf94f2d99801ac8a90688b9b4",
		"echo":    "2a8069bf617ba86e40dd6051bc799acc73d26f78c666349853fe35a29c22fbf6",
		"connect": "4dabe075c19bc3011ca011e844c00f785ec534107515f122420c2b4f0631eb08",
	} {
		if s, err := New(Set("workload", workload, "")); err != nil || s.Hash() != want {
			t.Errorf("the hash of %s is %s, want %s (%v)", workload, s.Hash(), want, err)
		}
	}
	judged, err := New(Set("slo", "lost == 0", ""))
	if err != nil || judged.Hash() != base.Hash() {
		t.Errorf("a condition changes the hash: %v", err)
	}
	seen := map[string]string{base.Hash(): "nothing"}
	for _, change := range []string{"connections=999", "rate=11/s", "size=129B", "binary=true", "payload=json", "deflate=true", "phases.idle=501ms",
		"require=cpu", "allow=lost", "target.subscribe=/x", "server.workers=2", "version=2",
		"arrivals=poisson", "sizes=128B:1", "sizes=128B:2", "membership=zipf", "membership=zipf:2", "churn.rate=5/s", "reconnect.most=1s",
		"slow.share=1%", "silent.share=1%", "headers=A:b", "tls.server-name=x"} {
		s, err := New(settings(change)...)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[s.Hash()]; twice {
			t.Errorf("%s and %s have the same hash", change, other)
		}
		seen[s.Hash()] = change
	}
}

// Whatever parses is valid and parses to the same again.
func FuzzParse(f *testing.F) {
	for _, src := range []string{everyKey, "question: q\n", "question: q\nrooms: [3\n", "a: &a\n  b: *a\n", "question: q\ntoy: {rate: 3/s}\n", "- 1", "question: \"\\0\""} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		s, err := Parse("x.yaml", []byte(src))
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 || problems.Error() == "" {
				t.Fatalf("error without a problem: %v", err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("parsed, and is invalid: %v", err)
		}
		if again, err := Parse("x.yaml", []byte(src)); err != nil || again.Hash() != s.Hash() {
			t.Fatalf("parsed differently: %v", err)
		}
	})
}
