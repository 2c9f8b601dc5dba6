package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"fanbench/loadgen/internal/output"
	"fanbench/loadgen/result"
)

// logged adds up the records of a run's histogram log by tag.
func logged(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, output.LogName))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int64)
	for reader := hdr.NewHistogramLogReader(zip); ; {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			return counts
		}
		counts[h.Tag()] += h.TotalCount()
	}
}

// A run of less than a second has a log as well, of all that the engines recorded.
func TestTheLogOfAShortRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, _, problem := loadgen(brief(ours(t), "--duration", "300ms", "--out", dir)...)
	if status != exitFine {
		t.Fatalf("exit status %d, standard error\n%s", status, problem)
	}
	r, counts := read(t, dir), logged(t, dir)
	for _, name := range []string{"delivery", "sent-delivery", "read-lag", "send-lag", "blocked"} {
		if h, _ := r.Histogram(name); counts[name] != h.Count || h.Count == 0 {
			t.Errorf("%s: %d records logged, the result has %d", name, counts[name], h.Count)
		}
	}
}

func TestEveryOutputOfARun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, out, problem := loadgen(brief(ours(t), "--workers", "2", "--duration", "1500ms", "--out", dir,
		"--hgrm", "--csv", "--live", "ndjson", "--prometheus", "0")...)
	if status != exitFine {
		t.Fatalf("exit status %d, standard error\n%s", status, problem)
	}
	r := read(t, dir)
	counts := logged(t, dir)
	for _, name := range []string{"delivery", "sent-delivery", "read-lag", "send-lag", "blocked"} {
		if h, _ := r.Histogram(name); counts[name] != h.Count || h.Count == 0 {
			t.Errorf("%s: %d records logged, the result has %d", name, counts[name], h.Count)
		}
	}
	for _, name := range []string{"series.csv", "quantiles.csv", "sent-delivery.hgrm", "read-lag.hgrm"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("standard output holds %q", line)
		}
	}
	if len(lines) < 3 || !strings.Contains(lines[0], `"kind":"run"`) || !strings.Contains(lines[len(lines)-1], `"kind":"end"`) {
		t.Errorf("standard output\n%s", out)
	}
	if !strings.Contains(problem, "publications  planned") {
		t.Errorf("no summary on standard error:\n%s", problem)
	}
}

func TestTheLiveStreamIntoAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stream := filepath.Join(dir, "live.ndjson")
	status, out, problem := loadgen(brief(ours(t), "--out", dir, "--no-hlog", "--live", "ndjson="+stream)...)
	if status != exitFine || !strings.Contains(out, "publications  planned") {
		t.Fatalf("exit status %d, standard output\n%s\nstandard error\n%s", status, out, problem)
	}
	b, err := os.ReadFile(stream)
	if err != nil || !bytes.HasSuffix(b, []byte("}\n")) || !bytes.Contains(b, []byte(`"kind":"end"`)) {
		t.Errorf("stream %q (%v)", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, output.LogName)); !os.IsNotExist(err) {
		t.Errorf("--no-hlog left a log: %v", err)
	}
}

func TestPrometheusWhileRunning(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	p := command(t, brief(ours(t), "--duration", "30s", "--out", t.TempDir(), "--prometheus", address)...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer p.Process.Kill() // if it is still there
	var deliveries float64
	for deadline := time.Now().Add(20 * time.Second); deliveries == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no deliveries at %s", address)
		}
		answer, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			continue // not listening yet
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if family := families["fanbench_loadgen_deliveries_total"]; family != nil {
			deliveries = family.Metric[0].GetCounter().GetValue()
		}
	}
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // with the status of an interrupt
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("the endpoint outlived the run")
	}
}

