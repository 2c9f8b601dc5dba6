package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/revision"
	"fanbench/bench/internal/trial"
)

// started is how bench ab compares the revisions of any project's server: each
// is built in a worktree of its own and started there anew for every trial.
type started struct {
	Start string `placeholder:"CMD" help:"Start any project's server with this shell command, in a worktree of each revision; its loopback port is in $$PORT, and where {port} stands."`
	Build string `placeholder:"CMD" help:"With --start: build it with this shell command, once in each worktree."`
	Path  string `placeholder:"PATH" help:"With --start: the path of its WebSocket URL, with {room} where the room's name goes (default: the reference server's paths)."`
	Ready string `placeholder:"PATH" help:"With --start: the path that answers 200 once it is ready (default: as soon as it accepts connections)."`

	worktrees []func() error // that remove them
}

// leave takes the worktrees away.
func (s *started) leave() error {
	var err error
	for _, remove := range s.worktrees {
		err = errors.Join(err, remove())
	}
	return err
}

func (s *started) check(c *abCommand) error {
	if s.Start == "" {
		if s.Build+s.Path+s.Ready != "" {
			return errors.New("--build, --path and --ready go with --start; give the command that starts the server")
		}
		return nil
	}
	if len(c.Bin)+len(c.URL) > 0 || c.BaseTags+c.CandidateTags != "" {
		return errors.New("--start: without --bin, --url, --base-tags and --candidate-tags; it compares two revisions, and --build says how they are built")
	}
	for _, path := range [][2]string{{"--path", s.Path}, {"--ready", s.Ready}} {
		if path[1] != "" && !strings.HasPrefix(path[1], "/") {
			return fmt.Errorf("%s %s: want a path that begins with /", path[0], path[1])
		}
	}
	return nil
}

// arm checks a revision out and builds it; leave takes its worktree away.
func (s *started) arm(ctx context.Context, repo revision.Repository, rev revision.Revision) (arm, error) {
	tree, remove, err := repo.Checkout(ctx, rev, s.Build)
	if err != nil {
		return arm{}, err
	}
	s.worktrees = append(s.worktrees, remove)
	about := rev.Subject("")
	return arm{
		experiment.Arm{Name: rev.Ref, Revision: &rev, Start: &experiment.Start{Build: s.Build, Command: s.Start, Path: s.Path, Ready: s.Ready}},
		trial.Target{About: &about, Shell: &trial.Shell{Command: s.Start, Dir: tree, Path: s.Path, Ready: s.Ready}},
	}, nil
}
