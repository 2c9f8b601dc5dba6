package main

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"fanbench/bench/internal/fixture"
	"fanbench/bench/internal/trial"
	"fanbench/bench/scenarios"
	"fanbench/loadgen/result"
)

// bin is where TestMain builds the three programs and the peers.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fanbench-")
	if err != nil {
		panic(err)
	}
	bin = dir
	for _, args := range [][]string{
		{"build", "-o", dir + "/", "../server", "../loadgen", "."},
		{"build", "-C", "peers", "-o", dir + "/peers", "."},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
			os.Exit(1)
		}
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// bench runs the program in this process.
func bench(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// The manual on top of main.go and the flags that exist are the same.
func TestManual(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var manual []string
	for _, m := range regexp.MustCompile(`(?m)^\t(--[a-z-]+)`).FindAllStringSubmatch(file.Doc.Text(), -1) {
		manual = append(manual, m[1])
	}
	model, err := kong.New(&commands{}, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	exist := []string{"--help", "--version"}
	for _, command := range model.Model.Children {
		if !strings.Contains(file.Doc.Text(), "bench "+command.Name) {
			t.Errorf("the manual lacks bench %s", command.Name)
		}
		for _, f := range command.Flags {
			exist = append(exist, "--"+f.Name)
		}
	}
	slices.Sort(manual)
	slices.Sort(exist)
	if !slices.Equal(manual, exist) {
		t.Errorf("the manual lists %v\nthe program has %v", manual, exist)
	}
	for _, name := range scenarios.Names() {
		if !strings.Contains(file.Doc.Text(), name) {
			t.Errorf("the manual lacks scenario %s", name)
		}
	}
}

// Wrong usage is one clear line and starts nothing.
func TestUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(file, []byte("question: Why?\nconections: 5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	programs := []string{"--server", bin + "/server", "--loadgen", bin + "/loadgen", "--peers", bin + "/peers"}
	results := filepath.Join(t.TempDir(), "results")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"rum"}, `unexpected argument rum, did you mean "run"?`},
		{[]string{"run", "--tyo"}, "unknown flag --tyo"},
		{[]string{"run", "--repeat", "0"}, "--repeat 0: use 1 or more"},
		{[]string{"run", "--retry=-1"}, "--retry -1: use 0 or more"},
		{[]string{"run", "--server", "/no/server"}, "--server /no/server: no such program"},
		{[]string{"run", "--server", os.TempDir()}, "not an executable file"},
		{append([]string{"run", "--targets", "server,nbio"}, programs...), "--targets nbio: no such target; use server, floor, gorilla, gws"},
		{append([]string{"run", "--targets", "gws,server,gws"}, programs...), "--targets gws: named twice"},
		{append([]string{"run", "--targets", "gws", "fanout-30k"}, programs...), "scenario fanout-30k is not for it: it wants 2 server processes, and gws is one"},
		{append([]string{"run", "--targets", "server,floor", "fanout-json-deflate"}, programs...), "it wants permessage-deflate, and floor does not compress"},
		{append([]string{"run", "--targets", "floor"}, append(programs[:4:4], "--peers", "/no/peers")...), "--peers /no/peers: no such program"},
		{append([]string{"run", "fanout-10"}, programs...), "did you mean fanout-1k?"},
		{append([]string{"run", "--results", results, "rooms", file}, programs...), "wrong.yaml:2:1"},
		{append([]string{"run", "--results", results, file}, programs...), "connections"},
		{append([]string{"run", "./missing.yaml"}, programs...), "no such file"},
		{[]string{"compare", "/no/result", "/no/result"}, "find result"},
		{[]string{"report", "--output", "x.html", "a", "b"}, "one file for 2 results"},
		{[]string{"doctor", "flod"}, "did you mean flood?"},
	} {
		code, stdout, stderr := bench(c.args...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "bench: ") || !strings.Contains(stderr, c.says) {
			t.Errorf("bench %s: exit %d\n%s%s\nwant exit 2, nothing on stdout and %q", strings.Join(c.args, " "), code, stdout, stderr, c.says)
		}
	}
	if _, err := os.Stat(results); !os.IsNotExist(err) {
		t.Errorf("wrong usage left results behind (%v)", err)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for arg, want := range map[string]string{"--help": "compare", "--version": version} {
		if code, stdout, _ := bench(arg); code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("bench %s: exit %d, %q", arg, code, stdout)
		}
	}
}

