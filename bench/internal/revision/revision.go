// Package revision resolves what git knows, a commit or the working tree as it
// stands, and builds its server in a worktree of its own.
//
// A build is kept by the hash of its tree: what has the same files is the same
// server, whatever its commit is called.
package revision

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"fanbench/bench/internal/process"
	"fanbench/loadgen/result"
)

// WorkingTree is the ref of the working tree with its uncommitted changes.
const WorkingTree = "."

// Revision is a state of the repository.
type Revision struct {
	Ref    string `json:"ref"`    // as it was asked for
	Commit string `json:"commit"` // full hash; of a working tree its HEAD
	Tree   string `json:"tree"`   // full hash of the files that are built
	// Dirty: the files differ from the commit's; DiffSHA256 is the hash of
	// `git diff HEAD --binary` then, over tracked files.
	Dirty      bool   `json:"dirty,omitempty"`
	DiffSHA256 string `json:"diff_sha256,omitempty"`

	source string // a commit that has the tree
}

// Repository is a git checkout.
type Repository struct {
	root string // of the working tree
}

// Open finds the repository around a directory.
func Open(ctx context.Context, dir string) (Repository, error) {
	root, err := git(ctx, dir, nil, "rev-parse", "--show-toplevel")
	if err != nil {
		return Repository{}, fmt.Errorf("find repository: %w; run bench ab inside a checkout, or use --bin or --url", err)
	}
	return Repository{root}, nil
}

// Resolve names a commit, or with [WorkingTree] the files as they are, tracked
// and untracked ones that git does not ignore. A ref that does not exist is an
// [*UnknownError].
func (r Repository) Resolve(ctx context.Context, ref string) (Revision, error) {
	if ref == WorkingTree {
		return r.workingTree(ctx)
	}
	commit, err := git(ctx, r.root, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return Revision{}, &UnknownError{ref}
	}
	tree, err := git(ctx, r.root, nil, "rev-parse", "--verify", commit+"^{tree}")
	if err != nil {
		return Revision{}, fmt.Errorf("resolve %s: %w", ref, err)
	}
	return Revision{Ref: ref, Commit: commit, Tree: tree, source: commit}, nil
}

// UnknownError is a ref that names no commit.
type UnknownError struct{ Ref string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s: no such branch, tag or commit; git fetch it first, or use %s for the working tree", e.Ref, WorkingTree)
}

// workingTree writes the files as they are into git's store, through an index
// of its own: neither the user's index nor any branch changes.
func (r Repository) workingTree(ctx context.Context) (Revision, error) {
	head, err := r.Resolve(ctx, "HEAD")
	if err != nil {
		return Revision{}, err
	}
	dir, err := os.MkdirTemp("", "fanbench-index-")
	if err != nil {
		return Revision{}, fmt.Errorf("resolve working tree: %w", err)
	}
	defer os.RemoveAll(dir)
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	rev := Revision{Ref: WorkingTree, Commit: head.Commit}
	for _, args := range [][]string{{"read-tree", "HEAD"}, {"add", "--all"}} {
		if _, err := git(ctx, r.root, index, args...); err != nil {
			return Revision{}, fmt.Errorf("resolve working tree: %w", err)
		}
	}
	if rev.Tree, err = git(ctx, r.root, index, "write-tree"); err != nil {
		return Revision{}, fmt.Errorf("resolve working tree: %w", err)
	}
	if rev.Tree == head.Tree {
		rev.source = head.Commit
		return rev, nil
	}
	rev.Dirty = true
	diff, err := git(ctx, r.root, index, "diff", "--cached", "--binary", "HEAD")
	if err != nil {
		return Revision{}, fmt.Errorf("resolve working tree: %w", err)
	}
	sum := sha256.Sum256([]byte(diff))
	rev.DiffSHA256 = hex.EncodeToString(sum[:])
	author := []string{"GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@localhost", "GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@localhost"}
	if rev.source, err = git(ctx, r.root, author, "commit-tree", rev.Tree, "-p", head.Commit, "-m", "working tree for bench ab"); err != nil {
		return Revision{}, fmt.Errorf("resolve working tree: %w", err)
	}
	return rev, nil
}

