// Package admin is what an operator asks a running server: health, readiness, metrics, profiles and vitals, over HTTP on an
// address of its own. With several workers the supervisor's admin answers for all of them: it merges their metrics
// (merge.go) and passes their profiles through. Nothing of the public routes lives here, and nothing here is on a hot path.
//
//	/healthz            200 while the process lives
//	/readyz             200 while connections are accepted, else 503 and the reason
//	/metrics            Prometheus; names begin with fanbench_server_ and carry their unit
//	/vitals             CPU, memory, descriptors and context switches of all the server's processes, as JSON
//	/debug/pprof/       profiles of this process
//	/workers/{i}/debug/pprof/   profiles of worker i, when there are several
package admin

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/http/pprof"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fanbench/server/internal/supervisor"
)

// Config says where admin listens and whom it asks.
type Config struct {
	Listen  string                     // host:port
	Ready   func() error               // nil while connections are accepted, else why not
	Metrics prometheus.Gatherer        // of this process
	Workers func() []supervisor.Worker // nil when this process serves by itself
	Log     *slog.Logger
}

// Server answers until Close.
type Server struct {
	listener net.Listener
	http     *http.Server
	done     chan struct{}
}

// Start listens and answers. It may be called before the server accepts connections: Ready says so.
func Start(config Config) (*Server, error) {
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for admin: %w", err)
	}
	s := &Server{
		listener: listener,
		http: &http.Server{
			Handler:           routes(config),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      30 * time.Second, // profiles extend theirs
			IdleTimeout:       60 * time.Second,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
		},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); err != http.ErrServerClosed {
			config.Log.Error("admin ended", "error", err)
		}
	}()
	return s, nil
}

// Addr is the listening address, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends all answers at once.
func (s *Server) Close() {
	s.http.Close()
	<-s.done
}

func routes(config Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := config.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer(config), promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(config.Log.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError, // a worker that just died must not hide the others
	}))
	mux.HandleFunc("GET /vitals", func(w http.ResponseWriter, _ *http.Request) { answerVitals(w, config.Workers) })
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	if config.Workers != nil {
		mux.HandleFunc("/workers/{worker}/debug/pprof/", func(w http.ResponseWriter, r *http.Request) {
			passThrough(w, r, config.Workers())
		})
	}
	return mux
}

func gatherer(config Config) prometheus.Gatherer {
	if config.Workers == nil {
		return config.Metrics
	}
	return merged{config.Metrics, config.Workers, &http.Client{Timeout: 2 * time.Second}}
}

func answerVitals(w http.ResponseWriter, workers func() []supervisor.Worker) {
	pids := []int{os.Getpid()}
	if workers != nil {
		for _, worker := range workers() {
			if worker.PID != 0 {
				pids = append(pids, worker.PID)
			}
		}
	}
	vitals, err := readVitals(pids)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(vitals)
}

// passThrough answers with what the worker's own admin answers.
func passThrough(w http.ResponseWriter, r *http.Request, workers []supervisor.Worker) {
	name := r.PathValue("worker")
	index, err := strconv.Atoi(name)
	if err != nil || index < 0 || index >= len(workers) {
		http.Error(w, fmt.Sprintf("no worker %q: there are 0 to %d", name, len(workers)-1), http.StatusNotFound)
		return
	}
	if workers[index].Admin == "" {
		http.Error(w, fmt.Sprintf("worker %d is not ready", index), http.StatusServiceUnavailable)
		return
	}
	http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the worker's own deadline ends a long profile
	proxy := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Path = strings.TrimPrefix(p.In.URL.Path, "/workers/"+name)
		p.Out.URL.RawPath = ""
		p.SetURL(&url.URL{Scheme: "http", Host: workers[index].Admin})
	}}
	proxy.ServeHTTP(w, r)
}
