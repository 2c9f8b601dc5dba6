// Bench runs scenarios against the reference server, keeps the results and
// shows them.
//
// Usage:
//
//	bench run [SCENARIO…]      run scenarios, the catalogue's default ones if none is named
//	bench ab BASE HEAD [SCENARIO…]
//	                           say whether HEAD's server is slower than BASE's
//	bench noise [SCENARIO…]    measure this machine's noise, for bench ab
//	bench compare A B          two results side by side; it does not judge
//	bench compare A… -- B…     stored runs of two servers; advisory
//	bench trend RESULTS…       where metrics changed over stored commits
//	bench report RESULT…       write the HTML page of stored results or comparisons
//	bench export --format=FORMAT RESULT…
//	                           write them for other programs
//	bench validate RESULT…     check stored results and comparisons, or folders of
//	                           them, against their schemas
//	bench doctor               compare this host's limits with what scenarios need
//
// SCENARIO is a name of the catalogue (bench/scenarios/*.yaml: fanout-1k,
// fanout-10k, fanout-30k, rooms, echo-1k, overload, flood, connect-storm; and
// only by name churn, reconnect, slow-readers, fanout-60k, fanout-json,
// fanout-json-deflate) or the path of a file. A, B and RESULT are result files or
// the directories of runs.
//
// # bench run
//
// Every run starts the server, or another target, and loadgen in fresh processes
// on free loopback ports, waits until the server is ready, and leaves a directory
// RESULTS/<scenario>/<UTC>-<commit12>-<id> with result.json, report.html,
// summary.txt, the scenario's file and the server's log. The table stands on
// stdout; progress and problems go to stderr.
//
//	--repeat=N        make N runs of each scenario, in turn
//	--retry=N         make runs that a disturbed generator voided again, at
//	                  most N in all; the voided ones are kept
//	--targets=NAME,…  run each scenario against these in turn, as below
//	--toy             use the scenarios' toy parameters: a test of the pipeline
//	--seed=N          seed of the plan
//	--results=DIR     keep results here
//	--server=PATH     the server program (default: beside bench)
//	--peers=PATH      the program of the targets floor, gorilla and gws
//	                  (default: beside bench)
//	--loadgen=PATH    the generator program (default: beside bench)
//
// Targets are server, the reference server, and three that do the same work on
// other foundations: floor, which is epoll and one system call per delivery,
// gorilla (gorilla/websocket) and gws (lxzan/gws). Their program is built by
//
//	go build -C bench/peers -o ../../bin/peers .
//
// Every trial has fresh processes and the same plan; each round (--repeat) begins
// with the next target, so that nobody is always first. For each scenario a table
// gives medians, ranges and the ratios to the target that was named first. A
// scenario's flags are for the reference server, and one that wants several
// server processes or compression is not for the others.
//
// Ctrl-C, or a terminal that closes (SIGHUP, without nohup), ends the current
// run early, keeps and marks what there is, and ends bench.
//
// # bench ab
//
// Builds the servers of two revisions, each in a git worktree of its own, and
// runs pairs of trials on this machine: baseline and candidate one after the
// other in random, balanced order, with fresh processes and the same plan. A
// revision is a commit, branch or tag, or . for the working tree with its
// uncommitted changes. Without SCENARIO it compares fanout-1k and echo-1k, which
// takes 15 to 20 minutes. Loadgen and bench are this build's on both sides.
//
// Each metric gets an estimate of its change, an interval and a verdict:
// regression, improvement, equivalent or inconclusive; docs/comparing.md explains
// them. Lost, duplicated or reordered deliveries of HEAD are a regression. A trial
// that is not valid voids its pair, and another is made.
//
//	--start=CMD       compare revisions of any project's server: start it with
//	                  this shell command, in a worktree of each revision, anew
//	                  for every trial; its loopback port is in $PORT, and where
//	                  {port} stands; SIGTERM ends its process group
//	--build=CMD       with --start: build it with this shell command, once in
//	                  each worktree
//	--path=PATH       with --start: the path of its WebSocket URL, with {room}
//	                  where the room's name goes (default: /rooms/{room}, /echo)
//	--ready=PATH      with --start: the path that answers 200 once it is ready
//	                  (default: as soon as it accepts connections)
//	--bin=A,B         compare two server programs instead of revisions
//	--url=A,B         compare two running servers instead of revisions
//	--base-tags=TAGS  Go build tags of BASE's server, separated by commas; with
//	                  other ones for HEAD equal trees are compared, too
//	--candidate-tags=TAGS
//	                  Go build tags of HEAD's server
//	--pairs=N         pairs of each scenario
//	--sequential      look after 8 pairs, and go on to 16 only if that is
//	                  inconclusive, instead of --pairs
//	--max-void=N      void pairs of each scenario, at most
//	--affinity=HOW    none leaves CPUs to the kernel, split gives server and
//	                  generator different ones
//	--aa              allow the same tree on both sides: what differs is noise
//	--strict          exit 4 if the comparison is inconclusive
//	--html=FILE       write the report here (default: report.html in the
//	                  comparison's directory)
//	--markdown=FILE   write Markdown for a pull request here
//	--junit=FILE      write JUnit XML here
//	--noise=DIR       noise profiles (default: the user's cache)
//	--toy             use the scenarios' toy parameters: a test of the pipeline
//	--seed=N          seed of the order and of the plans
//	--results=DIR     keep experiments here
//	--loadgen=PATH    the generator program (default: beside bench)
//
// # bench noise
//
// Runs such pairs with the server on both sides and keeps what their trials
// differ by in a profile of this machine. Bench ab raises its minimum effects
// to what follows for an estimate over many pairs (docs/comparing.md).
//
//	--noise=DIR       keep profiles here (default: the user's cache)
//	--server=PATH     the server program (default: beside bench)
//	--pairs=N         pairs of each scenario
//	--max-void=N      void pairs of each scenario, at most
//	--affinity=HOW    as for bench ab, which uses the profile of its own
//	--toy             use the scenarios' toy parameters: a test of the pipeline
//	--seed=N          seed of the order and of the plans
//	--results=DIR     keep experiments here
//	--loadgen=PATH    the generator program (default: beside bench)
//
// # bench compare, bench trend
//
// A… and B… are results, or folders of them. Runs of different scenarios or
// environments are refused. What they find is a hint: stored runs were not made
// side by side, and whatever else changed between them is in the difference.
// Copies of a run count once. Bench trend looks at each scenario and target
// apart, build tags included, and leaves trials of comparisons out.
//
//	--force           compare unlike runs all the same; what differs is said
//	--metric=NAME     of which bench trend shows every point
//	--html=FILE       write bench trend's page with charts here
//
// # bench report
//
//	--output=FILE     write here (default: report.html beside each result)
//
// # bench export
//
// Formats are text, markdown (of a comparison, for a pull request), junit,
// gobench (the Go benchmark format: of a comparison a file for each side, which
// benchstat compares), csv, and hgrm (of a run, HdrHistogram's percentiles).
//
//	--format=FORMAT   one of these
//	--output=PATH     write here instead of stdout; for gobench of a comparison
//	                  a folder
//	--histogram=NAME  the histogram for hgrm
//
// # All commands
//
//	--help            show help
//	--version         print the version and exit
//
// # Exit status
//
//	0    fine
//	1    deliveries lost, duplicated, reordered, corrupted or misrouted; a
//	     regression
//	2    usage: flag, scenario
//	3    no trustworthy answer: the server or a required metric failed
//	4    inconclusive, with --strict
//	130  interrupted
//
// Of several runs the most telling status is bench's: 130 before 2 before 1
// before 3. A loss is a finding, whatever became of the other runs; 3 only
// says that an answer is missing.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"fanbench/bench/internal/trial"
)

