package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fanbench/bench/internal/store"
)

var now = time.Date(2026, 11, 21, 23, 56, 3, 0, time.FixedZone("CET", 3600))

func TestCreate(t *testing.T) {
	root := t.TempDir()
	for commit, want := range map[string]string{
		"0123456789abcdef0123": `^20261121T225603Z-0123456789ab-[0-9a-f]{8}$`,
		"":                     `^20261121T225603Z-unversioned-[0-9a-f]{8}$`,
		"abc":                  `^20261121T225603Z-abc-[0-9a-f]{8}$`,
	} {
		dir, err := store.Create(root, "rooms", commit, now)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(dir) != filepath.Join(root, "rooms") || !regexp.MustCompile(want).MatchString(filepath.Base(dir)) {
			t.Errorf("commit %q: %s, want %s below rooms", commit, dir, want)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("%s holds %v (%v), want an empty directory", dir, entries, err)
		}
	}
}

func TestLocate(t *testing.T) {
	root := t.TempDir()
	older, _ := store.Create(root, "rooms", "a", now)
	newer, _ := store.Create(root, "rooms", "b", now.Add(time.Hour))
	for _, dir := range []string{older, newer} {
		if err := os.WriteFile(filepath.Join(dir, "result.json"), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	empty := t.TempDir()
	file := filepath.Join(older, "result.json")
	for _, c := range []struct{ path, want, err string }{
		{path: file, want: file},
		{path: older, want: file},
		{path: older + "/", want: file},
		{path: filepath.Join(root, "rooms"), err: "holds 2 runs; name one, the newest is " + newer},
		{path: empty, err: "no result.json in " + empty},
		{path: filepath.Join(root, "nothing"), err: "no such file"},
	} {
		got, err := store.Locate(c.path)
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("Locate(%s) = %s, %v; want %s, error %q", c.path, got, err, c.want, c.err)
		}
	}
}

func TestAll(t *testing.T) {
	root := t.TempDir()
	var want []string
	for i, name := range []string{"rooms", "echo-1k", "rooms"} {
		dir, err := store.Create(root, name, "a", now.Add(time.Duration(i)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, filepath.Join(dir, "result.json"))
		if err := os.WriteFile(want[i], []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][]string{root: want, filepath.Dir(want[1]): want[1:2], want[2]: want[2:], filepath.Join(root, "rooms"): {want[0], want[2]}} {
		if got, err := store.All(path); err != nil || !slices.Equal(got, want) {
			t.Errorf("All(%s) = %v, %v; want %v", path, got, err, want)
		}
	}
	for _, path := range []string{t.TempDir(), filepath.Join(root, "nothing")} {
		if got, err := store.All(path); err == nil {
			t.Errorf("All(%s) = %v, want an error", path, got)
		}
	}
}
