package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fanbench/bench/internal/trial"
	"fanbench/loadgen/result"
)

// Every peer at toy size, through the real programs: the same counts as the
// reference server's.
func TestTargets(t *testing.T) {
	root := t.TempDir()
	names := []string{"fanout-1k", "rooms", "echo-1k", "connect-storm"}
	args := append([]string{"run", "--toy", "--seed", "7", "--results", root, "--targets", "gws,floor,gorilla"}, names...)
	cmd := exec.Command(filepath.Join(bin, "bench"), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bench %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	for _, name := range names {
		stored, err := filepath.Glob(filepath.Join(root, name, "*", result.FileName))
		if err != nil || len(stored) != 3 {
			t.Fatalf("%s: stored %v (%v), want three results", name, stored, err)
		}
		var subjects []string
		for _, file := range stored {
			r, err := result.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(name+" "+r.Subject.Name, func(t *testing.T) { checkCounts(t, r) })
			subjects = append(subjects, r.Subject.Name)
			if commands := reproduce(r); !strings.HasSuffix(commands, "bin/bench run "+name+" --toy --targets="+r.Subject.Name+" --seed=7") {
				t.Errorf("%s is repeated by\n%s", r.Subject.Name, commands)
			}
			if r.Subject.Name == "gws" && !strings.HasPrefix(r.Subject.Version, "github.com/lxzan/gws v1.") {
				t.Errorf("the version of gws is %q", r.Subject.Version)
			}
		}
		slices.Sort(subjects)
		if want := []string{"floor", "gorilla", "gws"}; !slices.Equal(subjects, want) {
			t.Errorf("%s: measured %v, want %v", name, subjects, want)
		}
		if !strings.Contains(string(out), "\n"+name+": ") && !strings.HasPrefix(string(out), name+": ") {
			t.Errorf("no table of %s in\n%s", name, out)
		}
	}
	if n := strings.Count(string(out), "÷ gws"); n != 2*len(names) {
		t.Errorf("%d rows of ratios, want %d\n%s", n, 2*len(names), out)
	}
}

// The order of the trials: rounds outside, every target as often in each place.
func TestJobs(t *testing.T) {
	all, err := read([]string{"rooms", "overload"}, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	c := &runCommand{Repeat: 3, Targets: []string{"server", "gws", "floor"}}
	for _, j := range c.jobs(all, make([]trial.Target, 3)) {
		got = append(got, fmt.Sprintf("%d %v", j.round, j))
	}
	want := []string{
		"0 rooms, server", "0 rooms, gws", "0 rooms, floor", "0 overload, server", "0 overload, gws", "0 overload, floor",
		"1 rooms, gws", "1 rooms, floor", "1 rooms, server", "1 overload, gws", "1 overload, floor", "1 overload, server",
		"2 rooms, floor", "2 rooms, server", "2 rooms, gws", "2 overload, floor", "2 overload, server", "2 overload, gws",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// The default scenarios are cut down to what is the same work for all targets.
func TestSuited(t *testing.T) {
	all, err := read(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target  trial.Target
		without []string
	}{
		{trial.Target{}, nil},
		{trial.Target{Name: "floor", Peer: "floor"}, []string{"fanout-30k"}},
	} {
		kept, refused := suited(all, []trial.Target{{}, c.target})
		var left []string
		for _, d := range all {
			if !slices.ContainsFunc(kept, func(k declared) bool { return k.scenario.Name == d.scenario.Name }) {
				left = append(left, d.scenario.Name)
			}
		}
		if !slices.Equal(left, c.without) || (refused != nil) != (len(c.without) > 0) {
			t.Errorf("%q leaves out %v (%v), want %v", c.target.Name, left, refused, c.without)
		}
	}
}
