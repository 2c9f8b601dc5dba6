package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/export"
	"fanbench/bench/internal/store"
	"fanbench/bench/internal/table"
)

type abCommand struct {
	Base      string   `arg:"" optional:"" help:"A commit, branch or tag, or . for the working tree. With --bin or --url the first scenario."`
	Head      string   `arg:"" optional:"" help:"Another one. With --bin or --url a scenario."`
	Scenarios []string `arg:"" optional:"" name:"scenario" help:"Names of the catalogue or files; none compares fanout-1k and echo-1k."`
	design
	started
	Bin           []string `placeholder:"A,B" help:"Compare two server programs instead of revisions."`
	URL           []string `name:"url" placeholder:"A,B" help:"Compare two running servers instead of revisions."`
	BaseTags      string   `placeholder:"TAGS" help:"Go build tags of BASE's server, separated by commas."`
	CandidateTags string   `placeholder:"TAGS" help:"Go build tags of HEAD's server."`
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
	refs, names, err := c.arguments()
	if err != nil {
		return usage(err)
	}
	with, err := c.prepare(names)
	if err != nil {
		return usage(err)
	}
	arms, err := c.arms(a, refs)
	defer func() {
		if err := c.leave(); err != nil {
			fmt.Fprintf(a.stderr, "bench: %v\n", err)
		}
	}()
	if err != nil {
		return err
	}
	same, err := sameServer(arms)
	if err != nil {
		return err
	}
	if same && !c.AA {
		return usage(fmt.Errorf("%s and %s are the same server: there is nothing to compare; use --aa to see what two trials of one server differ by",
			arms[0].Name, arms[1].Name))
	}
	e := &experiment.Experiment{Baseline: arms[0].Arm, Candidate: arms[1].Arm, AA: same}
	fmt.Fprintln(a.stderr, table.Estimate(looks.Pairs, with.scenarios()))
	dir, err := c.run(a, e, arms, with, looks, c.Noise)
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
	if err := c.design.check(); err != nil {
		return err
	}
	switch {
	case len(c.Bin) > 0 && len(c.URL) > 0:
		return errors.New("--bin and --url: use one of them")
	case len(c.Bin) != 0 && len(c.Bin) != 2:
		return fmt.Errorf("--bin %s: want two programs, A,B", strings.Join(c.Bin, ","))
	case len(c.URL) != 0 && len(c.URL) != 2:
		return fmt.Errorf("--url %s: want two servers, A,B", strings.Join(c.URL, ","))
	case c.BaseTags+c.CandidateTags != "" && len(c.Bin)+len(c.URL) > 0:
		return errors.New("--base-tags and --candidate-tags: nothing is built with --bin or --url; leave them out")
	}
	if err := c.checkFiles(); err != nil {
		return err
	}
	return c.started.check(c)
}

// checkFiles finds a missing folder before the measurement, not after it.
func (c *abCommand) checkFiles() error {
	for _, f := range [][2]string{{"--html", c.HTML}, {"--markdown", c.Markdown}, {"--junit", c.Junit}} {
		flag, path := f[0], f[1]
		if path == "" {
			continue
		}
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return fmt.Errorf("%s %s: no folder %s; make it first", flag, path, filepath.Dir(path))
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return fmt.Errorf("%s %s: a folder; name a file", flag, path)
		}
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

// arguments are the two refs, none with --bin or --url, and the scenarios.
func (c *abCommand) arguments() (refs, names []string, err error) {
	refs, names = []string{c.Base, c.Head}, c.Scenarios
	if len(c.Bin)+len(c.URL) > 0 { // all of them are scenarios
		names = slices.DeleteFunc(slices.Concat(refs, names), func(name string) bool { return name == "" })
		refs = nil
	} else if c.Head == "" {
		return nil, nil, errors.New("want BASE and HEAD: two commits, branches or tags, or . for the working tree; or --bin, or --url")
	}
	if len(names) == 0 {
		names = defaultComparison
	}
	return refs, names, nil
}
