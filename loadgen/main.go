// Loadgen opens tens of thousands of connections to a WebSocket server,
// publishes on a timetable and accounts for every message at every receiver.
//
// Usage:
//
//	loadgen run [SCENARIO] --url ws[s]://HOST:PORT[/PATH] [flags]
//	loadgen plan [SCENARIO] [flags]
//	loadgen conformance --url ws://HOST:PORT [flags]
//	loadgen calibrate [flags]
//	loadgen selftest [flags]
//
// Run executes a scenario, a YAML file or the flags alone, against a server
// that is already listening, prints a summary and keeps the result. Plan prints
// what a run would do and opens nothing. Conformance plays the cases of a test
// suite's server, which judges loadgen's own connections.
//
// Calibrate measures the generator itself against a built-in null target: what
// this host reaches at most, and with delays that the target injects, the true
// quantiles beside the measured ones. Results of later runs on this host carry
// the calibration's id. Selftest has the null target drop, double, swap,
// corrupt and misroute deliveries and looks whether the ledger reports exactly
// as many.
//
// A path in --url is used for subscribing and for publishing, and may hold
// {room}, and {connection} and {token} as headers may; without one the scenario's
// target paths are used, which are those of the reference server:
//
//	loadgen run --url ws://127.0.0.1:9001 --connections 1000 --rate 10/s
//	loadgen run bench/scenarios/fanout-10k.yaml --url ws://127.0.0.1:9001 --watch-pid 4711
//	loadgen run --url 'ws://127.0.0.1:8080/chat/{room}' --rooms 10 --size 512B --duration 30s
//
// The timetable of a run, from this program's tests:
//
//	$ loadgen plan --connections 4 --rooms 2 --rate 2/s --warm-up 0s --duration 2s
//	How does the target carry this load?
//
//	workload     fanout
//	connections  6: 4 subscribers in 2 rooms, 2 publishers
//	rooms        round-robin: 2 subscribers each
//	workers      1, at most 6 connections and 70 descriptors each
//	memory       about 1 MiB, if both ends of the connections are on this host
//	warm-up      0s: 0 publications, 0 deliveries
//	measure      2s: 4 publications, 8 deliveries
//	drain        up to 10s
//
//	publications of measure, all 4:
//	due    publisher  room  sequence  size  deliveries
//	0s     0          0     0         128B  2
//	500ms  1          1     0         128B  2
//	1s     0          0     1         128B  2
//	1.5s   1          1     1         128B  2
//
// Flags of the workload override the scenario's keys:
//
//	--workload=KIND          fanout, echo or connect
//	--connections=N          subscribers (fanout) or all connections (echo, connect)
//	--rooms=N                rooms that the subscribers are spread over
//	--membership=KIND        round-robin or zipf:EXPONENT: how subscribers fall to rooms
//	--publishers=N           publishing connections, a multiple of the rooms
//	--rate=RATE              publications per second over all publishers, such as 200/s; 0 with echo is a closed loop
//	--arrivals=KIND          constant or poisson: how due times fall
//	--size=SIZE              payload of a publication, such as 128B or 4KiB
//	--sizes=SIZE:WEIGHT,...  draw each publication's size, such as 128B:70,1KiB:25,16KiB:5
//	--payload=KIND           padding or json: what stands around the stamp
//	--deflate                offer permessage-deflate with every handshake
//	--churn=RATE             subscribers that leave and come back while measuring, such as 50/s
//	--reconnect=DURATION     connections that the target ends come back, after a back-off of at most so long
//	--slow=SHARE             share of the subscribers that read slowly, such as 1%
//	--slow-pace=RATE         how slowly, such as 1KiB/s; 0 is not at all
//	--silent=SHARE           share of the subscribers that neither read nor answer
//	--warm-up=DURATION       publish so long before measuring
//	--duration=DURATION      publish so long while measuring
//	--drain=DURATION         wait at most so long for outstanding deliveries
//	--workers=N              generator processes
//	--in-flight=N            handshakes under way at once
//	--timeout=DURATION       of one connection's handshake
//	--latency-from=BASIS     due or sent: from when the reported delivery latency counts
//	--require=GROUP,...      metrics that must be valid for the run to be valid
//	--allow=FAULT,...        ledger faults that do not fail the run, such as lost
//	--slo=CONDITION,...      what must hold for the run to be fine, such as 'delivery.p99 < 50ms'
//	--toy                    use the scenario's toy parameters
//	--seed=N                 of everything random in the plan
//
// Flags of plan:
//
//	--json                   print the summary as JSON
//	--csv                    print every publication of the timetable as CSV instead
//
// Flags of run:
//
//	--url=URL                the target: ws://host:port or wss://host:port with an optional path
//	--ca=FILE                trust the authorities in this PEM file besides the system's
//	--insecure               do not check the target's certificate
//	--header=NAME:VALUE      add this header to every handshake; {connection} and {token} are replaced
//	--token-file=FILE        take {token} from here, one line for each connection
//	--out=DIR                write result.json and summary.txt here; default results/NAME/UTC-ID
//	--hlog                   write latency.hlog.gz, the histograms of each second; --no-hlog does not
//	--hgrm                   write the percentile distribution of each histogram, such as delivery.hgrm
//	--csv                    write series.csv and quantiles.csv
//	--live=ndjson[=FILE]     write a JSON object each second to a file, or to standard output and the summary to standard error
//	--prometheus=ADDRESS     answer scrapes at http://ADDRESS/metrics while running, on loopback if ADDRESS is only a port
//	--watch-pid=PID          read CPU and memory of this process and its descendants
//	--vitals-url=URL         read the target's CPU and memory here, as JSON over HTTP
//	--json                   print the result as JSON instead of the summary
//
// --header may be given several times, and replaces a header of the same name
// in the scenario. What it and --token-file bring is in no result, log or
// message.
//
// With --find, run searches for the capacity: the largest connections, rate or
// size at which the slo holds and the run is valid. It doubles the load until
// that does not hold, goes to the middle until it is near the edge, and repeats
// the two loads 7 % outside of it, which are the answer: an interval no wider
// than ±10 %, with the latency–load curve and its knee, beyond which latency
// grows faster than load. Each probe is a run in fresh worker processes:
//
//	loadgen run --url ws://127.0.0.1:9001 --find rate --find-from 10/s --slo 'delivery.p99 < 50ms,lost == 0'
//
// Flags of a search:
//
//	--find=AXIS              search for the largest connections, rate or size that holds the slo
//	--find-from=LOAD         smallest load to probe, as that flag is written; default the scenario's
//	--find-to=LOAD           largest load to probe; default none
//	--find-repeat=N          probes of a load that the answer rests on, of which the majority decides; default 3
//	--find-measure=DURATION  measure so long in each probe; default 3s
//	--find-probes=N          probes in all at most; default 24
//	--find-time=DURATION     begin no probe that would end later; default 10m
//
// Flags of conformance, which speaks the protocol of the Autobahn test suite
// (getCaseCount, runCase, updateReports) and offers permessage-deflate. It
// prints one line a case; the verdicts are in the reports of the suite's
// server:
//
//	--url=URL                the suite's server: ws://host:port with an optional path
//	--agent=NAME             the name under which the server reports; default fanbench-loadgen
//	--cases=N-M,...          numbers of the cases to run; default all
//	--timeout=DURATION       of one case; default 10m
//	--max-message=SIZE       largest message that is accepted; default 16MiB
//
// Flags of calibrate:
//
//	--out=FILE               keep the calibration here; default fanbench/calibration/ENVIRONMENT.json in the user's state folder
//	--quick                  use few connections and publications: it shows that all works, and no calibration is kept without --out
//	--json                   print the calibration as JSON
//
// Flags of selftest:
//
//	--connections=N          subscribers, in four rooms
//	--publishers=N           publishing connections, a multiple of four
//	--faults=K,...           how many faults of each kind the target commits, a run for each number
//	--seed=N                 of where the faults fall
//
// A search ends with 0 if it found the capacity or the largest load held, 1 if
// the smallest load did not hold, and 3 if the generator is the limit or the
// search ended before it had an answer.
//
// The exit status is 0 if all is well, 1 if deliveries were lost, duplicated or
// otherwise wrong where the scenario forbids it or a condition of its slo was
// broken, 2 for wrong usage, 3 if there is no trustworthy answer (the target
// refused or died, this host cannot hold the run, a required metric or one of
// the slo is not valid, a case of conformance was not played
// to its end) and 130 after an interrupt: Ctrl-C, SIGTERM, or a terminal that
// closes (SIGHUP, without nohup). The first interrupt ends the run early and
// keeps what was measured; the second, unless it is SIGHUP, ends the program at
// once.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"fanbench/loadgen/internal/verdict"
)

