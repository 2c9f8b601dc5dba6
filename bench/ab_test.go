package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fanbench/bench/internal/compare"
	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/fixture"
	"fanbench/loadgen/result"
)

// rehearsed is a generator that plays prepared results: the n-th trial against
// ws://SIDE leaves FOLDER/SIDE-n.json, or no result where there is none. Where
// SIDE-n.interrupt stands it interrupts bench by the signals that this names, as a
// terminal would, and waits for its own interrupt first.
const rehearsed = `#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in --url) side=${2#ws://} ;; --out) out=$2 ;; esac
	shift
done
n=$(cat FOLDER/$side.n 2>/dev/null || echo 0)
echo $((n + 1)) >FOLDER/$side.n
if [ -e FOLDER/$side-$n.interrupt ]; then
	trap 'exit 130' INT HUP
	for signal in $(cat FOLDER/$side-$n.interrupt); do kill -$signal $PPID; done
	while :; do sleep 0.02; done
fi
[ -e FOLDER/$side-$n.json ] || exit 3
cp FOLDER/$side-$n.json $out/result.json
`

// rehearse writes that generator. A pair's results are as change leaves them,
// which has the candidate's CPU per delivery a little off the baseline's.
func rehearse(t *testing.T, pairs int, change func(pair int, baseline, candidate *result.Result)) (loadgen, folder string) {
	t.Helper()
	folder = t.TempDir()
	for n := range pairs {
		baseline, candidate := fixture.Fanout(), fixture.Fanout()
		dearer(candidate, 1+0.01*math.Sin(float64(n)))
		change(n, baseline, candidate)
		for side, r := range map[string]*result.Result{"baseline": baseline, "candidate": candidate} {
			if r.RunID == "" {
				continue // change wants none
			}
			if err := result.Write(filepath.Join(folder, fmt.Sprintf("%s-%d.json", side, n)), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	loadgen = filepath.Join(folder, "loadgen")
	if err := os.WriteFile(loadgen, []byte(strings.ReplaceAll(rehearsed, "FOLDER", folder)), 0o755); err != nil {
		t.Fatal(err)
	}
	return loadgen, folder
}

func dearer(r *result.Result, by float64) {
	m := r.Metrics["target.cpu_per_delivery_seconds"]
	m.Value *= by
	r.Metrics["target.cpu_per_delivery_seconds"] = m
}

// runBench runs the real program and returns what a shell would see of it.
func runBench(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "bench"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOCACHE="+compiled(t), "XDG_CACHE_HOME="+filepath.Join(dir, ".cache"))
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// compiled is where the go command keeps what it has compiled, which another
// XDG_CACHE_HOME would move.
func compiled(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Every end that a comparison can come to, with what is printed, its exit
// status and the files that it leaves.
func TestAbEnds(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // so that bench does not ignore it, if this process did
	defer signal.Stop(heard)
	nothing := func(int, *result.Result, *result.Result) {}
	for _, c := range []struct {
		name    string
		change  func(pair int, baseline, candidate *result.Result)
		args    []string
		stop    string // the signals that interrupt the candidate's fourth trial; "" for none
		code    int
		verdict compare.Verdict
		pairs   int // in the file, void ones too
		says    []string
	}{
		{"nothing changed", nothing, nil, "", exitFine, compare.Equivalent, 12, []string{"EQUIVALENT", "fanout-1k: equivalent, 12 pairs"}},
		{"dearer", func(_ int, _, c *result.Result) { dearer(c, 1.2) }, nil, "", exitFault, compare.Regression, 12, []string{"REGRESSION", "target.cpu_per_delivery_seconds: regression, +2"}},
		{"cheaper", func(_ int, _, c *result.Result) { dearer(c, 0.8) }, nil, "", exitFine, compare.Improvement, 12, []string{"IMPROVEMENT"}},
		{"one delivery lost", func(n int, _, c *result.Result) {
			if n == 5 {
				c.Ledger.Lost, c.Ledger.LostUp = 1, 1
			}
		}, nil, "", exitFault, compare.Regression, 12, []string{"deliveries of the candidate went wrong: lost 1"}},
		{"dearer and cheaper by turns", func(n int, _, c *result.Result) { dearer(c, 0.7+0.6*float64(n%2)) }, nil, "", exitFine, compare.Inconclusive, 12, []string{"INCONCLUSIVE"}},
		{"the same, strictly", func(n int, _, c *result.Result) { dearer(c, 0.7+0.6*float64(n%2)) }, []string{"--strict"}, "", exitUnclear, compare.Inconclusive, 12, []string{"INCONCLUSIVE"}},
		{"a pair that is void is made again", func(n int, _, c *result.Result) {
			if n == 2 {
				c.Verdict.Verdict = "generator-limited"
			}
		}, nil, "", exitFine, compare.Equivalent, 13, []string{"12 pairs, 1 more are void:\n  pair 3: candidate: generator-limited"}},
		{"void pairs are capped", func(_ int, _, c *result.Result) { c.Verdict.Verdict = "invalid" }, []string{"--max-void", "2"}, "", exitUntrusted, compare.Invalid, 3,
			[]string{"INVALID", "3 pairs are void, 2 may be", "pair 1: candidate: invalid"}},
		{"no results", func(_ int, b, c *result.Result) { b.RunID, c.RunID = "", "" }, []string{"--max-void", "0"}, "", exitUntrusted, compare.Invalid, 1, []string{"no result"}},
		{"clear at the first look", func(_ int, _, c *result.Result) {}, []string{"--sequential"}, "", exitFine, compare.Equivalent, 8, []string{"8 pairs"}},
		{"Ctrl-C in the fourth pair", nothing, nil, "INT", exitInterrupted, compare.Invalid, 3, []string{"INVALID (interrupted)", "3 of 12 pairs count"}},
		{"a terminal that closes in the fourth pair", nothing, nil, "HUP HUP", exitInterrupted, compare.Invalid, 3, []string{"INVALID (interrupted)", "3 of 12 pairs count"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			loadgen, folder := rehearse(t, 20, c.change)
			if c.stop != "" {
				if err := os.WriteFile(filepath.Join(folder, "candidate-3.interrupt"), []byte(c.stop), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			results := filepath.Join(folder, "results")
			code, stdout, stderr := runBench(t, folder, append([]string{"ab", "--url", "ws://baseline,ws://candidate", "--loadgen", loadgen,
				"--results", results, "--html", "ab.html", "--markdown", "ab.md", "--junit", "ab.xml", "fanout-1k"}, c.args...)...)
			for _, says := range c.says {
				if code != c.code || !strings.Contains(stdout, says) {
					t.Fatalf("exit %d, want %d and %q in\n%s%s", code, c.code, says, stdout, stderr)
				}
			}
			if !strings.HasPrefix(stderr, "12 pairs of 1 scenario: about ") && !strings.HasPrefix(stderr, "8 or 16 pairs of 1 scenario: about ") {
				t.Errorf("how long it takes is not said first:\n%s", stderr)
			}
			stored, _ := filepath.Glob(filepath.Join(results, "*"))
			if len(stored) != 1 {
				t.Fatalf("stored %v, want one experiment", stored)
			}
			e, err := experiment.Read(stored[0])
			if err != nil || e.Verdict != c.verdict || len(e.Scenarios[0].Pairs) != c.pairs || e.Interrupted != (c.stop != "") {
				t.Errorf("stored %+v, %v; want %s with %d pairs", e, err, c.verdict, c.pairs)
			}
			checkFiles(t, folder, c.verdict)
			if code, stdout, _ := runBench(t, folder, "validate", stored[0]); code != exitFine {
				t.Errorf("what is stored does not fit its schema: exit %d\n%s", code, stdout)
			}
		})
	}
}

// checkFiles reads what --html, --markdown and --junit wrote.
func checkFiles(t *testing.T, folder string, verdict compare.Verdict) {
	t.Helper()
	for name, says := range map[string]string{"ab.html": "<!doctype html>", "ab.md": string(verdict), "ab.xml": "<testsuite"} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !strings.Contains(strings.ToLower(string(b)), says) {
			t.Errorf("%s lacks %q (%v)", name, says, err)
		}
		if name == "ab.xml" {
			if err := xml.Unmarshal(b, new(struct{})); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// servers is a repository of the reference server as it is here, with tags for
// that, for one that differs, and for one that does not compile. What the build
// tag "other" adds changes nothing.
func servers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "init", "--quiet")
	if err := os.CopyFS(filepath.Join(dir, "server"), os.DirFS("../server")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join("..", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	extra := filepath.Join(dir, "server", "extra.go")
	for _, version := range [][2]string{
		{"base", "//go:build other\n\npackage main\n\nvar other = true\n"},
		{"same", "//go:build other\n\npackage main\n\nvar other = false\n"},
		{"broken", "package main\n\nvar other nonsense\n"},
	} {
		if err := os.WriteFile(extra, []byte(version[1]), 0o644); err != nil {
			t.Fatal(err)
		}
		git(t, dir, "add", ".")
		git(t, dir, "commit", "--quiet", "-m", version[0])
		git(t, dir, "tag", version[0])
	}
	git(t, dir, "checkout", "--quiet", "same")
	if err := os.WriteFile(filepath.Join(dir, ".git", "info", "exclude"), []byte(".cache\nresults\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Real worktrees of a real repository, the real server and the real generator.
func TestAbBuildsRevisions(t *testing.T) {
	dir := servers(t)
	ab := func(args ...string) (int, string, string) {
		return runBench(t, dir, append([]string{"ab", "--toy", "--pairs", "2", "--max-void", "8", "--results", "results"}, args...)...)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"same", "."}, "have the same tree"},
		{[]string{"same", "same", "--base-tags", "other", "--candidate-tags", "other"}, "use --aa"},
		{[]string{"base", "elsewhere"}, "elsewhere: no such branch, tag or commit"},
		{[]string{"base"}, "want BASE and HEAD"},
		{[]string{"base", "same", "fanout-2k"}, "fanout-2k"},
		{[]string{"base", "same", "--html", "nowhere/x.html"}, "--html nowhere/x.html: no folder nowhere"},
		{[]string{"base", "same", "--markdown", "server"}, "--markdown server: a folder"},
		{[]string{"base", "same", "--loadgen", "/no/loadgen"}, "--loadgen /no/loadgen: no such program"},
		{[]string{"base", "same", "--pairs", "0"}, "--pairs 0: use 1 or more"},
		{[]string{"--bin", filepath.Join(bin, "server") + ",/no/server"}, "/no/server: no such program"},
		{[]string{"--bin", filepath.Join(bin, "server") + "," + filepath.Join(bin, "server")}, "are the same server"},
		{[]string{"--url", "ws://127.0.0.1:1,ws://127.0.0.1:1"}, "are the same server"},
		{[]string{"--url", "ws://127.0.0.1:1,ws://127.0.0.1:2", "--base-tags", "other"}, "nothing is built"},
	} {
		if code, stdout, stderr := ab(c.args...); code != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "building") {
			t.Errorf("bench ab %s: exit %d\n%s%s\nwant exit 2 and %q before anything is built", strings.Join(c.args, " "), code, stdout, stderr, c.says)
		}
	}
	if code, stdout, stderr := ab("base", "broken", "fanout-1k"); code != exitUntrusted || stdout != "" || !strings.Contains(stderr, "undefined: nonsense") {
		t.Errorf("a revision that does not compile: exit %d\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "results")); !os.IsNotExist(err) {
		t.Errorf("what was never measured left results (%v)", err)
	}
	for _, c := range []struct {
		args                []string
		aa                  bool
		baseline, candidate string // build tags
	}{
		{args: []string{"base", "."}},
		{args: []string{"same", "same", "--candidate-tags", "other"}, candidate: "other"},
		{args: []string{"same", "same", "--base-tags", "other", "--aa"}, baseline: "other"},
		{args: []string{"same", "HEAD", "--aa"}, aa: true},
	} {
		results := filepath.Join(t.TempDir(), "results")
		code, stdout, stderr := ab(append(c.args, "fanout-1k", "--results", results)...)
		stored, _ := filepath.Glob(filepath.Join(results, "*"))
		// Two toy pairs can show nothing, and on a busy machine less.
		if len(stored) != 1 || code != exitFine && code != exitUntrusted {
			t.Fatalf("bench ab %v: exit %d, stored %v\n%s%s", c.args, code, stored, stdout, stderr)
		}
		e, err := experiment.Read(stored[0])
		if err != nil || e.AA != c.aa || e.Baseline.Tags != c.baseline || e.Candidate.Tags != c.candidate || len(e.Scenarios[0].Pairs) < 2 {
			t.Errorf("bench ab %v: %+v, %v", c.args, e, err)
		}
		if code, stdout, _ := runBench(t, dir, "validate", stored[0]); code != exitFine {
			t.Errorf("what is stored does not fit its schema: exit %d\n%s", code, stdout)
		}
		for _, p := range e.Scenarios[0].Pairs {
			checkDesign(t, stored[0], e, p)
		}
	}
	if left := git(t, dir, "worktree", "list"); strings.Contains(left, "\n") {
		t.Errorf("worktrees are left:\n%s", left)
	}
}

// checkDesign finds a pair's trials and what their results say of their place.
func checkDesign(t *testing.T, dir string, e *experiment.Experiment, p compare.Pair) {
	t.Helper()
	if p.Void() != "" {
		return
	}
	b, err := result.Read(filepath.Join(dir, p.Baseline.Directory))
	if err != nil {
		t.Fatal(err)
	}
	c, err := result.Read(filepath.Join(dir, p.Candidate.Directory))
	if err != nil {
		t.Fatal(err)
	}
	if b.Design == nil || c.Design == nil || b.Design.GroupID != e.ID || c.Design.GroupID != e.ID || b.Design.Block != c.Design.Block ||
		(b.Design.Position == 1) != p.BaselineFirst || b.Design.Position+c.Design.Position != 3 ||
		b.Design.Role != result.RoleBaseline || c.Design.Role != result.RoleCandidate {
		t.Errorf("a pair of %s says %+v and %+v", e.ID, b.Design, c.Design)
	}
	if b.Seed != c.Seed {
		t.Errorf("a pair has the seeds %d and %d", b.Seed, c.Seed)
	}
}

// An interrupt says 130 wherever it finds the preparation, and nothing is left.
func TestAbInterruptedBeforeItMeasures(t *testing.T) {
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := project(t)
	for _, c := range []struct{ at, head string }{
		{"rev-parse --show-toplevel", "same"},
		{"rev-parse --verify", "same"},
		{"add --all", "."},
		{"worktree add", "same"},
	} {
		t.Run(c.at, func(t *testing.T) {
			programs, work := t.TempDir(), t.TempDir()
			script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *'%s'*) kill -INT $PPID; exec sleep 1000 ;; esac\nexec %s \"$@\"\n", c.at, real)
			if err := os.WriteFile(filepath.Join(programs, "git"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
			t.Setenv("TMPDIR", work)
			code, stdout, stderr := runBench(t, dir, "ab", "base", c.head, "fanout-1k")
			if code != exitInterrupted || stdout != "" || strings.Contains(stderr, "bench: ") {
				t.Errorf("exit %d, want 130 and no complaint\n%s%s", code, stdout, stderr)
			}
			if left, _ := os.ReadDir(work); len(left) > 0 {
				t.Errorf("left %v", left)
			}
			if left := git(t, dir, "worktree", "list"); strings.Contains(left, "\n") {
				t.Errorf("worktrees are left:\n%s", left)
			}
		})
	}
}
