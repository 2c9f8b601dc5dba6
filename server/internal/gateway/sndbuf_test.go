//go:build linux

package gateway

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// A send buffer that the kernel does not grant is announced.
func TestSendBufferCut(t *testing.T) {
	const granted, never = 32 << 10, 1 << 30
	for asked, warned := range map[int]bool{0: false, granted: false, never: true} {
		var log bytes.Buffer
		start(t, Config{Loops: 1, SndBuf: asked, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		if got := strings.Contains(log.String(), "send buffers are smaller"); got != warned {
			t.Errorf("asked for %d bytes: log %q; want it said: %v", asked, log.String(), warned)
		}
	}
}
