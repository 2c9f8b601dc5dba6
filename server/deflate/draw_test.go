package deflate

import (
	"bytes"
	stdflate "compress/flate"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// bytesOf reads bytes in hexadecimal, with spaces between them.
func bytesOf(t testing.TB, drawn string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(drawn, " ", ""))
	if err != nil {
		t.Fatalf("drawn bytes %q: %v", drawn, err)
	}
	return raw
}

// bitsOf reads bits in the order of the stream, filled up with zeros to whole
// bytes at each | and at the end, so that numbers stand with their least
// significant bit first and codes with their most significant one (RFC 1951
// §3.1.1).
//
//	0     10     10010001 0000000
//	final fixed  'a'      end of block
func bitsOf(t testing.TB, drawn string) []byte {
	t.Helper()
	var raw []byte
	for part := range strings.SplitSeq(strings.ReplaceAll(drawn, " ", ""), "|") {
		bytes := make([]byte, (len(part)+7)/8)
		for i, bit := range part {
			switch bit {
			case '1':
				bytes[i/8] |= 1 << (i % 8)
			case '0':
			default:
				t.Fatalf("drawn bits %q: %q", drawn, bit)
			}
		}
		raw = append(raw, bytes...)
	}
	return raw
}

var sampleSizes = []int{0, 1, 2, 31, 32, 33, 64, 125, 126, 127, 128, 300, 1 << 10, 10_000, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1 << 20}

var sampleKinds = map[string]func(size int) []byte{
	"zeros":  func(size int) []byte { return make([]byte, size) },
	"random": randomBytes,
	"text":   textBytes,
	// genome has something to refer to at every distance.
	"genome": func(size int) []byte {
		out := randomBytes(size)
		for i, b := range out {
			out[i] = "acgt"[b&3]
		}
		return out
	},
}

func randomBytes(size int) []byte {
	var seed [32]byte
	out := make([]byte, size)
	rand.NewChaCha8(seed).Read(out)
	return out
}

func textBytes(size int) []byte {
	draw := rand.New(rand.NewPCG(1, 2))
	var out bytes.Buffer
	for out.Len() < size {
		fmt.Fprintf(&out, `{"id":%d,"room":"r%d","text":"publication number %d","price":%d.%02d},`,
			out.Len(), draw.IntN(100), draw.IntN(1e6), draw.IntN(1000), draw.IntN(100))
	}
	return out.Bytes()[:size]
}

// inflateIndependently reads a compressed payload with the standard library.
// The payload ends where a stored block's lengths should follow; it is read
// twice, with the lengths of an empty block and with those of a block of one
// byte, to see that it is those that the reader takes for lengths.
func inflateIndependently(payload []byte) ([]byte, error) {
	const end = "\x01\x00\x00\xff\xff"
	message, err := inflateStream(append(append(bytes.Clone(payload), tail...), end...))
	if err != nil {
		return nil, err
	}
	longer, err := inflateStream(append(append(bytes.Clone(payload), "\x01\x00\xfe\xffZ"...), end...))
	if err != nil {
		return nil, err
	}
	if string(longer) != string(message)+"Z" {
		return nil, io.ErrUnexpectedEOF
	}
	return message, nil
}

// inflateStream reads blocks to the end of the stream, past as many final ones
// as are allowed, after each of which there is one more or nothing.
func inflateStream(stream []byte) ([]byte, error) {
	in := bytes.NewReader(stream)
	reader := stdflate.NewReader(in)
	var out bytes.Buffer
	for range maxFinalBlocks + 1 {
		if _, err := io.Copy(&out, reader); err != nil {
			return nil, err
		}
		if in.Len() == 0 {
			return out.Bytes(), nil
		}
		window := out.Bytes()[max(0, out.Len()-1<<MaxWindowBits):]
		if err := reader.(stdflate.Resetter).Reset(in, bytes.Clone(window)); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("too many final blocks")
}

// compressIndependently finds all that there is to refer to in 32 KiB.
func compressIndependently(t testing.TB, message []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	writer, err := stdflate.NewWriter(&out, stdflate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := writer.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte(tail))
}

// compressInFinalBlocks makes each part of a message end in a final block, and
// lets it refer to the parts before.
func compressInFinalBlocks(t testing.TB, message []byte, part int) []byte {
	t.Helper()
	var out bytes.Buffer
	for start := 0; start < len(message); start += part {
		window := message[max(0, start-1<<MaxWindowBits):start]
		writer, err := stdflate.NewWriterDict(&out, stdflate.BestCompression, window)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write(message[start:min(start+part, len(message))]); err != nil {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return append(out.Bytes(), 0)
}
