//go:build faults

package faults

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/server/frame"
)

// opens answers a handshake (RFC 6455 §4.2.2) and sends more with it in one
// write, agrees to compression if that is said, and returns the code of the Close
// frame that comes; 0 if none does.
func opens(conn net.Conn, more []byte, compressed bool) (code ws.StatusCode) {
	reader := bufio.NewReader(conn)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return 0
	}
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if compressed {
		head += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	}
	if _, err := conn.Write(append([]byte(head+"\r\n"), more...)); err != nil {
		return 0
	}
	for {
		header, err := ws.ReadHeader(reader)
		if err != nil || !header.OpCode.IsControl() { // nothing else is to come
			return 0
		}
		payload := make([]byte, header.Length)
		if _, err := io.ReadFull(reader, payload); err != nil {
			return 0
		}
		ws.Cipher(payload, header.Mask, 0)
		if header.OpCode == ws.OpClose {
			code, _ = ws.ParseCloseFrameData(payload)
			_, _ = conn.Write(frame.AppendClose(nil, code, ""))
			return code
		}
	}
}

// Frames in one piece with the 101 answer are read and counted.
func TestFault36FramesGlued(t *testing.T) {
	const connections, frames = 20, 3
	glue := bytes.Repeat(frame.AppendFrame(nil, ws.OpText, []byte("welcome")), frames)
	target := listen(t, func(conn net.Conn) { opens(conn, glue, false) })
	r := load(t, "ws://"+target, twenty...).run(fine)
	if glued := metric(t, r, "glued_frames"); glued != connections*frames || r.Ledger.Unknown != connections*frames {
		t.Errorf("%v glued frames, %d unknown messages, want %d of both", glued, r.Ledger.Unknown, connections*frames)
	}
}

// The generator's test of itself, at toy size: what a target drops, doubles,
// swaps, corrupts and misroutes is what the ledger reports.
func TestFault37SelfTest(t *testing.T) {
	for _, k := range []string{"0", "1", "100"} {
		t.Run(k+" of each kind", func(t *testing.T) {
			out, err := exec.Command(program("loadgen"), "selftest", "--connections", "200", "--publishers", "16", "--faults", k).CombinedOutput()
			if err != nil {
				t.Fatalf("selftest: %v\n%s", err, out)
			}
			var kinds []string
			for _, row := range regexp.MustCompile(`(?m)^(\w+) +(\d+) +(\d+) +(-?\d+) `).FindAllStringSubmatch(string(out), -1) {
				kinds = append(kinds, row[1])
				for _, n := range row[2:] {
					if n != k {
						t.Errorf("%q, want %s everywhere", row[0], k)
					}
				}
			}
			if got := strings.Join(kinds, " "); got != "drop double swap corrupt misroute" {
				t.Errorf("rows of %q in\n%s", got, out)
			}
		})
	}
}

// A server that breaks the protocol: rows 24 to 28 and 57 of bad input, the other
// way round. Each connection is closed with the right code and counted by its
// reason, and nobody takes the memory that a frame only speaks of.
func TestFault38HostileServer(t *testing.T) {
	const connections = 50
	memory := func(c *exec.Cmd) int64 { // the most resident, of loadgen or of one of its workers
		return c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	}
	args := []string{"--workload", "connect", "--connections", strconv.Itoa(connections), "--duration", "10s", "--deflate"}
	calm := load(t, "ws://"+listen(t, func(conn net.Conn) { opens(conn, nil, true) }), append(args, "--duration", "200ms")...)
	calm.run(fine)
	most := memory(calm.cmd) + 64<<20

	for _, c := range []struct {
		row, name string
		bytes     []byte
		reason    string
		code      ws.StatusCode
	}{
		{"24", "masked frame", frame.AppendMasked(nil, ws.OpText, []byte("hello"), [4]byte{1, 2, 3, 4}), "masked", 1002},
		{"25", "RSV2", []byte{0xa1, 1, 'a'}, "rsv", 1002},
		{"26", "reserved opcode", []byte{0x83, 0}, "opcode", 1002},
		{"27", "64-bit length, top bit set", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, "length", 1002},
		{"28", "2^63-1 bytes declared", []byte{0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "too-large", 1009},
		{"28", "2^40 bytes declared", []byte{0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0}, "too-large", 1009},
		{"57", "64 KiB that inflate to 64 MiB", bomb(t, 64<<20), "inflates-too-large", 1009},
	} {
		t.Run(fmt.Sprintf("row %s, %s", c.row, c.name), func(t *testing.T) {
			var closed atomic.Int32
			g := load(t, "ws://"+listen(t, func(conn net.Conn) {
				if opens(conn, c.bytes, true) == c.code {
					closed.Add(1)
				}
			}), args...)
			r := g.run(noAnswer)
			failed(t, r, "protocol-"+c.reason, connections, fmt.Sprint(int(c.code)))
			within(t, patience, "all closed with the code", func() bool { return closed.Load() == connections })
			if resident := memory(g.cmd); resident > most {
				t.Errorf("%d bytes resident, want at most %d", resident, most)
			}
		})
	}
}

// bomb is one compressed message (RFC 7692 §7.2.1) of so many zero bytes.
func bomb(t *testing.T, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = io.CopyN(w, zeros{}, size)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	payload := bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
	f := frame.AppendFrame(nil, ws.OpBinary, payload)
	f[0] |= 0x40 // RSV1: compressed
	return f
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
