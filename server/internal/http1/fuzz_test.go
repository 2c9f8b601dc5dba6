package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What is accepted, net/http accepts too, and reads the same; and the outcome
// depends on the bytes, not on how they were split.
func FuzzRequestHead(f *testing.F) {
	for _, test := range handshakes {
		if len(test.sent) < 4096 {
			f.Add([]byte(test.sent), uint16(0))
			f.Add([]byte(test.sent), uint16(5))
		}
	}
	f.Fuzz(func(t *testing.T, sent []byte, step uint16) {
		reply, whole, after := answer([][]byte{sent})
		chunks := slices.Collect(slices.Chunk(sent, int(step)+1))
		_, split, rest := answer(chunks)
		if split != whole || !bytes.Equal(bytes.Join(rest, nil), bytes.Join(after, nil)) {
			t.Fatalf("%s in pieces of %d bytes, %s whole", split, int(step)+1, whole)
		}
		if whole != "waiting" {
			checkReply(t, string(sent), reply, whole)
		}
		checkAccepted(t, sent)
	})
}

func checkAccepted(t *testing.T, sent []byte) {
	var p Parser
	var r Request
	head, n, refusal := p.Next(bytes.Clone(sent))
	if head == nil || refusal != nil || r.Parse(head) != nil {
		return
	}
	theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent[:n])))
	if err != nil {
		t.Fatalf("net/http refuses what was accepted: %v", err)
	}
	if theirs.Method != r.Method || theirs.ContentLength > 0 || len(theirs.TransferEncoding) > 0 {
		t.Fatalf("method %q, by net/http %q with a body of %d", r.Method, theirs.Method, theirs.ContentLength)
	}
	if path := theirs.URL.Path; path != r.Path && (path != "" || r.Path != "/") {
		t.Fatalf("path %q, by net/http %q", r.Path, path)
	}
	for name, values := range theirs.Header {
		value, lines := r.Header(name)
		if lines != len(values) || value != strings.Trim(values[0], " \t") {
			t.Fatalf("%s: %q in %d lines, by net/http %q", name, value, lines, values)
		}
	}
}
