package main

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
)

// disk takes so many bytes.
type disk struct {
	strings.Builder
	room int
}

func (d *disk) Write(b []byte) (int, error) {
	n := min(d.room, len(b))
	d.room -= n
	d.Builder.Write(b[:n])
	if n < len(b) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

// Lines that do not fit are counted, and the line after a cut one stands by itself.
func TestLogOnFullDisk(t *testing.T) {
	var lost atomic.Uint64
	d := disk{room: 9}
	f := logFile{to: &d, lost: &lost}
	for _, step := range []struct {
		line string
		room int // added before it
		lost uint64
		disk string
	}{
		{"first\n", 0, 0, "first\n"},
		{"second\n", 0, 1, "first\nsec"},
		{"third\n", 0, 2, "first\nsec"},
		{"fourth\n", 100, 2, "first\nsec\nfourth\n"},
		{"fifth\n", 0, 2, "first\nsec\nfourth\nfifth\n"},
	} {
		d.room += step.room
		_, _ = f.Write([]byte(step.line))
		if got := d.String(); got != step.disk || lost.Load() != step.lost {
			t.Errorf("after %q: %q on the disk and %d lost, want %q and %d", step.line, got, lost.Load(), step.disk, step.lost)
		}
	}
}

// A limit that leaves nothing for connections is said before they are refused.
func TestFewDescriptors(t *testing.T) {
	for soft, warned := range map[uint64]bool{64: true, 84: true, 85: false, 20_000: false} {
		var out strings.Builder
		logServing(slog.New(slog.NewTextHandler(&out, nil)), options{Workers: 1, Loops: 2}, "127.0.0.1:9002", descriptors{soft, soft})
		if strings.Contains(out.String(), "ulimit -n") != warned || !strings.Contains(out.String(), "msg=serving") {
			t.Errorf("%d descriptors: %q, want a warning: %v", soft, out.String(), warned)
		}
	}
}