// freeAddress is a port of loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// What could not be kept is said with status 3, what had been kept before stays
// whole, and the summary is printed: it cost a run.
func TestOutputsThatCannotBeWritten(t *testing.T) {
	server := ours(t)
	t.Run("the folder is a file", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		status, out, problem := loadgen(brief(server, "--out", file, "--csv", "--hgrm")...)
		if status != exitNoAnswer || !strings.Contains(out, "publications  planned") || !strings.Contains(problem, "loadgen: --out "+file+": ") {
			t.Errorf("exit status %d, standard output\n%s\nstandard error\n%s", status, out, problem)
		}
		if b, err := os.ReadFile(file); string(b) != "old" {
			t.Errorf("the file holds %q (%v)", b, err)
		}
	})
	t.Run("a file's place is taken", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "series.csv", "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		status, out, problem := loadgen(brief(server, "--out", dir, "--csv", "--hgrm")...)
		if status != exitNoAnswer || !strings.Contains(out, "publications  planned") || !strings.Contains(problem, "series.csv") {
			t.Errorf("exit status %d, standard error\n%s", status, problem)
		}
		if _, err := result.Read(dir); err != nil {
			t.Errorf("the result went with it: %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	t.Run("a full device", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		status, out, problem := loadgen(brief(server, "--out", dir, "--live", "ndjson=/dev/full")...)
		if status != exitNoAnswer || !strings.Contains(out, "publications  planned") || !strings.Contains(problem, "--live ndjson=/dev/full: ") {
			t.Errorf("exit status %d, standard error\n%s", status, problem)
		}
		if _, err := result.Read(dir); err != nil {
			t.Errorf("the result went with it: %v", err)
		}
	})
}

func TestOutputFlagsThatAreRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		flags   []string
		status  int
		problem string
	}{
		{[]string{"--live", "xml"}, exitUsage, "--live xml: want ndjson or ndjson=FILE"},
		{[]string{"--live", "ndjson="}, exitUsage, "--live ndjson=: want ndjson or ndjson=FILE"},
		{[]string{"--live", "ndjson", "--json"}, exitUsage, "--live ndjson and --json both want standard output"},
		{[]string{"--live", "ndjson=" + filepath.Join(t.TempDir(), "no", "file")}, exitNoAnswer, "no such file or directory"},
		{[]string{"--csv", "--find", "rate"}, exitUsage, "are of a single run; leave them out with --find"},
		{[]string{"--prometheus", "here"}, exitUsage, "--prometheus here: want HOST:PORT, or PORT for loopback"},
		{[]string{"--prometheus", "127.0.0.1:99999"}, exitUsage, "want HOST:PORT"},
		{[]string{"--prometheus", taken.Addr().String()}, exitNoAnswer, "address already in use"},
	} {
		status, out, problem := loadgen(brief("ws://127.0.0.1:1", append(c.flags, "--out", t.TempDir())...)...)
		if status != c.status || out != "" || !strings.Contains(problem, c.problem) {
			t.Errorf("%v: exit status %d, standard error %q, want %d and %q", c.flags, status, problem, c.status, c.problem)
		}
	}
}

func TestListenAddress(t *testing.T) {
	for asked, want := range map[string]string{
		"9464": "127.0.0.1:9464", ":9464": "127.0.0.1:9464", "0.0.0.0:9464": "0.0.0.0:9464", "[::1]:9464": "[::1]:9464", "0": "127.0.0.1:0",
	} {
		if got, err := listenAddress(asked); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", asked, got, err, want)
		}
	}
}

// A reader of the live stream that goes away takes no run along.
func TestAReaderThatGoesAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := command(t, brief(ours(t), "--duration", "1500ms", "--out", dir, "--live", "ndjson")...)
	p.Stdout, p.Stderr = write, io.Discard
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	read.Close()
	write.Close()
	_ = p.Wait()
	if status := p.ProcessState.ExitCode(); status != exitNoAnswer {
		t.Errorf("exit status %d, want 3: an output that was asked for failed", status)
	}
	if r, err := result.Read(dir); err != nil || r.Verdict.Partial {
		t.Errorf("no whole result: %v", err)
	}
}
