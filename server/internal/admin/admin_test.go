package admin

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"fanbench/server/internal/backplane"
	"fanbench/server/internal/gateway"
	"fanbench/server/internal/supervisor"
)

// gnet's goroutine pool starts when the package is loaded and has no end: it is current, and nobody's leak.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

func start(t *testing.T, config Config) *Server {
	t.Helper()
	config.Listen = "127.0.0.1:0"
	config.Log = slog.New(slog.DiscardHandler)
	if config.Ready == nil {
		config.Ready = func() error { return nil }
	}
	if config.Metrics == nil {
		config.Metrics = prometheus.NewRegistry()
	}
	s, err := Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func get(t *testing.T, s *Server, path string) (status int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + s.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

func TestHealthAndReadiness(t *testing.T) {
	var why error
	s := start(t, Config{Ready: func() error { return why }})
	tests := []struct {
		ready  error
		path   string
		status int
		body   string
	}{
		{nil, "/healthz", 200, "ok\n"},
		{nil, "/readyz", 200, "ready\n"},
		{errors.New("draining"), "/readyz", 503, "draining\n"},
		{errors.New("draining"), "/healthz", 200, "ok\n"},
		{nil, "/nothing", 404, "404 page not found\n"},
		{nil, "/workers/0/debug/pprof/", 404, "404 page not found\n"},
	}
	for _, test := range tests {
		why = test.ready
		if status, body := get(t, s, test.path); status != test.status || body != test.body {
			t.Errorf("%s, ready %v: got %d %q, want %d %q", test.path, test.ready, status, body, test.status, test.body)
		}
	}
}

func TestVitalsOfThisProcess(t *testing.T) {
	s := start(t, Config{})
	status, body := get(t, s, "/vitals")
	var v Vitals
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != 200 {
		t.Fatalf("status %d, %v: %q", status, err, body)
	}
	if v.Processes != 1 || len(v.PIDs) != 1 || v.PIDs[0] != os.Getpid() {
		t.Errorf("got processes %d %v, want this one, %d", v.Processes, v.PIDs, os.Getpid())
	}
	if v.ResidentBytes < 1<<20 || v.Descriptors < 3 || v.ContextSwitches == 0 || v.CPUSeconds < 0 {
		t.Errorf("not a live process: %+v", v)
	}
	for _, field := range []string{"pids", "processes", "cpu_seconds", "resident_bytes", "descriptors", "context_switches"} {
		if !strings.Contains(body, `"`+field+`":`) {
			t.Errorf("field %s is missing in %s", field, body)
		}
	}
}

func TestVitalsSumOverProcesses(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Process.Kill(); other.Wait() })
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	workers := []supervisor.Worker{{PID: other.Process.Pid}, {PID: gone.Process.Pid}, {PID: 0}}
	s := start(t, Config{Workers: func() []supervisor.Worker { return workers }})
	_, body := get(t, s, "/vitals")
	var v Vitals
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	if v.Processes != 2 || v.PIDs[0] != os.Getpid() || v.PIDs[1] != other.Process.Pid {
		t.Errorf("got %+v, want this process and %d", v, other.Process.Pid)
	}
}

func TestMetricsOfWorkersAreMerged(t *testing.T) {
	worker := func(connections int64, broken uint64) *Server {
		registry := NewRegistry("test", GatewayMetrics(func() gateway.Stats {
			return gateway.Stats{Connections: connections, GivenUp: map[string]uint64{"error": broken}}
		}))
		return start(t, Config{Metrics: registry})
	}
	workers := []supervisor.Worker{
		{Index: 0, Ready: true, Admin: worker(7, 1).Addr()},
		{Index: 1, Ready: true, Admin: worker(11, 2).Addr(), Restarts: 3},
		{Index: 2, Ready: false},
		{Index: 3, Ready: true, Admin: "127.0.0.1:1"}, // just died: nobody listens there
	}
	list := func() []supervisor.Worker { return workers }
	s := start(t, Config{Metrics: NewRegistry("test", WorkerMetrics(list)), Workers: list})
	status, body := get(t, s, "/metrics")
	if status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	for _, want := range []string{
		`fanbench_server_connections{worker="0"} 7`,
		`fanbench_server_connections{worker="1"} 11`,
		`fanbench_server_connections_given_up_total{reason="error",worker="0"} 1`,
		`fanbench_server_connections_given_up_total{reason="error",worker="1"} 2`,
		`fanbench_server_worker_up{worker="0"} 1`,
		`fanbench_server_worker_up{worker="2"} 0`,
		`fanbench_server_worker_restarts_total{worker="1"} 3`,
		`fanbench_server_build_info{version="test",worker="supervisor"} 1`,
		`fanbench_server_build_info{version="test",worker="1"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Count(body, "# TYPE fanbench_server_connections gauge\n") != 1 {
		t.Error("a metric family must be declared exactly once")
	}
}

func TestProfilesOfWorkersPassThrough(t *testing.T) {
	worker := start(t, Config{})
	workers := []supervisor.Worker{{Index: 0, Ready: true, Admin: worker.Addr()}, {Index: 1}}
	s := start(t, Config{Workers: func() []supervisor.Worker { return workers }})
	tests := []struct {
		path   string
		status int
		part   string
	}{
		{"/workers/0/debug/pprof/", 200, "Types of profiles available"},
		{"/workers/0/debug/pprof/goroutine?debug=1", 200, "goroutine profile: total"},
		{"/workers/1/debug/pprof/", 503, "worker 1 is not ready\n"},
		{"/workers/2/debug/pprof/", 404, `no worker "2": there are 0 to 1` + "\n"},
		{"/workers/x/debug/pprof/", 404, `no worker "x": there are 0 to 1` + "\n"},
		{"/debug/pprof/cmdline", 200, os.Args[0]},
	}
	for _, test := range tests {
		if status, body := get(t, s, test.path); status != test.status || !strings.Contains(body, test.part) {
			t.Errorf("%s: got %d %.80q, want %d …%q…", test.path, status, body, test.status, test.part)
		}
	}
}

// TestMetricNames asks Prometheus' own linter: units in names, counters end in _total, help for each.
func TestMetricNames(t *testing.T) {
	collectors := map[string]prometheus.Collector{
		"gateway": GatewayMetrics(func() gateway.Stats {
			one := map[string]uint64{"reason": 1}
			return gateway.Stats{Refused: one, Rejected: one, GivenUp: one}
		}),
		"backplane": BackplaneMetrics(func() backplane.Stats { return backplane.Stats{} }),
		"log":       LogMetrics(func() uint64 { return 0 }),
		"workers":   WorkerMetrics(func() []supervisor.Worker { return []supervisor.Worker{{}} }),
	}
	for name, c := range collectors {
		problems, err := testutil.CollectAndLint(c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s: %s", name, p.Metric, p.Text)
		}
	}
}

func TestStartFailsWhenThePortIsInUse(t *testing.T) {
	first := start(t, Config{})
	_, err := Start(Config{Listen: first.Addr(), Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v, want address already in use", err)
	}
}
