package conformance

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
)

// The player finds each fault of the other end. The case is one message that must come back, and the closing handshake.
func TestPlayFindsFaults(t *testing.T) {
	hello := text("hello")
	normal := closing(1000, "")
	wide := Frame{Op: opText, Payload: []byte("hello"), Width: 2}
	long := ping(strings.Repeat("x", 126))
	for name, test := range map[string]struct {
		role  Role
		terms *Terms
		says  []Frame // the judged end, whatever it is told
		ends  func(*net.TCPConn)
		want  string // in the error; "" is none
	}{
		"server without fault":      {says: []Frame{hello, normal}},
		"server that pings":         {says: []Frame{ping(""), hello, ping("x"), normal}},
		"server that fragments":     {says: []Frame{begin("he"), ping(""), last("llo"), normal}},
		"other message":             {says: []Frame{text("hellO"), normal}, want: `"hellO"`},
		"other opcode":              {says: []Frame{binaryOf("hello"), normal}, want: "message 1 of 1 is 2"},
		"no message":                {says: []Frame{normal}, want: "message 1 of 1 is 8"},
		"message twice":             {says: []Frame{hello, hello, normal}, want: "want close 1000"},
		"pong that nobody wants":    {says: []Frame{hello, pong(""), normal}, want: "want close 1000"},
		"no close frame":            {says: []Frame{hello}, want: "EOF"},
		"other code":                {says: []Frame{hello, closing(1002, "")}, want: "want close 1000"},
		"no code":                   {says: []Frame{hello, closing(NoCode, "")}, want: "want close 1000"},
		"code that must not be":     {says: []Frame{hello, closingWith(1006)}, want: "code 1006"},
		"half a code":               {says: []Frame{hello, {Op: opClose, Payload: []byte{3}}}, want: "half a code"},
		"reason not UTF-8":          {says: []Frame{hello, closing(1000, "\xff")}, want: "not UTF-8"},
		"message after close":       {says: []Frame{hello, normal, hello}, want: "want the end"},
		"close twice":               {says: []Frame{hello, normal, normal}, want: "want the end"},
		"reset after close":         {says: []Frame{hello, normal}, ends: reset, want: "reset"},
		"masked by the server":      {says: []Frame{mismasked(hello)}, want: "masked: true"},
		"reserved bit":              {says: []Frame{reserved(4, hello)}, want: "reserved bits 100"},
		"reserved bit on a pong":    {says: []Frame{reserved(4, pong(""))}, terms: new(Terms), want: "reserved bits 100"},
		"reserved opcode":           {says: []Frame{{Op: 3}}, want: "opcode 3"},
		"length not the shortest":   {says: []Frame{wide}, want: "length 5 in 2 bytes"},
		"ping too long":             {says: []Frame{long}, want: "126 bytes"},
		"ping in fragments":         {says: []Frame{{Op: opPing, More: true}}, want: "final: false"},
		"fragment of nothing":       {says: []Frame{last("hello")}, want: "within a message: false"},
		"message within a message":  {says: []Frame{begin("he"), hello}, want: "within a message: true"},
		"end within a message":      {says: []Frame{begin("he")}, want: "unexpected EOF"},
		"message not UTF-8":         {says: []Frame{text("\xff")}, want: "not UTF-8"},
		"corrupt compression":       {says: []Frame{reserved(4, text("\x06"))}, terms: new(Terms), want: "inflate"},
		"client without fault":      {role: Server, says: []Frame{hello, normal}, ends: waits},
		"client that ends first":    {role: Server, says: []Frame{hello, normal}, want: "before the server's end"},
		"unmasked by the client":    {role: Server, says: []Frame{mismasked(hello)}, want: "masked: false"},
		"client that goes on":       {role: Server, says: []Frame{hello, normal, hello}, ends: waits, want: "before the server's end"},
		"client that ends by reset": {role: Server, says: []Frame{hello, normal}, ends: func(c *net.TCPConn) { waits(c); reset(c) }, want: "reset"},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := tcpPair(t)
			other := Client
			if test.role == Client {
				other = Server
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				var said []byte
				for i, f := range test.says {
					said = f.append(said, other, newRandom(name))
					if other == Client && i == 0 { // its close frame is an answer
						_, _ = theirs.Write(said)
						said = nil
						awaitClose(theirs)
					}
				}
				_, _ = theirs.Write(said)
				if test.ends != nil {
					test.ends(theirs)
				}
				_ = theirs.CloseWrite()
				_, _ = io.Copy(io.Discard, theirs)
			}()
			link := newClient(ours)
			link.role, link.Terms = test.role, test.terms
			err := link.Play(orderly(name, "", ByFrame, steps(hello), said(hello)))
			<-ended
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// awaitClose reads up to the player's close frame.
func awaitClose(c *net.TCPConn) {
	var heard []byte
	for part := make([]byte, 64); !bytes.HasSuffix(heard, []byte("\x88\x02\x03\xe8")); {
		n, err := c.Read(part)
		if err != nil {
			return
		}
		heard = append(heard, part[:n]...)
	}
}

// waits reads the server's end, as a client must.
func waits(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

// reset ends a connection without order, once the other end has begun to speak.
func reset(c *net.TCPConn) {
	_, _ = c.Read(make([]byte, 1))
	_ = c.SetLinger(0)
	_ = c.Close()
}

func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dialed.Close()
		accepted.Close()
	})
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

func TestTerms(t *testing.T) {
	for _, test := range []struct {
		offer, answer string
		accepted      bool
	}{
		{"", "", true},
		{"; client_max_window_bits", "; client_max_window_bits=9", true},
		{"; client_max_window_bits=10", "; client_max_window_bits=9; client_no_context_takeover", true},
		{"; server_max_window_bits=12", "; server_max_window_bits=9; server_no_context_takeover", true},
		{"; client_max_window_bits=10", "; client_max_window_bits=11", false},
		{"; server_max_window_bits=9", "; server_max_window_bits=10", false},
		{"; server_max_window_bits=9", "", false},
		{"; server_no_context_takeover", "", false},
		{"", "; client_max_window_bits=9", false},
		{"", "; client_max_window_bits", false},
		{"", "; server_no_context_takeover; server_no_context_takeover", false},
		{"", "; server_max_window_bits=16", false},
		{"", "; unknown", false},
	} {
		offer, err := parseTerms(extension + test.offer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := offer.accept(extension + test.answer); (err == nil) != test.accepted {
			t.Errorf("offer %q, answer %q: %v, accepted should be %t", test.offer, test.answer, err, test.accepted)
		}
	}
}

// The table is complete: no section has fewer cases than those that the suite is known by, and no two cases have the same name.
func TestTableIsComplete(t *testing.T) {
	sizes := map[string]int{}
	seen := map[string]bool{}
	for _, c := range append(Cases(), Compressed()...) {
		section, _, _ := strings.Cut(c.ID, ".")
		sizes[section]++
		if seen[c.ID] {
			t.Errorf("two cases %s", c.ID)
		}
		seen[c.ID] = true
	}
	for section, least := range map[string]int{"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126} {
		if sizes[section] < least {
			t.Errorf("section %s has %d cases, want %d at least", section, sizes[section], least)
		}
	}
}

// Each row from 1 to 60 has an input, but for what needs TLS or authentication.
func TestEveryRowHasInput(t *testing.T) {
	rows := map[int]bool{37: true} // TestMemory
	for _, set := range [][]input{badRequests(), badFrames(), silences()} {
		for _, in := range set {
			rows[in.row] = true
		}
	}
	for row := 1; row <= 60; row++ {
		if !rows[row] {
			t.Errorf("row %d has no input", row)
		}
	}
}
