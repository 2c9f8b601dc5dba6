package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"fanbench/loadgen/internal/output"
	conduct "fanbench/loadgen/internal/run"
	"fanbench/loadgen/result"
)

// outputFlags are the forms that a run's numbers take besides its result.
type outputFlags struct {
	Hlog       bool   `negatable:"" default:"true" group:"Run" help:"Write latency.hlog.gz, the histograms of each second; --no-hlog does not."`
	Hgrm       bool   `group:"Run" help:"Write the percentile distribution of each histogram, such as delivery.hgrm."`
	CSV        bool   `name:"csv" group:"Run" help:"Write series.csv and quantiles.csv."`
	Live       string `placeholder:"ndjson[=FILE]" group:"Run" help:"Write a JSON object each second to a file, or to standard output and the summary to standard error."`
	Prometheus string `placeholder:"ADDRESS" group:"Run" help:"Answer scrapes at http://ADDRESS/metrics while running, on loopback if ADDRESS is only a port."`
}

// streams says whether standard output is the live stream's.
func (f outputFlags) streams() bool { return f.Live == liveFormat }

// unasked refuses the flags where there is no single run.
func (f outputFlags) unasked() error {
	if f.Hgrm || f.CSV || f.Live != "" || f.Prometheus != "" {
		return errors.New("--hgrm, --csv, --live and --prometheus are of a single run; leave them out with --find")
	}
	return nil
}

const liveFormat = "ndjson"

// outputs are those that a run has. Seconds come from the run's goroutine, and
// may come after discard.
type outputs struct {
	flags outputFlags

	mu      sync.Mutex
	ended   bool
	log     *output.Log // nil where not asked for, like the others
	live    *output.Live
	metrics *output.Metrics
	server  *http.Server
	served  chan struct{}
	pipes   chan os.Signal
}

// open begins what the run is to feed. An address that is taken and a file that
// cannot be made are said before anything is measured.
func (c *runCommand) open(config *conduct.Config, dir string, s streams) (*outputs, error) {
	o := &outputs{flags: c.outputFlags}
	if c.streams() && c.JSON {
		return nil, usage(errors.New("--live ndjson and --json both want standard output; give --live ndjson=FILE"))
	}
	if err := o.serve(config.RunID, config.Scenario.Name); err != nil {
		return nil, err
	}
	if err := o.stream(config, s); err != nil {
		o.discard()
		return nil, err
	}
	if c.Hlog {
		o.log = output.NewLog(dir, config.RunID)
	}
	config.Observe = o.observe
	return o, nil
}

// serve answers Prometheus.
func (o *outputs) serve(runID, scenario string) error {
	if o.flags.Prometheus == "" {
		return nil
	}
	address, err := listenAddress(o.flags.Prometheus)
	if err != nil {
		return usage(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return noAnswer(fmt.Errorf("--prometheus %s: %w", o.flags.Prometheus, err))
	}
	o.metrics = output.NewMetrics(runID, scenario)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.metrics.Handler())
	o.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	o.served = make(chan struct{})
	go func() {
		defer close(o.served)
		_ = o.server.Serve(listener) // until it is closed
	}()
	return nil
}

// listenAddress puts a port alone on loopback.
func listenAddress(asked string) (string, error) {
	if !strings.Contains(asked, ":") {
		asked = ":" + asked
	}
	host, port, err := net.SplitHostPort(asked)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", fmt.Errorf("--prometheus %s: want HOST:PORT, or PORT for loopback", strings.TrimPrefix(asked, ":"))
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// stream begins the live stream.
func (o *outputs) stream(config *conduct.Config, s streams) error {
	if o.flags.Live == "" {
		return nil
	}
	format, name, named := strings.Cut(o.flags.Live, "=")
	if format != liveFormat || named && name == "" {
		return usage(fmt.Errorf("--live %s: want ndjson or ndjson=FILE", o.flags.Live))
	}
	if named {
		file, err := os.Create(name)
		if err != nil {
			return noAnswer(fmt.Errorf("--live %s: %w", o.flags.Live, err))
		}
		o.live = output.NewLive(file, config.RunID, config.Scenario.Name, config.URL)
		return nil
	}
	// Without this, a reader of standard output that goes away would end the
	// program and the run with it.
	o.pipes = make(chan os.Signal, 1)
	signal.Notify(o.pipes, syscall.SIGPIPE)
	open := struct{ io.Writer }{s.out} // not a file that the stream would close
	o.live = output.NewLive(open, config.RunID, config.Scenario.Name, config.URL)
	return nil
}

func (o *outputs) observe(s output.Second) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	if o.metrics != nil {
		o.metrics.Observe(s)
	}
	if o.live != nil {
		o.live.Observe(s)
	}
	if o.log != nil {
		o.log.Observe(s)
	}
}

// finish writes what rests on the result into its folder and ends the stream.
// An output that fails keeps none of the others from being written.
func (o *outputs) finish(dir string, r *result.Result) (streamed, written error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if o.log != nil {
		written = o.log.Finish(r)
	}
	if o.flags.Hgrm {
		written = errors.Join(written, output.WriteDistributions(dir, r))
	}
	if o.flags.CSV {
		written = errors.Join(written, output.WriteCSV(dir, r))
	}
	if o.live != nil {
		streamed = o.live.Finish(r)
	}
	o.release()
	return streamed, written
}

// discard ends the outputs of a run that has no result.
func (o *outputs) discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	if o.log != nil {
		o.log.Discard()
	}
	if o.live != nil {
		o.live.Discard()
	}
	o.release()
}

func (o *outputs) release() {
	if o.server != nil {
		o.server.Close()
		<-o.served
	}
	if o.pipes != nil {
		signal.Stop(o.pipes)
	}
}
