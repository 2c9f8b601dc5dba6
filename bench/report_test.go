package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fanbench/bench/internal/experiment"
	"fanbench/bench/internal/fixture"
	"fanbench/loadgen/result"
)

// keep stores a made-up comparison, with its trials, and a run of it.
func keep(t *testing.T) (comparison, run string) {
	t.Helper()
	comparison = t.TempDir()
	e, results := fixture.Comparison(1.15)
	if err := experiment.Write(comparison, e); err != nil {
		t.Fatal(err)
	}
	for directory, r := range results {
		file := filepath.Join(comparison, directory, result.FileName)
		if err := result.Write(file, r); err != nil {
			t.Fatal(err)
		}
		if r.Scenario.Name == "overload" {
			run = filepath.Dir(file)
		}
	}
	return comparison, run
}

func TestReportOfAComparison(t *testing.T) {
	dir, _ := keep(t)
	code, stdout, stderr := bench("report", dir)
	page := filepath.Join(dir, "report.html")
	if code != exitFine || strings.TrimSpace(stdout) != page || stderr != "" {
		t.Fatalf("exit status %d, %q, %q", code, stdout, stderr)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Percentiles of", "bin/bench ab 5f2c9d7e1a3b4c6d8e0f1a2b3c4d5e6f7a8b9c0d . fanout-10k.yaml overload.yaml --pairs=12 --affinity=none --seed=7", "faster-&lt;log&gt;"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if strings.Contains(string(html), "have no result beside") {
		t.Error("trials' results are there and were not found")
	}
}

func TestExport(t *testing.T) {
	comparison, run := keep(t)
	folder := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--format=text", comparison}, exitFine, "REGRESSION"},
		{[]string{"--format=markdown", comparison}, exitFine, "bench: regression"},
		{[]string{"--format=junit", comparison}, exitFine, "<testsuites>"},
		{[]string{"--format=csv", comparison}, exitFine, "scenario,pair,first,side,metric"},
		{[]string{"--format=gobench", comparison}, exitUsage, "give --output FOLDER"},
		{[]string{"--format=gobench", "--output=" + folder, comparison}, exitFine, ""},
		{[]string{"--format=hgrm", comparison}, exitUsage, "of a run, not of a comparison"},
		{[]string{"--format=text", run, run}, exitFine, "overload"},
		{[]string{"--format=markdown", run}, exitUsage, "of a comparison, not of runs"},
		{[]string{"--format=junit", run}, exitFine, "<testsuites>"},
		{[]string{"--format=csv", run}, exitFine, "scenario,run,verdict,metric"},
		{[]string{"--format=gobench", run, run}, exitFine, "BenchmarkRun/scenario="},
		{[]string{"--format=hgrm", "--histogram=sent-delivery", run}, exitFine, "TotalCount"},
		{[]string{"--format=hgrm", run, run}, exitUsage, "one run, not 2"},
		{[]string{"--format=hgrm", "--histogram=deliveries", run}, exitUsage, "--histogram deliveries: the run has none of that name; it has delivery, sent-delivery"},
		{[]string{"--format=csv", "--output=" + filepath.Join(folder, "no", "where"), run}, exitUntrusted, "no such file or directory"},
		{[]string{"--format=text", comparison, run}, exitUsage, "exported alone"},
		{[]string{"--format=text", filepath.Join(comparison, "nothing")}, exitUsage, "no such file"},
	} {
		code, stdout, stderr := bench(append([]string{"export"}, c.args...)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("export %v: exit status %d, %.200q %q; want %d with %q", c.args, code, stdout, stderr, c.code, c.says)
		}
	}
	for _, side := range []string{"baseline.txt", "candidate.txt"} {
		if _, err := os.Stat(filepath.Join(folder, side)); err != nil {
			t.Error(err)
		}
	}
}

// What is written takes the place of a file, and goes through anything else.
func TestToFile(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	for _, err := range []error{
		os.WriteFile(at("old"), []byte("old"), 0o644),
		os.Link(at("old"), at("old's content")), // stays what it is unless the file is emptied first
		os.WriteFile(at("linked"), []byte("a longer old"), 0o644),
		os.Symlink("linked", at("link")),
		unix.Mkfifo(at("pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	piped := make(chan string)
	go func() {
		b, err := os.ReadFile(at("pipe"))
		piped <- fmt.Sprint(string(b), err)
	}()
	for _, c := range []struct {
		path    string
		problem error  // of what makes the content
		err     string // "" for none
		holds   string // another name, "" for the path
		want    string
		mode    fs.FileMode // what the path is afterwards
	}{
		{at("new"), nil, "", "", "content", 0},
		{at("old"), errors.New("half of it"), "half of it", "", "old", 0},
		{at("old"), nil, "", "", "content", 0},
		{at("old"), nil, "", "old's content", "old", 0},
		{at("link"), nil, "", "linked", "content", fs.ModeSymlink},
		{at("nowhere/new"), nil, "write " + at("nowhere/new") + ": ", "new", "content", fs.ModeIrregular},
		{"/proc/new", nil, "write /proc/new: ", "new", "content", fs.ModeIrregular}, // not even root may
		{folder, nil, "write " + folder + ": ", "new", "content", fs.ModeDir},
	} {
		err := toFile(c.path, func(w io.Writer) error {
			_, err := io.WriteString(w, "content")
			return errors.Join(err, c.problem)
		})
		holds := c.path
		if c.holds != "" {
			holds = at(c.holds)
		}
		got, _ := os.ReadFile(holds)
		mode := fs.ModeIrregular // nothing
		if info, err := os.Lstat(c.path); err == nil {
			mode = info.Mode().Type()
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) || string(got) != c.want || mode != c.mode {
			t.Errorf("%+v: %v, %s holds %q, mode %v", c, err, holds, got, mode)
		}
	}
	if err := toFile(at("pipe"), func(w io.Writer) error { _, err := io.WriteString(w, "content"); return err }); err != nil {
		t.Error(err)
	}
	if got := <-piped; got != "content<nil>" {
		t.Errorf("through the pipe came %q", got)
	}
	if left, _ := filepath.Glob(at(".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Standard output is written through wherever it goes.
func TestExportToStdout(t *testing.T) {
	_, run := keep(t)
	link := filepath.Join(t.TempDir(), "stdout") // /dev stays out of a test's reach
	if err := os.Symlink("/dev/stdout", link); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(filepath.Dir(link), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var pipe bytes.Buffer
	for name, stdout := range map[string]io.Writer{"a pipe": &pipe, "a file": file} {
		cmd := exec.Command(filepath.Join(bin, "bench"), "export", "--format=csv", "--output="+link, run)
		cmd.Stdout = stdout
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	inFile, err := io.ReadAll(file)
	if err != nil || string(inFile) != pipe.String() || !strings.HasPrefix(pipe.String(), "scenario,run,verdict,metric") {
		t.Errorf("in a file %.100q (%v), through a pipe %.100q", inFile, err, pipe.String())
	}
}
