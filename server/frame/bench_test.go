package frame

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// BenchmarkParse reads masked text messages out of one read's bytes: with the
// parser; with gobwas/ws's reader used at its best, reused and reading into a
// buffer that is there (wsutil); and with its usual call (ReadClientData, which
// checks UTF-8). The mask is zero so that unmasking in place leaves the input as
// it was; that costs the same.
func BenchmarkParse(b *testing.B) {
	for _, size := range []int{128, 4096} {
		payload := bytes.Repeat([]byte("a"), size)
		frame := AppendMasked(nil, ws.OpText, payload, [4]byte{})
		for _, check := range []bool{true, false} {
			b.Run(fmt.Sprintf("bytes=%d/utf8=%v/reader=parser", size, check), func(b *testing.B) {
				benchmarkParser(b, &Config{Role: Server, CheckUTF8: check}, frame, size)
			})
			b.Run(fmt.Sprintf("bytes=%d/utf8=%v/reader=wsutil", size, check), func(b *testing.B) {
				benchmarkWsutil(b, check, frame, size)
			})
		}
		b.Run(fmt.Sprintf("bytes=%d/utf8=true/reader=ReadClientData", size), func(b *testing.B) {
			benchmarkReadClientData(b, frame, size)
		})
	}
}

func benchmarkParser(b *testing.B, cfg *Config, frame []byte, size int) {
	b.ReportAllocs()
	b.SetBytes(int64(size))
	var p Parser
	for b.Loop() {
		m, _, ok, err := p.Next(cfg, frame)
		if !ok || err != nil || len(m.Payload) != size {
			b.Fatalf("%d bytes, ok %v, error %v", len(m.Payload), ok, err)
		}
	}
}

func benchmarkWsutil(b *testing.B, check bool, frame []byte, size int) {
	b.ReportAllocs()
	b.SetBytes(int64(size))
	source := bytes.NewReader(frame)
	reader := &wsutil.Reader{Source: source, State: ws.StateServerSide, CheckUTF8: check}
	into := make([]byte, size)
	for b.Loop() {
		source.Reset(frame)
		if _, err := reader.NextFrame(); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(reader, into); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkReadClientData(b *testing.B, frame []byte, size int) {
	b.ReportAllocs()
	b.SetBytes(int64(size))
	source := bytes.NewReader(frame)
	peer := struct {
		io.Reader
		io.Writer
	}{source, io.Discard}
	for b.Loop() {
		source.Reset(frame)
		if payload, _, err := wsutil.ReadClientData(peer); err != nil || len(payload) != size {
			b.Fatalf("%d bytes, error %v", len(payload), err)
		}
	}
}

// BenchmarkParseSplit reads messages whose payload is cut in two by the reads,
// which go through a pooled buffer.
func BenchmarkParseSplit(b *testing.B) {
	for _, size := range []int{128, 4096} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			cfg := &Config{Role: Server, CheckUTF8: true}
			frame := AppendMasked(nil, ws.OpText, bytes.Repeat([]byte("a"), size), [4]byte{})
			half := len(frame) / 2
			b.ReportAllocs()
			b.SetBytes(int64(size))
			var p Parser
			for b.Loop() {
				p.Next(cfg, frame[:half])
				if m, _, ok, err := p.Next(cfg, frame[half:]); !ok || err != nil || len(m.Payload) != size {
					b.Fatalf("%d bytes, ok %v, error %v", len(m.Payload), ok, err)
				}
			}
		})
	}
}
