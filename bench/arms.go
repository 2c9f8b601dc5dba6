package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/revision"
	"fanbench/bench/internal/trial"
)

// arm is a side with what is started for it.
type arm struct {
	experiment.Arm
	target trial.Target
}

// arms finds or builds the two sides.
func (c *abCommand) arms(a *app, refs []string) (arms [2]arm, err error) {
	switch {
	case len(c.URL) > 0:
		for i, url := range c.URL {
			arms[i] = arm{experiment.Arm{Name: url, URL: url}, trial.Target{URL: url}}
		}
	case len(c.Bin) > 0:
		for i, path := range c.Bin {
			if path, err = program("bin", path, ""); err != nil {
				return arms, usage(err)
			}
			arms[i] = arm{experiment.Arm{Name: c.Bin[i], Program: path}, trial.Target{Program: path}}
		}
	default:
		return c.revisions(a, refs[0], refs[1])
	}
	return arms, nil
}

// sameServer says whether what differs between two arms is noise.
func sameServer(arms [2]arm) (bool, error) {
	a, b := arms[0], arms[1]
	switch {
	case a.URL != "":
		return a.URL == b.URL, nil
	case a.Revision != nil:
		return a.Revision.Tree == b.Revision.Tree && a.Tags == b.Tags, nil
	}
	var sums [2][sha256.Size]byte
	for i, one := range arms {
		content, err := os.ReadFile(one.Program)
		if err != nil {
			return false, fmt.Errorf("read server: %w", err)
		}
		sums[i] = sha256.Sum256(content)
	}
	return sums[0] == sums[1], nil
}

// revisions builds both refs' servers, unless somebody interrupts that: then
// whatever failed, failed by it.
func (c *abCommand) revisions(a *app, base, head string) (arms [2]arm, err error) {
	ctx, cancel := a.interruptible()
	defer cancel()
	arms, err = c.build(ctx, a, base, head)
	if ctx.Err() != nil {
		err = failure{code: exitInterrupted}
	}
	return arms, err
}

// build builds them. Loadgen and bench stay this build's: the ruler does not
// move.
func (c *abCommand) build(ctx context.Context, a *app, base, head string) (arms [2]arm, err error) {
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
	if sides[0].Tree == sides[1].Tree && c.BaseTags == c.CandidateTags && !c.AA {
		return arms, usage(fmt.Errorf("%s and %s have the same tree %.12s: there is nothing to compare; use --aa to see what two trials of one server differ by",
			base, head, sides[0].Tree))
	}
	for i, rev := range sides {
		tags := [2]string{c.BaseTags, c.CandidateTags}[i]
		fmt.Fprintf(a.stderr, "building the server of %s (%s)\n", rev.Ref, rev.Short())
		if c.Start != "" {
			if arms[i], err = c.started.arm(ctx, repo, rev); err != nil {
				return arms, err
			}
			continue
		}
		path, err := repo.Build(ctx, rev, filepath.Join(cache, "fanbench", "servers"), tags)
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
