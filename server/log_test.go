package main

import (
	"errors"
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
