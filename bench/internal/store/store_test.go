package store_test

import (
	"os"
	"path/filepath"
	"regexp"
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
