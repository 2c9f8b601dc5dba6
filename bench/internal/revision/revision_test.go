package revision_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanbench/bench/internal/revision"
)

// repository makes one with a server that prints a word, in two commits.
func repository(t *testing.T) (dir string, repo revision.Repository) {
	t.Helper()
	dir = t.TempDir()
	git(t, dir, "init", "--quiet", "--initial-branch=main")
	write(t, dir, "go.mod", "module fanbench\n\ngo 1.24\n")
	write(t, dir, ".gitignore", "*.tmp\n")
	for _, word := range []string{"first", "second"} {
		write(t, dir, "server/main.go", "package main\n\nfunc main() { println(\""+word+"\") }\n")
		git(t, dir, "add", ".")
		git(t, dir, "commit", "--quiet", "-m", word)
	}
	repo, err := revision.Open(context.Background(), filepath.Join(dir, "server"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, repo
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@localhost"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func resolve(t *testing.T, repo revision.Repository, ref string) revision.Revision {
	t.Helper()
	rev, err := repo.Resolve(context.Background(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func build(t *testing.T, repo revision.Repository, rev revision.Revision, cache string) (program, says string) {
	t.Helper()
	program, err := repo.Build(context.Background(), rev, cache, "")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return program, strings.TrimSpace(string(out))
}

func TestBuildOfEachRevision(t *testing.T) {
	dir, repo := repository(t)
	cache := t.TempDir()
	for ref, want := range map[string]string{"HEAD": "second", "HEAD~1": "first", "main": "second", revision.WorkingTree: "second"} {
		if _, says := build(t, repo, resolve(t, repo, ref), cache); says != want {
			t.Errorf("%s says %q, want %q", ref, says, want)
		}
	}
	if built, _ := os.ReadDir(cache); len(built) != 2 {
		t.Errorf("the cache has %d programs, want one for each of the 2 trees", len(built))
	}
	if left := git(t, dir, "worktree", "list"); strings.Contains(left, "\n") {
		t.Errorf("worktrees are left:\n%s", left)
	}
}

// A working tree is what its files are now, and reading it changes nothing.
func TestWorkingTree(t *testing.T) {
	dir, repo := repository(t)
	head := resolve(t, repo, "HEAD")
	if clean := resolve(t, repo, revision.WorkingTree); clean.Dirty || clean.Tree != head.Tree || clean.DiffSHA256 != "" {
		t.Errorf("a clean tree is %+v, HEAD %+v", clean, head)
	}
	write(t, dir, "server/main.go", "package main\n\nfunc main() { println(word) }\n")
	write(t, dir, "server/new.go", "package main\n\nconst word = \"uncommitted\"\n")
	write(t, dir, "ignored.tmp", "not a part of it")
	dirty := resolve(t, repo, revision.WorkingTree)
	if !dirty.Dirty || dirty.Commit != head.Commit || dirty.Tree == head.Tree || len(dirty.DiffSHA256) != 64 {
		t.Errorf("a changed tree is %+v", dirty)
	}
	if again := resolve(t, repo, revision.WorkingTree); again.Tree != dirty.Tree || again.DiffSHA256 != dirty.DiffSHA256 {
		t.Errorf("read again it is %+v, was %+v", again, dirty)
	}
	if _, says := build(t, repo, dirty, t.TempDir()); says != "uncommitted" {
		t.Errorf("its server says %q", says)
	}
	if status := git(t, dir, "status", "--porcelain"); status != "M server/main.go\n?? server/new.go" {
		t.Errorf("reading it changed the state to %q", status)
	}
}

// What was built once is not built again.
func TestCache(t *testing.T) {
	_, repo := repository(t)
	cache := t.TempDir()
	program, _ := build(t, repo, resolve(t, repo, "HEAD"), cache)
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho kept\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, says := build(t, repo, resolve(t, repo, "main"), cache); says != "kept" {
		t.Errorf("the same tree was built again: it says %q", says)
	}
}

func TestFailures(t *testing.T) {
	dir, repo := repository(t)
	var unknown *revision.UnknownError
	if _, err := repo.Resolve(context.Background(), "nowhere"); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "nowhere: no such branch") {
		t.Errorf("an unknown ref: %v", err)
	}
	if _, err := repo.Resolve(context.Background(), "--help"); !errors.As(err, &unknown) {
		t.Errorf("a ref that looks like a flag: %v", err)
	}
	write(t, dir, "server/main.go", "package main\n\nfunc main() { nonsense() }\n")
	cache := t.TempDir()
	_, err := repo.Build(context.Background(), resolve(t, repo, revision.WorkingTree), cache, "")
	if err == nil || !strings.Contains(err.Error(), "undefined: nonsense") {
		t.Errorf("a server that does not compile: %v", err)
	}
	if left := git(t, dir, "worktree", "list"); strings.Contains(left, "\n") {
		t.Errorf("a failed build left worktrees:\n%s", left)
	}
	if _, err := revision.Open(context.Background(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "--bin") {
		t.Errorf("outside of a repository: %v", err)
	}
}

// Wherever git is when it is interrupted, or killed, the repository and the
// folder of worktrees are left as they were, and nobody is left writing.
func TestInterruptedCheckout(t *testing.T) {
	const (
		begun   = "echo $$ >BEGUN.tmp; mv BEGUN.tmp BEGUN\n"
		forever = "while :; do sleep 0.02; done\n"
		killGit = `leader=$(cut -d" " -f5 /proc/self/stat); grep -qx git /proc/$leader/comm && kill -KILL $leader` + "\n"
	)
	for _, c := range []struct {
		name         string
		filter, hook string // that a checkout runs
	}{
		{"interrupted in a filter", begun + forever, ""},
		{"interrupted in a filter that does not mind", "trap '' TERM\n" + begun + forever, ""},
		{"interrupted in a hook", "cat\n", "trap '' TERM\n" + begun + forever},
		{"killed in a filter", begun + killGit + forever, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, repo := repository(t)
			write(t, dir, ".gitattributes", "*.slow filter=slow\n")
			write(t, dir, "a.slow", "content\n")
			git(t, dir, "add", ".")
			git(t, dir, "commit", "--quiet", "-m", "slow")
			scripts := t.TempDir()
			started := filepath.Join(scripts, "begun")
			for path, script := range map[string]string{filepath.Join(scripts, "filter"): c.filter, filepath.Join(dir, ".git/hooks/post-checkout"): c.hook} {
				script = "#!/bin/sh\n" + strings.ReplaceAll(script, "BEGUN", started)
				if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			git(t, dir, "config", "filter.slow.smudge", filepath.Join(scripts, "filter"))
			rev := resolve(t, repo, "HEAD")
			work := t.TempDir()
			t.Setenv("TMPDIR", work)
			ctx, interrupt := context.WithCancel(context.Background())
			defer interrupt()
			done := make(chan error, 1)
			go func() {
				_, err := repo.Build(ctx, rev, t.TempDir(), "")
				done <- err
			}()
			pid := awaitPID(t, started)
			if strings.HasPrefix(c.name, "interrupted") {
				interrupt()
			}
			if err := <-done; err == nil || errors.Is(err, context.Canceled) != (ctx.Err() != nil) {
				t.Errorf("error %v with the context's %v", err, ctx.Err())
			}
			awaitEnd(t, pid)
			if left := git(t, dir, "worktree", "list"); strings.Contains(left, "\n") {
				t.Errorf("worktrees are left:\n%s", left)
			}
			for _, folder := range []string{work, filepath.Join(dir, ".git", "worktrees")} {
				if left, _ := os.ReadDir(folder); len(left) > 0 {
					t.Errorf("%s still has %v", folder, left)
				}
			}
		})
	}
}

// awaitPID waits for the file that a script writes its process id into.
func awaitPID(t *testing.T, path string) string {
	t.Helper()
	for range 3000 {
		if b, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(b))
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s was never written", path)
	return ""
}

// awaitEnd waits until a process has ended, whether it was reaped or not.
func awaitEnd(t *testing.T, pid string) {
	t.Helper()
	for range 3000 {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %s is still there", pid)
}
