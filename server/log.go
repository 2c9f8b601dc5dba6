package main

import (
	"io"
	"log/slog"
	"sync/atomic"
)

// lostLines are this process's lines of the log that could not be written, because the disk is full, say: the server goes on.
var lostLines atomic.Uint64

func newLog(to io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(&logFile{to: to, lost: &lostLines}, &slog.HandlerOptions{Level: level}))
}

// logFile is where a log's handler writes, a line at a time. It counts the lines that do not arrive whole.
type logFile struct {
	to   io.Writer
	lost *atomic.Uint64
	cut  bool // part of a line was written: the next one begins a line of its own
}

// Write implements [io.Writer].
func (f *logFile) Write(line []byte) (int, error) {
	b := line
	if f.cut {
		b = append([]byte{'\n'}, line...)
	}
	n, err := f.to.Write(b)
	if n > 0 {
		f.cut = n < len(b)
	}
	if err != nil {
		f.lost.Add(1)
		return 0, err
	}
	return len(line), nil
}
