package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuaranteesPage: each test that docs/guarantees.md names exists, and each guarantee names one.
func TestGuaranteesPage(t *testing.T) {
	page, err := os.ReadFile("../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	_, guarantees, _ := strings.Cut(string(page), "\n## ")
	for guarantee := range strings.SplitSeq(guarantees, "\n## ") {
		title, text, _ := strings.Cut(guarantee, "\n")
		named := testName.FindAllStringSubmatch(text, -1)
		if len(named) == 0 {
			t.Errorf("%s: no test is named", title)
		}
		for _, name := range named {
			if !declared(t, name[1], name[2]) {
				t.Errorf("%s: there is no %s in package %s", title, name[2], name[1])
			}
		}
	}
}

var testName = regexp.MustCompile("`(\\w+)\\.(Test\\w+)`")

func declared(t *testing.T, pkg, test string) bool {
	t.Helper()
	folder := "."
	if pkg != "main" {
		folder = filepath.Join("internal", pkg)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}
