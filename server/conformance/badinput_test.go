package conformance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBadInput is the table of bad input, by row number. Each input is sent whole, byte by byte and split at random to the real
// server, unless it is not a matter of bytes. Meanwhile witnesses in the same room and in another must receive everything, and
// afterwards the connection is gone and has been counted, once and under the right name.
func TestBadInput(t *testing.T) {
	inputs := map[string][]input{}
	for _, in := range slices.Concat(badRequests(), badFrames(), silences()) {
		inputs[in.server] = append(inputs[in.server], in)
	}
	for name, set := range inputs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, programs.usual, serverFlags[name]...)
			for i, in := range set {
				t.Run(fmt.Sprintf("row %02d %s", in.row, in.what), func(t *testing.T) { in.test(t, s, fmt.Sprintf("room-%d", i)) })
			}
		})
	}
}

// The servers that rows run on, by name.
const (
	byDefault   = "default"
	choosy      = "protocols and origins"
	compressing = "deflate"
	public      = "public profile"
	impatient   = "short timeouts"
)

var serverFlags = map[string][]string{
	byDefault:   {},
	choosy:      {"--subprotocol", "chat.v2,chat.v1", "--origin", "https://good.com,http://good.com:8080"},
	compressing: {"--deflate"},
	public:      {"--profile", "public"},
	impatient: {"--handshake-timeout", "400ms", "--message-timeout", "400ms", "--close-timeout", "400ms",
		"--ping-interval", "600ms"},
}

// witnessPace is the time between two publications of a witness, which the public profile would count as too many.
func witnessPace(server string) time.Duration {
	if server == public {
		return 200 * time.Millisecond
	}
	return 2 * time.Millisecond
}

// An input is one of a row's.
type input struct {
	row    int
	what   string
	server string
	once   bool // it is not a matter of bytes: no splits
	// run sends the input, cut so, and says how the server's answer was wrong. room is the name of the witnesses' room.
	run func(s *program, room string, cut Cut) error
	// counted is how the server accounts for it: the reasons in rejected_total, or other counters' names and reasons, each once; ""
	// for what must be accepted.
	counted string
	// heard is what the room hears of the row's connection.
	heard []string
}

var splits = map[string]Cut{"whole": Whole, "byte by byte": 1, "at random": AtRandom}

func (in input) test(t *testing.T, s *program, room string) {
	ways := splits
	if in.once {
		ways = map[string]Cut{"whole": Whole}
	}
	for name, cut := range ways {
		t.Run(name, func(t *testing.T) {
			open, _ := s.metrics(t)
			w := attend(t, s, room+fmt.Sprint(int(cut)), witnessPace(in.server))
			if err := in.run(s, w.room, cut); err != nil {
				t.Error(err)
			}
			want := map[string]int{}
			for _, reason := range strings.Fields(in.counted) {
				want[reason] = 1
			}
			if ended := s.settled(t, open+connectionsOfWitness, w.before); !maps.Equal(ended, want) {
				t.Errorf("counted %v, want %v", ended, want)
			}
			heard, err := w.leave()
			if err != nil {
				t.Errorf("witness: %v", err)
			}
			if !slices.Equal(heard, in.heard) {
				t.Errorf("the room heard %.200q, want %.200q", heard, in.heard)
			}
			w.close()
			s.settled(t, open, nil)
			count(&ran.splits)
		})
	}
	count(&ran.inputs)
	ran.Lock()
	ran.rows[in.row] = true
	ran.Unlock()
}

// slow is a cut into two bytes each, with pauses in between.
const slow Cut = 2

// An answer is what a request must get.
type answer struct {
	status int
	header map[string]string // lines that must be there once; with the value "", not at all
}

// exchange sends a request, with whatever follows it, and judges the answer: complete, and the end of the connection, or an
// upgrade after which messages come back. after is a message in the request's bytes that must come back first.
func (a answer) exchange(s *program, request string, cut Cut, end bool, after string) error {
	conn, err := net.Dial("tcp", s.listen)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	sent, answered := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		for _, part := range split([]byte(request), cut, newRandom(request)) {
			if _, err := conn.Write(part); err != nil {
				return // the server may have ended already; what it said counts
			}
			if cut != slow {
				continue
			}
			select {
			case <-answered:
				return
			case <-time.After(dripPause):
			}
		}
		if end {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	defer func() { <-sent }()
	from := bufio.NewReader(conn)
	if a.status == 0 {
		return wantEnd(from)
	}
	method, _, _ := bytes.Cut([]byte(request), []byte(" "))
	response, err := http.ReadResponse(from, &http.Request{Method: string(method)})
	close(answered)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if err := a.judge(response); err != nil {
		return err
	}
	if a.status == http.StatusSwitchingProtocols {
		if err := CheckSwitching(response, sampleKey); err != nil {
			return err
		}
		<-sent
		link := &Link{Conn: conn, role: Client, from: from, Foreign: foreign}
		hello := text("hello")
		c := orderly("after 101", "", ByFrame, steps(hello), said(hello))
		if after != "" {
			c = orderly("after 101", "", ByFrame, steps(hello), said(text(after), hello))
		}
		return link.Play(c)
	}
	return wantEnd(from)
}

// judge judges the answer's head and reads its body.
func (a answer) judge(response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	if response.StatusCode != a.status {
		return fmt.Errorf("%s %q, want %d", response.Status, body, a.status)
	}
	if refused := a.status != http.StatusSwitchingProtocols; refused && (!response.Close || response.ContentLength < 0) {
		return fmt.Errorf("%s without Connection: close and a length: %v", response.Status, response.Header)
	}
	for name, want := range a.header {
		got := response.Header.Values(name)
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0] != want) {
			return fmt.Errorf("%s with %s: %q, want %q", response.Status, name, got, want)
		}
	}
	return nil
}

// wantEnd wants nothing more, and the end in order.
func wantEnd(from *bufio.Reader) error {
	if rest, err := io.ReadAll(from); err != nil || len(rest) > 0 {
		return fmt.Errorf("after the answer %.100q, %v; want the end", rest, err)
	}
	return nil
}

// conversation is an input of frames: a case that is played on a connection in the room, or at the path.
func conversation(row int, server, path string, c Case, counted string, heard ...string) input {
	_, what, _ := strings.Cut(c.ID+", "+c.What, " ") // less the number
	return input{
		row: row, what: what, server: server, counted: counted, heard: heard,
		run: func(s *program, room string, cut Cut) error {
			at := path
			if at == "" {
				at = "/rooms/" + room
			}
			link, err := Dial(s.listen, at, c.Terms)
			if err != nil {
				return err
			}
			link.Foreign = foreign
			c.Cut = cut
			return link.Play(c)
		},
	}
}
