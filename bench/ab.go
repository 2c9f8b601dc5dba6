package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/export"
	"fanbench/bench/internal/noise"
	"fanbench/bench/internal/revision"
	"fanbench/bench/internal/store"
	"fanbench/bench/internal/table"
	"fanbench/bench/internal/trial"
)

// design is what bench ab and bench noise share: how pairs are made.
type design struct {
	Pairs    int     `default:"12" placeholder:"N" help:"Pairs of each scenario (${default})."`
	MaxVoid  int     `default:"4" placeholder:"N" help:"Void pairs of each scenario, at most (${default})."`
	Affinity string  `default:"none" enum:"none,split" placeholder:"HOW" help:"CPUs: none leaves them to the kernel, split gives server and generator different ones (${default})."`
	Toy      bool    `help:"Use the scenarios' toy parameters: a test of the pipeline."`
	Seed     *uint64 `placeholder:"N" help:"Seed of the order and of the plans (default: drawn)."`
	Results  string  `default:"results/ab" placeholder:"DIR" help:"Keep experiments here (${default})."`
	Loadgen  string  `placeholder:"PATH" help:"The generator program (default: beside bench)."`
}

type abCommand struct {
	Arguments []string `arg:"" optional:"" name:"argument" help:"BASE HEAD [SCENARIO…]: commits, branches or tags, or . for the working tree. With --bin or --url only scenarios."`
	design
	Bin           []string `placeholder:"A,B" help:"Compare two server programs instead of revisions."`
	URL           []string `name:"url" placeholder:"A,B" help:"Compare two running servers instead of revisions."`
	CandidateTags string   `placeholder:"TAGS" help:"Build tags of HEAD's server."`
	Sequential    bool     `help:"Look after 8 pairs, and go on to 16 only if that is inconclusive, instead of --pairs."`
	AA            bool     `name:"aa" help:"Allow the same tree on both sides: what differs is noise."`
	Strict        bool     `help:"Exit 4 if the comparison is inconclusive."`
	HTML          string   `name:"html" placeholder:"FILE" help:"Write the report here (default: report.html in the comparison's directory)."`
	Markdown      string   `placeholder:"FILE" help:"Write Markdown for a pull request here."`
	Junit         string   `placeholder:"FILE" help:"Write JUnit XML here."`
	Noise         string   `placeholder:"DIR" help:"Noise profiles (default: the user's cache)."`
}

// defaultComparison is what is compared when no scenario is named.
var defaultComparison = []string{"fanout-1k", "echo-1k"}

// Run builds both servers and compares them.
func (c *abCommand) Run(a *app) error {
	looks := compare.Fixed(c.Pairs)
	if c.Sequential {
		looks = compare.Sequential()
	}
	if err := c.check(); err != nil {
		return usage(err)
	}
	arms, names, err := c.arms(a)
	if err != nil {
		return err
	}
	e := &experiment.Experiment{Baseline: arms[0].Arm, Candidate: arms[1].Arm, AA: c.AA}
	dir, err := c.run(a, e, arms, names, looks, c.Noise)
	if dir == "" {
		return err
	}
	// What was measured is told, whatever could not be stored.
	err = errors.Join(err, table.Experiment(a.stdout, e), c.write(a, dir, e))
	fmt.Fprintf(a.stdout, "\nExperiment: %s\n", dir)
	status := c.status(e)
	if status != nil && err != nil {
		fmt.Fprintf(a.stderr, "bench: %v\n", err)
		return status
	}
	return errors.Join(status, err)
}

// write keeps the page and whatever else was asked for.
func (c *abCommand) write(a *app, dir string, e *experiment.Experiment) error {
	page := c.HTML
	if page == "" {
		page = filepath.Join(dir, store.Page)
	}
	err := toFile(page, func(w io.Writer) error { return comparisonPage(a, w, dir, e) })
	if c.Markdown != "" {
		err = errors.Join(err, toFile(c.Markdown, func(w io.Writer) error { return export.Markdown(w, e) }))
	}
	if c.Junit != "" {
		err = errors.Join(err, toFile(c.Junit, func(w io.Writer) error { return export.JUnit(w, e) }))
	}
	return err
}

