package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fanbench/loadgen/internal/find"
	"fanbench/loadgen/internal/verdict"
	"fanbench/loadgen/result"
	"fanbench/loadgen/result/schema"
	"fanbench/loadgen/scenario"
)

// search is a search with probes of a few hundred milliseconds. No number of it
// is a measured duration: what holds is a question of counts.
func search(url, dir string, more ...string) []string {
	return append([]string{"run", "--url", url, "--connections", "10", "--rate", "20/s", "--drain", "5s", "--timeout", "5s",
		"--latency-from", "sent", "--require", "ledger", "--find-measure", "150ms", "--find-repeat", "1", "--out", dir}, more...)
}

// capacityIn reads what a search left behind.
func capacityIn(t *testing.T, dir string) find.Capacity {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, find.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Check(result.CapacitySchema, b); err != nil {
		t.Error(err)
	}
	var c find.Capacity
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if c.Kind != "capacity" || c.SchemaVersion != find.SchemaVersion {
		t.Errorf("kind %q, version %d", c.Kind, c.SchemaVersion)
	}
	return c
}

func TestFind(t *testing.T) {
	url := theirs(t)
	for _, c := range []struct {
		name   string
		more   []string
		status int
		state  find.State
		lower  float64 // 0: none
		upper  float64
		said   string
	}{
		// 150 ms at 20/s are 3 publications, each to every subscriber.
		{"connections", []string{"--find", "connections", "--find-from", "16", "--find-to", "18", "--slo", "measured_delivered < 50"},
			exitFine, find.Found, 16, 18, "capacity   16 to 18 (±5.9 %): 16 held, 18 did not\n"},
		{"the largest load holds", []string{"--find", "size", "--find-from", "64B", "--find-to", "100B", "--slo", "lost == 0"},
			exitFine, find.Above, 100, 0, "capacity   100B or more: the largest load asked held\n"},
		{"the smallest load does not hold", []string{"--find", "rate", "--slo", "delivered < 1"},
			verdict.ExitBreach, find.Below, 0, 20, "capacity   below 20/s: the smallest load asked did not hold\n"},
		{"this host cannot hold more", []string{"--find", "connections", "--find-from", "8000000", "--slo", "lost == 0"},
			exitNoAnswer, find.Limited, 0, 0, "capacity   the generator is the limit, at 8000000; nothing held"},
		{"too few probes", []string{"--find", "rate", "--find-probes", "1", "--slo", "lost == 0"},
			exitNoAnswer, find.Unfinished, 20, 0, "capacity   not found, --find-probes 1 were made; so far 20/s held"},
		{"no number to judge by", []string{"--find", "rate", "--slo", "recovery.p99 < 1s"},
			exitNoAnswer, find.Unfinished, 0, 0, "the probe at 20/s cannot be judged: recovery.p99 < 1s: the run observed none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			status, out, problem := loadgen(search(url, dir, c.more...)...)
			if status != c.status || !strings.Contains(out, c.said) {
				t.Errorf("exit status %d, want %d and %q; standard error\n%s\noutput\n%s", status, c.status, c.said, problem, out)
			}
			got := capacityIn(t, dir)
			if got.State != c.state || number(got.Lower) != c.lower || number(got.Upper) != c.upper {
				t.Errorf("%s from %v to %v, want %s from %v to %v\n%s", got.State, number(got.Lower), number(got.Upper), c.state, c.lower, c.upper, out)
			}
			for _, p := range got.Probes {
				if p.Outcome != find.Unfit {
					if r := read(t, filepath.Join(dir, p.Folder)); r.RunID != p.RunID {
						t.Errorf("%s holds run %s, want %s", p.Folder, r.RunID, p.RunID)
					}
				}
			}
			if summary, err := os.ReadFile(filepath.Join(dir, "summary.txt")); err != nil || !strings.HasSuffix(out, string(summary)) {
				t.Errorf("the summary that was kept is not the one that was printed: %v\n%s", err, summary)
			}
		})
	}
}

func number(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

func TestASearchPrintsJSON(t *testing.T) {
	dir := t.TempDir()
	status, out, problem := loadgen(search(theirs(t), dir, "--find", "rate", "--find-to", "30/s", "--slo", "lost == 0", "--json")...)
	kept, err := os.ReadFile(filepath.Join(dir, find.FileName))
	if status != exitFine || err != nil || out != string(kept) || !strings.Contains(problem, "valid, held") {
		t.Errorf("exit status %d, %v, standard error %q, output\n%s", status, err, problem, out)
	}
}

// A server that goes away ends the search, which keeps what there is.
func TestASearchWhoseTargetGoesAway(t *testing.T) {
	pid, url := startPeer(t)
	dir := t.TempDir()
	cmd := command(t, search(url, dir, "--find", "rate", "--slo", "lost == 0", "--find-measure", "300ms")...)
	var stdout strings.Builder
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(dir, "probe-01", result.FileName))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status says it
	c := capacityIn(t, dir)
	if status := cmd.ProcessState.ExitCode(); status != exitNoAnswer || c.State != find.Unfinished || number(c.Lower) < 20 || !strings.Contains(c.Reason, "left no result") {
		t.Errorf("exit status %d, %s from %v: %s\n%s", status, c.State, number(c.Lower), c.Reason, stdout.String())
	}
}

