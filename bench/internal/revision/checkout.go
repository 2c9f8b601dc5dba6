package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Checkout puts the revision's files into a worktree and builds them there with
// a shell command, "" for none, for servers that are not this project's. The
// worktree stays until remove is called. Errors hold the end of what the
// command said.
func (r Repository) Checkout(ctx context.Context, rev Revision, build string) (tree string, remove func() error, err error) {
	tree, remove, err = r.worktree(ctx, rev)
	if err != nil {
		return "", nil, fmt.Errorf("check out %s: %w", rev.Ref, err)
	}
	if build == "" {
		return tree, remove, nil
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", build)
	cmd.Dir = tree
	// An interrupt ends what the shell started as well.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("build %s with --build %q: %w%s", rev.Ref, build, err, tail(said)), remove())
	}
	return tree, remove, nil
}

// tailLines of a build's output are shown.
const tailLines = 20

func tail(said []byte) string {
	said = bytes.TrimSpace(said)
	if len(said) == 0 {
		return "; it said nothing"
	}
	lines := strings.Split(string(said), "\n")
	return "; the end of what it said:\n  " + strings.Join(lines[max(0, len(lines)-tailLines):], "\n  ")
}
