package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fanbench/server/servertest"
)

func TestObjectivesDecideTheExitStatus(t *testing.T) {
	server := servertest.Start(t)
	pid, peer := startPeer(t)
	for _, c := range []struct {
		slo     string
		url     string
		more    []string
		status  int
		said    string // on standard error
		summary string
	}{
		{"lost == 0", server.URL, nil, exitFine, "", "SLO ok        lost == 0: 0\n"},
		{"delivered < 1", server.URL, nil, 1, "", "SLO breached  delivered < 1: "},
		{"recovery.p99 < 1s", server.URL, nil, exitNoAnswer, "", "SLO unknown   recovery.p99 < 1s: not observed"},
		{"target.rss_per_connection < 2KiB", server.URL, nil, exitUsage, "give --watch-pid or --vitals-url", ""},
		{"target.resident > 1KiB", peer, []string{"--watch-pid", strconv.Itoa(pid)}, exitFine, "", "SLO ok        target.resident_bytes > 1KiB: "},
		{"deliveries_per_second < 0 abort", server.URL, []string{"--duration", "1h"}, 1, "", "was broken"},
	} {
		t.Run(c.slo, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "asked.yaml")
			if err := os.WriteFile(file, []byte("question: Does it hold?\nversion: 1\nslo: [\""+c.slo+"\"]\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := command(t, append(brief(c.url, c.more...), "--out", filepath.Join(t.TempDir(), "out"), file)...)
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			_ = cmd.Run() // the status says it
			if status := cmd.ProcessState.ExitCode(); status != c.status || !strings.Contains(stderr.String(), c.said) || !strings.Contains(stdout.String(), c.summary) {
				t.Errorf("exit status %d, want %d; standard error %q; summary\n%s", status, c.status, stderr.String(), stdout.String())
			}
		})
	}
}