// Exit statuses, as in the manual above.
const (
	exitFine        = verdict.ExitFine
	exitUsage       = 2
	exitNoAnswer    = verdict.ExitUntrusted
	exitInterrupted = verdict.ExitInterrupted
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// commandLine is the whole command line.
type commandLine struct {
	Run         runCommand         `cmd:"" help:"Run a scenario against a server and keep the result."`
	Plan        planCommand        `cmd:"" help:"Print what a run would do; open nothing."`
	Conformance conformanceCommand `cmd:"" help:"Let a conformance suite's server judge loadgen's connections."`

	Calibrate calibrateCommand `cmd:"" help:"Measure this host's generator against a null target."`
	SelfTest  selfTestCommand  `cmd:"" name:"selftest" help:"See whether the ledger reports faults that a null target commits."`

	Agent      agentCommand      `cmd:"" hidden:"" help:"Serve a coordinator as a worker, over standard input and output."`
	NullTarget nullTargetCommand `cmd:"" hidden:"" help:"Be the target of calibrate and selftest, over standard input and output."`

	Version kong.VersionFlag `help:"Print the version."`
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// failure is an error with its exit status.
type failure struct {
	status int
	error
}

func (f failure) Unwrap() error { return f.error }

func usage(err error) error    { return failure{exitUsage, err} }
func noAnswer(err error) error { return failure{exitNoAnswer, err} }

// run is the program: arguments and streams in, exit status out.
func run(arguments []string, stdin io.Reader, stdout, stderr io.Writer) (status int) {
	var c commandLine
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("loadgen"),
		kong.Description("Load a WebSocket server and account for every message."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code; panic(exitNow{}) }),
		kong.Vars{"version": tool().Version},
	)
	if err != nil {
		fmt.Fprintln(stderr, "loadgen:", err)
		return exitNoAnswer
	}
	defer func() {
		// --help and --version end the program in the middle of parsing.
		if p := recover(); p != nil {
			if _, ok := p.(exitNow); !ok {
				panic(p)
			}
			status = exited
		}
	}()
	if len(arguments) == 0 {
		arguments = []string{"--help"}
	}
	command, err := parser.Parse(arguments)
	if err != nil {
		fmt.Fprintf(stderr, "loadgen: %v; see loadgen --help\n", err)
		return exitUsage
	}
	err = command.Run(streams{stdin, stdout, stderr})
	if err == nil {
		return exitFine
	}
	var f failure
	if !errors.As(err, &f) {
		f = failure{exitNoAnswer, err}
	}
	if text := f.error.Error(); text != "" {
		fmt.Fprintln(stderr, "loadgen:", text)
	}
	return f.status
}

type exitNow struct{}