// Subject is what a result says of the revision's server.
func (r Revision) Subject(tags string) result.Subject {
	version := r.Ref
	if tags != "" {
		version += " -tags " + tags
	}
	return result.Subject{Name: "server", Version: version, Commit: r.Commit, Tree: r.Tree, Dirty: r.Dirty}
}

// Short is the commit as people write it.
func (r Revision) Short() string {
	short := r.Commit[:min(12, len(r.Commit))]
	if r.Dirty {
		short += " with uncommitted changes"
	}
	return short
}

// Build returns the revision's server program with these build tags (comma
// separated, "" for none). It is built unless cache, a folder, has it; its
// errors hold what the compiler said.
func (r Repository) Build(ctx context.Context, rev Revision, cache, tags string) (program string, err error) {
	key := sha256.Sum256([]byte(strings.Join([]string{rev.Tree, "-trimpath", tags, runtime.Version(), runtime.GOARCH, os.Getenv("GOFLAGS"), os.Getenv("GOAMD64")}, "\n")))
	program = filepath.Join(cache, rev.Tree[:12]+"-"+hex.EncodeToString(key[:6]), "server")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", rev.Ref, err)
	}
	tree, remove, err := r.worktree(ctx, rev)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", rev.Ref, err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	// Built beside its place and renamed: an interrupted build leaves no half
	// program behind. Without the commit's stamp and the worktree's path, since
	// the same tree is the same server.
	fresh := program + fmt.Sprintf(".%d.tmp", os.Getpid())
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-tags", tags, "-o", fresh, "./server")
	cmd.Dir = tree
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build server of %s: %w\n%s", rev.Ref, err, bytes.TrimSpace(said))
	}
	if err := os.Rename(fresh, program); err != nil {
		return "", fmt.Errorf("build %s: %w", rev.Ref, err)
	}
	return program, nil
}

// worktree checks the revision out in a new folder, until remove is called.
func (r Repository) worktree(ctx context.Context, rev Revision) (tree string, remove func() error, err error) {
	work, err := os.MkdirTemp("", "fanbench-worktree-")
	if err != nil {
		return "", nil, err
	}
	tree = filepath.Join(work, "tree")
	if _, err := git(ctx, r.root, nil, "worktree", "add", "--quiet", "--detach", tree, rev.source); err != nil {
		return "", nil, errors.Join(err, r.remove(work))
	}
	return tree, func() error { return r.remove(work) }, nil
}

// remove takes a worktree away, also where its build was interrupted. Forced
// twice, since git holds a lock on one that it has not checked out yet.
func (r Repository) remove(work string) error {
	_, _ = git(context.Background(), r.root, nil, "worktree", "remove", "--force", "--force", filepath.Join(work, "tree"))
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("remove worktree: %w", err)
	}
	_, err := git(context.Background(), r.root, nil, "worktree", "prune")
	return err
}

// gitPatience bounds the wait for an interrupted git to clean up after itself.
const gitPatience = 10 * time.Second

// git runs a command of git and returns what it says without the last newline.
// An interrupt asks it and what it started, filters and hooks, to end: killed at
// once, it would leave its locks behind, and them writing.
func git(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	var stdout, stderr bytes.Buffer
	p, err := process.Start(process.Spec{Path: "git", Args: append([]string{"-C", dir}, args...), Env: env, Stdout: &stdout, Stderr: &stderr, Group: true})
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return "", fmt.Errorf("git %s: %w", args[0], errors.Join(ctx.Err(), p.Stop(gitPatience)))
	}
	if code := p.ExitCode(); code != 0 {
		return "", fmt.Errorf("git %s: exit status %d: %s", args[0], code, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}
