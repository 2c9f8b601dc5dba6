package conformance

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// silences are rows 16, 17, 32, 39 and 56: what does not come, or too slowly.
func silences() (all []input) {
	for what, head := range map[string]string{"in the request line": "GET /roo", "after a header": "GET / HTTP/1.1\r\nHost: x\r\n"} {
		all = append(all, input{row: 17, what: "the end " + what, server: byDefault, counted: "truncated",
			run: func(s *program, _ string, cut Cut) error { return answer{}.exchange(s, head, cut, true, "") }})
	}
	slowly := func(row int, what, counted string, run func(s *program, room string, cut Cut) error) {
		all = append(all, input{row: row, what: what, server: impatient, once: true, counted: counted, run: run})
	}
	timeout := answer{status: 408}
	slowly(16, "nothing at all", "handshake-timeout", func(s *program, _ string, cut Cut) error {
		return timeout.exchange(s, "", cut, false, "")
	})
	slowly(16, "half a request", "handshake-timeout", func(s *program, _ string, cut Cut) error {
		return timeout.exchange(s, good()[:40], cut, false, "")
	})
	slowly(16, "a request byte by byte, slowly", "handshake-timeout", func(s *program, _ string, _ Cut) error {
		return timeout.exchange(s, good(), slow, false, "")
	})
	played := func(row int, what, counted string, code int, sends ...Step) {
		slowly(row, what, counted, func(s *program, room string, _ Cut) error {
			link, err := Dial(s.listen, "/rooms/"+room, nil)
			if err != nil {
				return err
			}
			link.Foreign = foreign
			return link.Play(Case{ID: fmt.Sprint(row), Sends: sends, Code: code})
		})
	}
	masked := Frame{Op: opText, Payload: content(opText, 100)}.append(nil, Client, newRandom("32"))
	played(32, "a payload byte by byte, slowly", "message-timeout", 1008, Drip(masked))
	played(32, "half a header", "message-timeout", 1008, Bytes(masked[:1]))
	played(32, "a fragment, and no end", "message-timeout", 1008, begin("fragment 1, "))
	played(32, "a fragment, and then pongs only", "message-timeout", 1008, begin("fragment 1, "), Drip(strings.Repeat("\x8a\x80\x00\x00\x00\x00", 20)))
	played(39, "no pong for two intervals", "silent", NoClose)
	slowly(56, "the peer does not end the connection that failed", "opcode connections_given_up/timeout", unended)
	return all
}

// unended has the server fail the connection, reads its end and leaves the own half open, until nobody is there to hear.
func unended(s *program, room string, _ Cut) error {
	link, err := Dial(s.listen, "/rooms/"+room, nil)
	if err != nil {
		return err
	}
	defer link.Close()
	link.Foreign, link.Lingers = foreign, true
	if err := link.Play(Case{ID: "56", Sends: steps(Frame{Op: 3}), Code: 1002}); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(dripPause) {
		if _, err := link.Write([]byte{0}); err != nil {
			return nil
		}
	}
	return fmt.Errorf("the server keeps a connection whose peer does not end it")
}

// Rows 55 and 56, where the server begins the closing handshake: peers that go on must not be heard any more, and those that never
// answer must not keep the server from ending.
func TestPeersOfADrainingServer(t *testing.T) {
	s := serve(t, programs.usual, "--close-timeout", "400ms", "--drain", "60s")
	cases := []Case{
		{ID: "55 answered late", Sends: []Step{After(1), text("late"), ping("late"), closing(1001, "")}, Code: 1001},
		{ID: "55 not answered", Sends: []Step{After(1), text("late"), ping("late")}, Code: 1001},
		{ID: "56", Code: 1001},
	}
	var links []*Link
	for range cases {
		link, err := Dial(s.listen, "/echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		links = append(links, link)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for i, link := range links {
		link.Lingers = true
		if err := link.Play(cases[i]); err != nil {
			t.Errorf("%s: %v", cases[i].ID, err)
		}
		count(&ran.inputs)
		count(&ran.splits)
	}
	<-s.ended
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d, want 0", code)
	}
}