func (c *abCommand) check() error {
	switch {
	case c.Pairs < 1:
		return fmt.Errorf("--pairs %d: use 1 or more; fewer than 6 can never show a change", c.Pairs)
	case c.MaxVoid < 0:
		return fmt.Errorf("--max-void %d: use 0 or more", c.MaxVoid)
	case len(c.Bin) > 0 && len(c.URL) > 0:
		return errors.New("--bin and --url: use one of them")
	case len(c.Bin) != 0 && len(c.Bin) != 2:
		return fmt.Errorf("--bin %s: want two programs, A,B", strings.Join(c.Bin, ","))
	case len(c.URL) != 0 && len(c.URL) != 2:
		return fmt.Errorf("--url %s: want two servers, A,B", strings.Join(c.URL, ","))
	}
	return nil
}

// status is the exit status that a comparison's verdict means.
func (c *abCommand) status(e *experiment.Experiment) error {
	code := exitFine
	switch {
	case e.Interrupted:
		code = exitInterrupted
	case e.Verdict == compare.Regression:
		code = exitFault
	case e.Verdict == compare.Invalid:
		code = exitUntrusted
	case e.Verdict == compare.Inconclusive && c.Strict:
		code = exitUnclear
	}
	if code == exitFine {
		return nil
	}
	return failure{code: code}
}

// arm is a side with what is started for it.
type arm struct {
	experiment.Arm
	target trial.Target
}

// arms finds or builds the two sides; names are the scenarios asked for.
func (c *abCommand) arms(a *app) (arms [2]arm, names []string, err error) {
	names = c.Arguments
	switch {
	case len(c.URL) > 0:
		for i, url := range c.URL {
			arms[i] = arm{experiment.Arm{Name: url, URL: url}, trial.Target{URL: url}}
		}
	case len(c.Bin) > 0:
		for i, path := range c.Bin {
			if path, err = program("bin", path, ""); err != nil {
				return arms, nil, usage(err)
			}
			arms[i] = arm{experiment.Arm{Name: c.Bin[i], Program: path}, trial.Target{Program: path}}
		}
	default:
		if len(names) < 2 {
			return arms, nil, usage(errors.New("want BASE and HEAD: two commits, branches or tags, or . for the working tree; or --bin, or --url"))
		}
		if arms, err = c.revisions(a, names[0], names[1]); err != nil {
			return arms, nil, err
		}
		names = names[2:]
	}
	if len(names) == 0 {
		names = defaultComparison
	}
	return arms, names, nil
}

// revisions builds both refs' servers. Loadgen and bench stay this build's: the
// ruler does not move.
func (c *abCommand) revisions(a *app, base, head string) (arms [2]arm, err error) {
	ctx, cancel := a.interruptible()
	defer cancel()
	repo, err := revision.Open(ctx, ".")
	if err != nil {
		return arms, usage(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return arms, fmt.Errorf("find the folder of built servers: %w", err)
	}
	var sides [2]revision.Revision
	for i, ref := range []string{base, head} {
		var unknown *revision.UnknownError
		if sides[i], err = repo.Resolve(ctx, ref); errors.As(err, &unknown) {
			return arms, usage(err)
		} else if err != nil {
			return arms, err
		}
	}
	if sides[0].Tree == sides[1].Tree && c.CandidateTags == "" && !c.AA {
		return arms, usage(fmt.Errorf("%s and %s have the same tree %.12s: there is nothing to compare; use --aa to see what two runs of one server differ by",
			base, head, sides[0].Tree))
	}
	for i, rev := range sides {
		tags := ""
		if i == 1 {
			tags = c.CandidateTags
		}
		fmt.Fprintf(a.stderr, "building the server of %s (%s)\n", rev.Ref, rev.Short())
		path, err := repo.Build(ctx, rev, filepath.Join(cache, "fanbench", "servers"), tags)
		if ctx.Err() != nil {
			return arms, failure{code: exitInterrupted}
		}
		if err != nil {
			return arms, err
		}
		about := rev.Subject(tags)
		arms[i] = arm{experiment.Arm{Name: rev.Ref, Revision: &rev, Tags: tags, Program: path}, trial.Target{Program: path, About: &about}}
	}
	return arms, nil
}

// interruptible is a context that ends with an interrupt.
func (a *app) interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-a.interrupts:
			cancel()
		case <-done:
		}
	}()
	return ctx, func() { close(done); <-ended; cancel() }
}

