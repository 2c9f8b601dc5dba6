// Package subject says which build of the server a run measured: commit, tree
// and whether the tree had uncommitted changes.
package subject

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fanbench/loadgen/result"
)

// Read describes the program at path. What was stamped into it by the Go build
// wins, since that is what runs; the repository around the program fills in
// what the build left out (the tree's hash always). Outside of any repository
// the fields stay empty.
func Read(ctx context.Context, path string) (result.Subject, error) {
	if _, err := os.Stat(path); err != nil {
		return result.Subject{}, fmt.Errorf("describe server: %w", err)
	}
	s := result.Subject{Name: filepath.Base(path)}
	if info, err := buildinfo.ReadFile(path); err == nil { // else it is not a Go program
		s.Version = info.Main.Version
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				s.Commit = setting.Value
			case "vcs.modified":
				s.Dirty = setting.Value == "true"
			case "-tags":
				s.Version += tagged + setting.Value
			}
		}
	}
	dir := filepath.Dir(path)
	if s.Commit == "" {
		s.Commit = git(ctx, dir, "rev-parse", "--verify", "HEAD")
		s.Dirty = s.Commit != "" && git(ctx, dir, "status", "--porcelain", "--untracked-files=no") != ""
	}
	if s.Commit != "" {
		s.Tree = git(ctx, dir, "rev-parse", "--verify", s.Commit+"^{tree}")
	}
	return s, nil
}

// tagged stands in a version before the build tags, if there are any.
const tagged = " -tags "

// Label names what a run measured, whatever its commit: the server with its
// build tags, or the URL if nothing else is known.
func Label(r *result.Result) string {
	label := cmp.Or(r.Subject.Name, r.URL)
	if _, tags, found := strings.Cut(r.Subject.Version, tagged); found {
		label += tagged + tags
	}
	return label
}

// Library returns the version of a module that is built into the program at
// path, as "module version".
func Library(path, module string) (string, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("describe server: %w", err)
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Path + " " + m.Version, nil
		}
	}
	return "", fmt.Errorf("describe server: %s is built without %s", path, module)
}

// git returns a command's output, or "" if it fails: without git or without a
// commit the answer is not known, which is no reason not to measure.
func git(ctx context.Context, dir string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