func TestAnInterruptedSearchKeepsWhatThereIs(t *testing.T) {
	dir := t.TempDir()
	cmd := command(t, search(theirs(t), dir, "--find", "rate", "--slo", "lost == 0")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(dir, "probe-01", result.FileName))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status says it
	c := capacityIn(t, dir)
	if status := cmd.ProcessState.ExitCode(); status != exitInterrupted || c.State != find.Unfinished || c.Reason != "interrupted" || len(c.Probes) == 0 {
		t.Errorf("exit status %d, %+v", status, c)
	}
}

// awaitFile waits until a file is there.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	for range 3000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not come", path)
}

func TestWhatARunSaysAboutItsLoad(t *testing.T) {
	guard := func(name string, voids ...string) result.Guard {
		return result.Guard{Name: name, Tripped: true, Voids: voids}
	}
	delivery, ledger := scenario.GroupDelivery, scenario.GroupLedger
	slo := func(state string) []result.Objective {
		v := 0.5
		return []result.Objective{{Condition: "delivery.p99 < 100ms", State: state, Value: &v, Unit: "seconds", Reason: "send-lag voids it"}}
	}
	const ok, breached, unknown = result.ObjectiveMet, result.ObjectiveBreached, result.ObjectiveUnknown
	for _, c := range []struct {
		name    string
		verdict string
		limit   string
		slo     []result.Objective
		lost    uint64
		guards  []result.Guard
		want    find.Outcome
		reason  string
	}{
		{"all is well", result.Valid, verdict.LimitNone, slo(ok), 0, nil, find.Held, ""},
		{"a condition is broken", result.Valid, verdict.LimitBoth, slo(breached), 0, nil, find.Broke, "delivery.p99 < 100ms: 500 ms"},
		{"deliveries are lost", result.Valid, verdict.LimitNone, slo(ok), 3, nil, find.Broke, "deliveries lost, duplicated, reordered, corrupt or misrouted"},
		{"a lag of the generator", result.GeneratorLimited, verdict.LimitGenerator, slo(unknown), 0,
			[]result.Guard{guard(verdict.SendLag, delivery)}, find.Unjudged, verdict.SendLag},
		{"a lag that voids nothing", result.Valid, verdict.LimitNone, slo(ok), 0, []result.Guard{guard(verdict.ReadLag)}, find.Held, ""},
		{"the network", result.LinkLimited, verdict.LimitLink, slo(unknown), 0,
			[]result.Guard{guard(verdict.Retransmits, delivery)}, find.Unjudged, verdict.Retransmits},
		{"the target did not take the publications", result.Invalid, verdict.LimitServer, slo(unknown), 0,
			[]result.Guard{guard(verdict.Sent, delivery)}, find.Broke, verdict.Sent},
		{"it refused connections", result.Invalid, verdict.LimitServer, slo(unknown), 0,
			[]result.Guard{guard(verdict.Connected, delivery)}, find.Broke, verdict.Connected},
		{"this host had no ports left", result.Invalid, verdict.LimitGenerator, slo(unknown), 0,
			[]result.Guard{guard(verdict.Connected, delivery)}, find.Unjudged, verdict.Connected},
		{"the target ended while the generator stood still", result.Invalid, verdict.LimitBoth, slo(unknown), 0,
			[]result.Guard{guard(verdict.TargetAlive, delivery), guard(verdict.Pause, delivery)}, find.Unjudged, "pause, target-alive"},
		{"the two counts differ", result.Invalid, verdict.LimitNone, slo(ok), 0,
			[]result.Guard{guard(verdict.LedgerAgrees, ledger)}, "", "the two counts of lost deliveries differ"},
		{"nothing to judge by", result.Valid, verdict.LimitNone, slo(unknown), 0, nil, "", "delivery.p99 < 100ms: send-lag voids it"},
	} {
		r := &result.Result{
			Verdict: result.Verdict{Verdict: c.verdict, Limit: c.limit, Guards: c.guards, Reasons: []string{"the two counts of lost deliveries differ"}},
			SLO:     c.slo, Ledger: result.Ledger{Lost: c.lost},
		}
		if got, reason := judge(r); got != c.want || reason != c.reason {
			t.Errorf("%s: %q because of %q, want %q because of %q", c.name, got, reason, c.want, c.reason)
		}
	}
}

func TestConnectionsAreCountedByPort(t *testing.T) {
	address := scripted(t, func(net.Conn) {})
	target, err := parseTarget("ws://" + address)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := connectionsAt(target.port); n != 0 || err != nil {
		t.Errorf("%d connections before any, %v", n, err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := connectionsAt(target.port); n != 2 || err != nil {
		t.Errorf("%d ends of one connection, %v", n, err)
	}
}

func TestAxesAreWrittenAsTheirFlags(t *testing.T) {
	for _, c := range []struct {
		axis, text string
		load       float64
	}{{"connections", "1000", 1000}, {"rate", "2.83/s", 2.83}, {"size", "1KiB", 1024}, {"size", "1001B", 1001}} {
		i := slices.IndexFunc(axes, func(a axis) bool { return a.name == c.axis })
		if load, err := axes[i].parse(c.text); load != c.load || err != nil || axes[i].format(load) != c.text {
			t.Errorf("%s %s: %v as %s, %v", c.axis, c.text, load, axes[i].format(load), err)
		}
	}
}