// run makes an experiment's trials and stores it after every pair, so that
// whatever ends it leaves what was measured.
func (d design) run(a *app, e *experiment.Experiment, arms [2]arm, names []string, looks compare.Looks, profiles string) (dir string, err error) {
	loadgen, err := program("loadgen", d.Loadgen, "make build")
	if err != nil {
		return "", usage(err)
	}
	declared, err := read(names, d.Toy)
	if err != nil {
		return "", usage(err)
	}
	var placed placement
	if d.Affinity == "split" {
		if placed, err = split(); err != nil {
			return "", usage(err)
		}
	}
	if profiles == "" {
		if profiles, err = noise.Folder(); err != nil {
			return "", err
		}
	}
	e.Tool, e.Affinity, e.Seed = version, d.Affinity, rand.Uint64()>>16
	if d.Seed != nil {
		e.Seed = *d.Seed
	}
	if dir, e.ID, err = experiment.Create(d.Results, e.Baseline, e.Candidate, time.Now()); err != nil {
		return "", err
	}
	config := experiment.Config{Looks: looks, MostVoid: d.MaxVoid, Now: time.Now}
	for _, one := range declared {
		config.Work = append(config.Work, experiment.Work{Scenario: one.scenario, Source: one.source})
	}
	config.Noise = func(environment, hash string) map[string]float64 {
		profile, err := noise.Read(profiles, environment, d.Affinity)
		if err != nil {
			fmt.Fprintf(a.stderr, "bench: %v\n", err)
		}
		return profile.Scenarios[hash].Noise
	}
	config.Trial = func(side experiment.Side, w experiment.Work, pair int) experiment.Outcome {
		target := arms[0].target
		if side == experiment.Candidate {
			target = arms[1].target
		}
		seed := e.Seed + uint64(pair) // the same for both sides of a pair
		out, err := trial.Run(context.Background(), trial.Config{
			Target: target, Loadgen: loadgen, TargetCPUs: placed.target, LoadgenCPUs: placed.loadgen,
			Scenario: w.Scenario, Source: w.Source, Toy: d.Toy, Seed: &seed, Reproduce: reproduce,
			Results: dir, Stderr: quiet{}, Interrupts: a.interrupts,
		})
		return experiment.Outcome{Result: out.Result, Directory: relative(dir, out.Dir), Interrupted: out.Exit == exitInterrupted, Problem: err}
	}
	config.Progress = func(p experiment.Progress) {
		if p.Problem != nil {
			fmt.Fprintf(a.stderr, "bench: %v\n", p.Problem)
		}
		fmt.Fprintln(a.stderr, table.Progress(p))
		if storing := experiment.Write(dir, e); storing != nil {
			err = storing
		}
	}
	experiment.Run(e, config)
	return dir, errors.Join(err, experiment.Write(dir, e))
}

func relative(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && path != "" {
		return rel
	}
	return path
}

// quiet drops loadgen's live line: an experiment has a line of its own.
type quiet struct{}

func (quiet) Write(b []byte) (int, error) { return len(b), nil }
