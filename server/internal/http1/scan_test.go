package http1

import (
	"strings"
	"testing"
)

// Every fault is told at the first byte that makes it certain.
func TestEarliestByte(t *testing.T) {
	tests := []struct {
		reason string
		sent   string
	}{
		{"request-line", "\x16"},
		{"request-line", strings.Repeat("A", maxMethod+1)},
		{"target", "GET /\x01"},
		{"target-size", "GET " + strings.Repeat("/", MaxTarget+1)},
		{"line-end", "GET / HTTP/1.1\n"},
		{"line-end", "GET / HTTP/1.1\rX"},
		{"folded-line", "GET / HTTP/1.1\r\n "},
		{"header-name", "GET / HTTP/1.1\r\nHost "},
		{"header-value", "GET / HTTP/1.1\r\nHost: \x00"},
		{"white-space", "GET / HTTP/1.1\r\nHost:" + strings.Repeat(" ", maxSpace+1)},
		{"line-size", "GET / HTTP/1.1\r\n" + strings.Repeat("n", MaxLine+1)},
		{"header-count", "GET / HTTP/1.1\r\n" + strings.Repeat("a: b\r\n", MaxHeaders) + "a"},
		{"head-size", "GET / HTTP/1.1\r\n" + long(MaxLine) + strings.Repeat("n", MaxHead-MaxLine-2-16+1)},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			var p Parser
			last := len(test.sent) - 1
			if head, n, refusal := p.Next([]byte(test.sent[:last])); head != nil || n != last || refusal != nil {
				t.Fatalf("before the last byte: %d of %d bytes, refusal %v", n, last, refusal)
			}
			if p.Mid() != (last > 0) {
				t.Errorf("after %d bytes of a head: mid %v", last, p.Mid())
			}
			_, _, refusal := p.Next([]byte(test.sent[last:]))
			if refusal == nil || refusal.Reason != test.reason {
				t.Fatalf("refusal %v, want %s", refusal, test.reason)
			}
			if head, n, again := p.Next([]byte("GET / HTTP/1.1\r\n\r\n")); head != nil || n != 0 || again != refusal {
				t.Error("a refused parser reads on")
			}
		})
	}
}

// A connection that is kept brings one request after another.
func TestRequestsInARow(t *testing.T) {
	sent := "GET /a HTTP/1.1\r\nHost: h\r\n\r\n" + "GET /b HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n"
	for way, chunks := range splits(sent) {
		var p Parser
		var r Request
		var got []string
		for _, chunk := range chunks {
			for len(chunk) > 0 {
				head, n, refusal := p.Next(chunk)
				if refusal != nil {
					t.Fatalf("%s: refused: %s", way, refusal.Reason)
				}
				chunk = chunk[n:]
				if head == nil {
					continue
				}
				if refusal := r.Parse(head); refusal != nil {
					t.Fatalf("%s: refused: %s", way, refusal.Reason)
				}
				got = append(got, r.Path)
				if want := r.Path == "/a"; r.KeepAlive() != want {
					t.Errorf("%s: %s keeps the connection: %v, want %v", way, r.Path, !want, want)
				}
			}
		}
		if strings.Join(got, " ") != "/a /b" || p.Mid() {
			t.Errorf("%s: requests for %q, mid %v", way, got, p.Mid())
		}
	}
}

func TestWholeHeadIsNotCopied(t *testing.T) {
	b := []byte(with())
	var p Parser
	head, _, _ := p.Next(b)
	if &head[0] != &b[0] || p.held != nil {
		t.Error("a head whole in its read was copied")
	}
}

// Skimming is only faster: byte by byte, a scanner comes to the same.
func TestSkim(t *testing.T) {
	for _, test := range handshakes {
		var skimming, stepping scanner
		n, done, refusal := skimming.scan([]byte(test.sent))
		for i := range n {
			if early := stepping.step(test.sent[i]); early != nil {
				t.Fatalf("%s: %s at byte %d, when skimming not before %d", test.row, early.Reason, i, n)
			}
		}
		if refusal != nil {
			if same := stepping.step(test.sent[n]); same != refusal {
				t.Fatalf("%s: byte %d: %v, when skimming %v", test.row, n, same, refusal)
			}
			continue
		}
		if stepping != skimming || done != (stepping.state == scanned) {
			t.Errorf("%s: %+v, when skimming %+v", test.row, stepping, skimming)
		}
	}
}
