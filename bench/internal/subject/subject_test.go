package subject_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fanbench/bench/internal/revision"
	"fanbench/bench/internal/subject"
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

// A program that carries no commit is described by the repository around it.
func TestRepository(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "server")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	read := func() (commit, tree string, dirty bool) {
		t.Helper()
		s, err := subject.Read(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != "server" {
			t.Errorf("name %q", s.Name)
		}
		return s.Commit, s.Tree, s.Dirty
	}

	git(t, dir, "init", "-q")
	if commit, tree, dirty := read(); commit != "" || tree != "" || dirty {
		t.Errorf("without a commit: %q, %q, %v", commit, tree, dirty)
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-q", "-m", "first")
	head, headTree := git(t, dir, "rev-parse", "HEAD"), git(t, dir, "rev-parse", "HEAD^{tree}")
	if commit, tree, dirty := read(); commit != head || tree != headTree || dirty {
		t.Errorf("clean: %q, %q, %v; want %q, %q, false", commit, tree, dirty, head, headTree)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if commit, _, dirty := read(); commit != head || !dirty {
		t.Errorf("changed: %q, %v; want %q and dirty", commit, dirty, head)
	}
}

func TestMissing(t *testing.T) {
	if _, err := subject.Read(context.Background(), "/no/such/server"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want not-exist", err)
	}
}

// A program that lacks the library, or is no Go program, is not what a target
// says that it is. (What is found is tested with the real peers.)
func TestLibraryMissing(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		self:   "is built without github.com/lxzan/gws",
		script: "describe server: ",
	} {
		if got, err := subject.Library(path, "github.com/lxzan/gws"); got != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want %q", filepath.Base(path), got, err, want)
		}
	}
}

// Build tags make another server of the same commit, however it was built.
func TestLabel(t *testing.T) {
	program := filepath.Join(t.TempDir(), "server")
	source := program + ".go"
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-tags", "slower,louder", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	built, err := subject.Read(context.Background(), program)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		subject result.Subject
		want    string
	}{
		{result.Subject{Name: "server", Version: "(devel)", Commit: "aa"}, "server"},
		{result.Subject{Name: "gorilla", Version: "github.com/gorilla/websocket v1.5.3"}, "gorilla"},
		{revision.Revision{Ref: "main"}.Subject(""), "server"},
		{revision.Revision{Ref: "main"}.Subject("slower"), "server -tags slower"},
		{built, "server -tags slower,louder"},
		{result.Subject{}, "ws://10.0.0.1:9000"},
	} {
		if got := subject.Label(&result.Result{Subject: c.subject, URL: "ws://10.0.0.1:9000"}); got != c.want {
			t.Errorf("%+v: %q, want %q", c.subject, got, c.want)
		}
	}
}
