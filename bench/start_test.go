package main

import (
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/trial"
	"fanbench/loadgen/result"
)

// git runs in a repository of the test's own, away from the user's settings.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=test", "-c", "user.email=test@example.invalid"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// project is a repository of another server, with tags for a commit that it
// begins with, one that changes nothing that counts, one that loses every fifth
// message, and one that does not compile.
func project(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("testdata/tiny/main.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	git(t, dir, "init", "--quiet")
	for _, version := range [][2]string{
		{"base", string(source)},
		{"same", string(source) + "\n// This commit changes nothing.\n"},
		{"lossy", strings.Replace(string(source), "var lost = 0", "var lost = 5", 1)},
		{"broken", string(source) + "\nfunc"},
	} {
		for name, content := range map[string]string{"main.go": version[1], "go.mod": "module tiny\n\ngo 1.24\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git(t, dir, "add", ".")
		git(t, dir, "commit", "--quiet", "-m", version[0])
		git(t, dir, "tag", version[0])
	}
	return dir
}

// harness is the script with the programs where an installation has them.
func harness(t *testing.T) (script string) {
	t.Helper()
	dir := t.TempDir()
	script = filepath.Join(dir, "scripts", "ci-compare.sh")
	source, err := os.ReadFile("../scripts/ci-compare.sh")
	if err == nil {
		err = os.Mkdir(filepath.Dir(script), 0o755)
	}
	if err == nil {
		err = os.WriteFile(script, source, 0o755)
	}
	if err == nil {
		err = os.Symlink(bin, filepath.Join(dir, "bin"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// scenarioOfProject is as short as it can be: its server's CPU time must be some
// ticks of 10 ms. It requires no more than what a busy machine can still tell.
const scenarioOfProject = `question: Does every member receive every message?
connections: 20
rate: 200/s
phases: {warm-up: 100ms, measure: 500ms, drain: 500ms}
require: [ledger]
`

// What action.yml runs, with another project's server: the gate lets a commit
// that changes nothing pass, stops one that loses messages, and tells both from
// a commit that cannot be judged.
func TestCompareInCI(t *testing.T) {
	dir, script := project(t), harness(t)
	ours := filepath.Join(t.TempDir(), "ours.yaml")
	if err := os.WriteFile(ours, []byte(scenarioOfProject), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, head, start, scenario string
		code                        int
		says                        string
	}{
		{"nothing changed", "same", "exec ./tiny {port}", ours, exitFine, "INCONCLUSIVE"},
		{"it loses messages", "lossy", `./tiny "$PORT"; exit 0`, ours, exitFault, "deliveries of the candidate went wrong: lost "},
		{"it does not build", "broken", "exec ./tiny {port}", ours, exitUntrusted, `build broken with --build "go build -o tiny .": exit status 1; the end of what it said:`},
		{"it does not start", "same", "echo no such thing >&2; exit 1", ours, exitUntrusted, "no such thing"},
		{"no such commit", "gone", "exec ./tiny {port}", ours, exitUsage, "gone: no such branch, tag or commit"},
		{"no such scenario", "same", "exec ./tiny {port}", "fanout-2k", exitUsage, "fanout-2k"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "report")
			cmd := exec.Command(script, out)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "BASE=base", "HEAD="+c.head, "BUILD=go build -o tiny .", "START="+c.start, "URL_PATH=/rooms/{room}",
				"READY=/healthz", "SCENARIOS="+c.scenario, "PAIRS=1", "FLAGS=--max-void=1 --seed=7 --noise="+t.TempDir())
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // its exit status is asked for below
			said, code := stdout.String()+stderr.String(), cmd.ProcessState.ExitCode()
			// On a busy machine a metric of one side may be void; the faults are not.
			unsure := c.code == exitFine && code == exitUntrusted && strings.Contains(said, "measured in 0 of 1 pairs")
			if !unsure && (code != c.code || !strings.Contains(said, c.says)) {
				t.Fatalf("exit status %d, want %d and %q\n%s", code, c.code, c.says, said)
			}
			if left := git(t, dir, "worktree", "list"); strings.Contains(left, "\n") {
				t.Errorf("worktrees are left behind:\n%s", left)
			}
			if c.code == exitFine || c.code == exitFault {
				checkReports(t, out, c.code)
			}
		})
	}
}

// checkReports looks at what a comparison of the tiny server left for CI.
func checkReports(t *testing.T, out string, code int) {
	t.Helper()
	var junit struct {
		Failures []struct{} `xml:"testsuite>testcase>failure"`
	}
	b, err := os.ReadFile(filepath.Join(out, "junit.xml"))
	if err == nil {
		err = xml.Unmarshal(b, &junit)
	}
	if err != nil || (len(junit.Failures) > 0) != (code == exitFault) {
		t.Errorf("%d failures in junit.xml (%v) with exit status %d", len(junit.Failures), err, code)
	}
	for _, name := range []string{"report.html", "comment.md"} {
		if b, err := os.ReadFile(filepath.Join(out, name)); err != nil || !bytes.Contains(b, []byte("base")) {
			t.Errorf("%s does not name the baseline (%v)", name, err)
		}
	}
	kept, err := filepath.Glob(filepath.Join(out, "results", "*", experiment.FileName))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v (%v), want one experiment", kept, err)
	}
	e, err := experiment.Read(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	again := reproduceComparison(e)
	if !strings.HasPrefix(again, "bench ab "+e.Baseline.Revision.Commit) ||
		!strings.Contains(again, "--build='go build -o tiny .' --path='/rooms/{room}' --ready='/healthz' ours.yaml --pairs=1") {
		t.Errorf("it is repeated by\n%s", again)
	}
	for _, p := range e.Scenarios[0].Pairs {
		r, err := result.Read(filepath.Join(filepath.Dir(kept[0]), p.Candidate.Directory, result.FileName))
		if err != nil {
			t.Fatal(err)
		}
		if r.Subject.Commit != e.Candidate.Revision.Commit || r.Subject.Command[0] != trial.ShellPath || reproduce(r) != "" {
			t.Errorf("the subject is %+v", r.Subject)
		}
		// Its processes were watched, whatever the shell made of them.
		if _, trusted, found := r.Metric("target.cpu_per_delivery_seconds"); !found || !trusted {
			t.Error("no CPU time per delivery")
		}
	}
}
