package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestReader(t *testing.T) {
	address := strings.TrimPrefix(launch(t, "floor"), "ws://")
	var out, problem bytes.Buffer
	status := run([]string{"reader", "--connect", address, "--connections", "20", "--rate", "50", "--duration", "200ms"}, &out, &problem, nil)
	if status != exitFine || !strings.HasPrefix(out.String(), "200 deliveries, ") {
		t.Errorf("exit status %d, %q, standard error %q; want 200 deliveries", status, out.String(), problem.String())
	}
}

func TestReaderRefuses(t *testing.T) {
	for _, c := range []struct {
		arguments string
		status    int
	}{
		{"--connections 0", exitUsage},
		{"--rate 0", exitUsage},
		{"--size 125", exitUsage},
		{"--duration 0s", exitUsage},
		{"--nonsense", exitUsage},
		{"more", exitUsage},
		{"--help", exitFine},
		{"--connect 127.0.0.1:1 --connections 1", exitNoServe},
	} {
		var out, problem bytes.Buffer
		if status := run(append([]string{"reader"}, strings.Fields(c.arguments)...), &out, &problem, nil); status != c.status || problem.Len() == 0 {
			t.Errorf("%s: exit status %d, standard error %q; want %d", c.arguments, status, problem.String(), c.status)
		}
	}
}