// version is set by the linker.
var version = "devel"

// commands is the command line.
type commands struct {
	Run      runCommand      `cmd:"" help:"Run scenarios and keep the results."`
	Ab       abCommand       `cmd:"" help:"Compare two revisions' servers, side by side on this machine."`
	Noise    noiseCommand    `cmd:"" help:"Measure this machine's noise, for ab."`
	Compare  compareCommand  `cmd:"" help:"Show two results side by side, or judge two sets of stored runs (A… -- B…)."`
	Trend    trendCommand    `cmd:"" help:"Find where metrics changed over stored commits."`
	Report   reportCommand   `cmd:"" help:"Write the HTML page of stored results."`
	Export   exportCommand   `cmd:"" help:"Write stored results for other programs."`
	Validate validateCommand `cmd:"" help:"Check stored results against the schema."`
	Doctor   doctorCommand   `cmd:"" help:"Compare this host's limits with what scenarios need."`

	Version kong.VersionFlag `help:"Print the version and exit."`
}

// app is what a command works with.
type app struct {
	stdout, stderr io.Writer
	interrupts     <-chan os.Signal
	candidates     []string // what follows "--"
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program without its process.
func run(args []string, stdout, stderr io.Writer) (code int) {
	type exited int
	defer func() {
		// Help and version end parsing by a panic: kong expects not to return.
		if r := recover(); r != nil {
			e, ok := r.(exited)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	var c commands
	parser, err := kong.New(&c,
		kong.Name("bench"),
		kong.Description("Run scenarios against the reference server, keep the results and show them."),
		kong.Vars{"version": version},
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { panic(exited(code)) }),
	)
	if err != nil {
		panic(err) // the struct above is wrong
	}
	args, candidates := sides(args)
	context, err := parser.Parse(args)
	if err != nil {
		return fail(stderr, usage(err))
	}
	interrupts, stop := notify()
	defer stop()
	return fail(stderr, context.Run(&app{stdout, stderr, interrupts, candidates}))
}

// sides parts the arguments of bench compare at "--".
func sides(args []string) (before, after []string) {
	if i := slices.Index(args, "--"); i > 0 && args[0] == "compare" {
		return args[:i], args[i+1:]
	}
	return args, nil
}

// failure is an error with its exit status; err is nil where everything has
// been said already.
type failure struct {
	code int
	err  error
}

func (f failure) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit status %d", f.code)
	}
	return f.err.Error()
}

func (f failure) Unwrap() error { return f.err }

const (
	exitFine        = 0
	exitFault       = 1
	exitUsage       = 2
	exitUntrusted   = trial.ExitUntrusted
	exitUnclear     = 4
	exitInterrupted = trial.ExitInterrupted
)

func usage(err error) error { return failure{exitUsage, err} }

// fail reports an error and returns the exit status: 3 where nothing else was
// said, since then there is no answer.
func fail(stderr io.Writer, err error) int {
	if err == nil {
		return exitFine
	}
	f := failure{exitUntrusted, err}
	errors.As(err, &f)
	if f.err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", f.err)
	}
	return f.code
}