func TestWorse(t *testing.T) {
	for _, c := range []struct{ a, b, want int }{
		{0, 0, 0}, {0, 4, 4}, {4, 3, 3},
		{3, 1, 1},                                        // a loss is a finding; 3 says that an answer is missing
		{1, 3, 1}, {1, 2, 2}, {2, 130, 130}, {0, 139, 3}, // a crash is no answer
	} {
		if got := worse(c.a, c.b); got != c.want {
			t.Errorf("worse(%d, %d) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// Only what held up the generator is worth a second run: the server's faults
// are findings.
func TestVoided(t *testing.T) {
	judged := func(verdict string) *result.Result {
		return &result.Result{Verdict: result.Verdict{Verdict: verdict}}
	}
	for _, c := range []struct {
		out  trial.Outcome
		want bool
	}{
		{trial.Outcome{Exit: exitUntrusted, Result: judged("generator-limited")}, true},
		{trial.Outcome{Exit: exitUntrusted, Result: judged("invalid")}, false},
		{trial.Outcome{Exit: exitUntrusted}, false},
		{trial.Outcome{Exit: exitFault, Result: judged("generator-limited")}, false},
		{trial.Outcome{Exit: exitInterrupted, Result: judged("generator-limited")}, false},
		{trial.Outcome{Exit: exitFine, Result: judged("valid")}, false},
	} {
		if got := voided(c.out); got != c.want {
			t.Errorf("voided(exit %d, %+v) = %v", c.out.Exit, c.out.Result, got)
		}
	}
}

func kept(t *testing.T, r *result.Result) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), r.RunID)
	if err := result.Write(filepath.Join(dir, result.FileName), r); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCompare(t *testing.T) {
	a, b := kept(t, fixture.Fanout()), kept(t, fixture.Broken())
	code, stdout, stderr := bench("compare", a, filepath.Join(b, result.FileName))
	if code != 0 || stderr != "" || !strings.Contains(stdout, "B ÷ A") || !strings.Contains(stdout, "does not judge") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestReport(t *testing.T) {
	dir := kept(t, fixture.Fanout())
	page := filepath.Join(dir, "report.html")
	code, stdout, stderr := bench("report", dir)
	if code != 0 || stdout != page+"\n" || stderr != "" {
		t.Fatalf("exit %d, %q, %q; want the page's path", code, stdout, stderr)
	}
	html, err := os.ReadFile(page)
	if err != nil || !bytes.Contains(html, []byte("git checkout 5f2c9d7e1a3b")) {
		t.Errorf("the page lacks the commands that repeat the run (%v)", err)
	}
}

func TestDoctor(t *testing.T) {
	code, stdout, stderr := bench("doctor", "rooms")
	if code == exitUsage || stderr != "" || !strings.Contains(stdout, "descriptors") || !strings.Contains(stdout, "can run on this host") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestInvocation(t *testing.T) {
	for _, toy := range []bool{false, true} {
		for _, name := range scenarios.Names() {
			all, err := read([]string{name}, toy)
			if err != nil {
				t.Fatal(err)
			}
			want := name
			if toy {
				want += " --toy"
			}
			if got := invocation(name, all[0].scenario.Hash()); got != want {
				t.Errorf("%s is recognised as %q", want, got)
			}
		}
	}
	other := fixture.Fanout().Scenario
	if got := invocation(other.Name, other.Hash()); got != other.Name+".yaml" {
		t.Errorf("a scenario that is not in the catalogue is recognised as %q", got)
	}
}
