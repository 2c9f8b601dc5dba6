//go:build faults

package faults

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fanbench/server/servertest/namespace"
)

// A server that stands still for 10 s owes its receivers those 10 s, and
// nothing else.
func TestFault04ServerStalled(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const stall, margin = 10 * time.Second, 100 * time.Millisecond // a publication falls due within the margin
	server := serve(t)
	g := load(t, url, "--connections", "200", "--rate", "50/s", "--warm-up", "200ms", "--duration", "12s", "--drain", "30s",
		"--watch-pid", strconv.Itoa(server.Process.Pid), "--require", "ledger").begin()
	g.says("measure")
	for _, step := range []struct {
		signal syscall.Signal
		then   time.Duration
	}{{syscall.SIGSTOP, stall + margin}, {syscall.SIGCONT, 0}} {
		if err := server.Process.Signal(step.signal); err != nil {
			t.Fatal(err)
		}
		time.Sleep(step.then) // the fault itself
	}
	g.ends(fine)
	r := g.result()
	if r.Verdict.Verdict != "valid" || r.Verdict.Partial {
		t.Errorf("verdict %+v, want a valid run", r.Verdict)
	}
	if longest := metric(t, r, "delivery.max"); longest < stall.Seconds() {
		t.Errorf("the longest delivery took %v s, want %v or more", longest, stall)
	}
	nothingWrong(t, r)
	untripped(t, r, "pause", "sent", "drained", "target-alive", "retransmits", "ledger-agrees")
}

// A server that is killed and started again: what was sent and not received is
// lost while down, to the last delivery, and all come back, but not at once.
func TestFault05ServerKilled(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	const members, rate = 500, 100
	server := serve(t)
	g := load(t, url, "--connections", strconv.Itoa(members), "--rate", strconv.Itoa(rate)+"/s", "--warm-up", "200ms", "--duration", "15s",
		"--drain", "10s", "--reconnect", "5s", "--require", "ledger", "--allow", "lost").begin()
	g.says("measure")
	g.delivers()
	kill(server)
	time.Sleep(3 * time.Second) // for back-offs of seconds
	serve(t)
	g.ends(fine)
	r := g.result()
	l := r.Ledger
	if l.Expected != l.Sent*members || l.LostUp != 0 || l.Excluded != 0 || l.LostDown != l.Sent*members-l.Delivered || l.LostDown == 0 || l.Unsent == 0 {
		t.Errorf("ledger %+v, want all that was not received lost while down", l)
	}
	if l.Duplicated+l.Reordered+l.Corrupt+l.Misrouted != 0 || r.Verdict.Partial {
		t.Errorf("ledger %+v, verdict %+v", l, r.Verdict)
	}
	if n := metric(t, r, "reconnects"); n != members+1 {
		t.Errorf("%v reconnects, want each of %d connections once", n, members+1)
	}
	stored, _ := r.Histogram("recovery")
	recovery, err := stored.Decode()
	if err != nil {
		t.Fatal(err)
	}
	// Without jitter all would be back within one wave.
	if early, late := recovery.Quantile(0.1), recovery.Quantile(0.9); recovery.Count() != members+1 || late-early < 500*time.Millisecond {
		t.Errorf("%d came back, a tenth after %v and nine tenths after %v; want them spread", recovery.Count(), early, late)
	}
}

// A target far away is as much later as it is away, and loses nothing, even if
// the way loses one segment in a hundred.
func TestFault11FarAway(t *testing.T) {
	if !namespace.Isolate(t, "nft") {
		return
	}
	serve(t, "--ping-interval", "0s")
	far := delayed(t, address)
	median := func(url string) (seconds float64) {
		r := load(t, url, "--connections", "20", "--rate", "20/s", "--warm-up", "0s", "--duration", "10s", "--require", "ledger").run(fine)
		nothingWrong(t, r)
		if len(r.Failures) != 0 {
			t.Errorf("failures %+v, want none", r.Failures)
		}
		return metric(t, r, "sent_delivery.p50")
	}
	here, there := median(url), median("ws://"+far)
	if shift := there - here; shift < roundTrip.Seconds()-0.005 || shift > roundTrip.Seconds()+0.005 {
		t.Errorf("the median is %.1f ms later, want %v ± 5ms", 1000*shift, roundTrip)
	}

	nft(t, "add table inet fault; add chain inet fault input { type filter hook input priority 0; }; "+
		"add rule inet fault input meta l4proto tcp numgen random mod 100 < 1 counter drop")
	median("ws://" + far)
	if counted := nft(t, "list table inet fault"); strings.Contains(counted, "packets 0 ") || !strings.Contains(counted, "packets ") {
		t.Errorf("no segment was lost:\n%s", counted)
	}
	page, err := ask("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(page) {
		if strings.Contains(line, `rejected_total{reason="slow"}`) && !strings.HasSuffix(strings.TrimSpace(line), " 0") {
			t.Errorf("closed as slow: %s", line)
		}
	}
}

// nft changes or shows the test's own packet filter.
func nft(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("nft", command).CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v\n%s", command, err, out)
	}
	return string(out)
}

// A server that is killed for good leaves a whole result, which says when.
func TestFault24ServerDies(t *testing.T) {
	if !namespace.Isolate(t) {
		return
	}
	server := serve(t)
	g := load(t, url, "--connections", "50", "--rate", "50/s", "--warm-up", "200ms", "--duration", "1h",
		"--watch-pid", strconv.Itoa(server.Process.Pid), "--require", "ledger").begin()
	g.says("measure")
	kill(server)
	g.ends(noAnswer)
	r := g.result()
	if v := r.Verdict; v.Verdict != "invalid" || !v.Partial || v.Interrupted || !strings.Contains(strings.Join(v.Reasons, "\n"), "the target is gone") {
		t.Errorf("verdict %+v", v)
	}
	if !guard(r, "target-alive").Tripped || r.Ledger.LostUp != 0 || r.Ledger.Unsent == 0 {
		t.Errorf("guards %+v, ledger %+v", r.Verdict.Guards, r.Ledger)
	}
	// The second of the crash is the first one without connections.
	at, rows := -1, r.Series.Rows
	for i, name := range r.Series.Columns {
		if name == "connections" {
			at = i
		}
	}
	if at < 0 || len(rows) == 0 || rows[len(rows)-1][at] == nil || *rows[len(rows)-1][at] != 0 {
		t.Errorf("columns %q, rows %d; want the last without connections", r.Series.Columns, len(rows))
	}
}
