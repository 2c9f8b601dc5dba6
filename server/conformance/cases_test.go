package conformance

import (
	"context"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gorilla/websocket"
)

// The sections are played by raw sockets against the server's echo, with the largest messages that the suite knows.
var caseFlags = []string{"--max-message", "16MiB", "--deflate"}

func TestCases(t *testing.T) {
	s := serve(t, programs.usual, caseFlags...)
	sections := map[string][]Case{}
	for _, c := range append(Cases(), Compressed()...) {
		section, _, _ := strings.Cut(c.ID, ".")
		sections[section] = append(sections[section], c)
	}
	for section, cases := range sections {
		t.Run(section, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases {
				t.Run(c.ID, func(t *testing.T) { playCase(t, s, c) })
			}
		})
	}
	t.Cleanup(func() { s.settled(t, 0, nil) })
}

func playCase(t *testing.T, s *program, c Case) {
	link, err := Dial(s.listen, "/echo", c.Terms)
	if err == nil {
		err = link.Play(c)
	}
	if err != nil {
		t.Errorf("%s: %v", c.What, err)
	}
	if c.Terms == nil {
		count(&ran.cases)
	} else {
		count(&ran.compressed)
	}
}

// What a good client can send is sent once more by two good clients, which also judge what comes back.
func TestCasesByOtherClients(t *testing.T) {
	s := serve(t, programs.usual, caseFlags...)
	for name, dial := range map[string]func(*testing.T, *program, bool) echoer{"gorilla": dialGorillaEcho, "coder": dialCoderEcho} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range append(Cases(), Compressed()...) {
				messages := dataMessages(c)
				if len(messages) == 0 || len(c.Wants) != len(messages) || c.Code != 1000 {
					continue
				}
				t.Run(c.ID, func(t *testing.T) {
					peer := dial(t, s, c.Terms != nil)
					for _, m := range messages {
						op, got := peer.echo(t, m)
						if op != m.Op || string(got) != string(m.Payload) {
							t.Fatalf("%s: %v came back as %v", c.What, m, Message{Op: op, Payload: got})
						}
					}
					peer.end(t)
					count(&ran.elsewhere)
				})
			}
		})
	}
}

// dataMessages are what the case sends, if that is whole messages and a close frame only.
func dataMessages(c Case) (messages []Message) {
	for _, step := range c.Sends {
		switch step := step.(type) {
		case Message:
			messages = append(messages, step)
		case Frame:
			if step.More || step.Op != opText && step.Op != opBinary && step.Op != opClose {
				return nil
			}
			if step.Op != opClose {
				messages = append(messages, Message{Op: step.Op, Payload: step.Payload})
			}
		}
	}
	return messages
}

// An echoer is a connection of somebody else's client.
type echoer interface {
	echo(*testing.T, Message) (op byte, payload []byte)
	end(*testing.T) // by the closing handshake
}

type gorillaEcho struct{ *websocket.Conn }

func dialGorillaEcho(t *testing.T, s *program, deflate bool) echoer {
	dialer := websocket.Dialer{EnableCompression: deflate, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10}
	c, response, err := dialer.Dial("ws://"+s.listen+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if agreed := response.Header.Get("Sec-WebSocket-Extensions") != ""; agreed != deflate {
		t.Fatalf("permessage-deflate agreed on: %t, want %t", agreed, deflate)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return gorillaEcho{c}
}

func (c gorillaEcho) echo(t *testing.T, m Message) (byte, []byte) {
	sent := make(chan error, 1)
	go func() { sent <- c.WriteMessage(int(m.Op), m.Payload) }()
	op, payload, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	return byte(op), payload
}

func (c gorillaEcho) end(t *testing.T) {
	if err := c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Fatalf("%v, want close 1000", err)
	}
}

type coderEcho struct{ *coder.Conn }

// dialCoderEcho offers context takeover, where it offers compression.
func dialCoderEcho(t *testing.T, s *program, deflate bool) echoer {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	options := &coder.DialOptions{CompressionMode: coder.CompressionDisabled}
	if deflate {
		options.CompressionMode = coder.CompressionContextTakeover
	}
	c, response, err := coder.Dial(ctx, "ws://"+s.listen+"/echo", options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	if agreed := response.Header.Get("Sec-WebSocket-Extensions") != ""; agreed != deflate {
		t.Fatalf("permessage-deflate agreed on: %t, want %t", agreed, deflate)
	}
	c.SetReadLimit(maxRead)
	return coderEcho{c}
}

func (c coderEcho) echo(t *testing.T, m Message) (byte, []byte) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- c.Write(ctx, coder.MessageType(m.Op), m.Payload) }()
	op, payload, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	return byte(op), payload
}

func (c coderEcho) end(t *testing.T) {
	if err := c.Close(coder.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
}

// The server keeps to the window that it was asked for. Noise that repeats further back than that cannot be compressed, and could
// be by half with a larger window.
func TestWindowsAreKept(t *testing.T) {
	s := serve(t, programs.usual, "--deflate")
	for bits := 8; bits <= 14; bits++ {
		noise := materials()[1].base[:1<<bits+300]
		twice := append(append([]byte(nil), noise...), noise...)
		link, err := Dial(s.listen, "/echo", &Terms{ServerBits: bits})
		if err != nil {
			t.Fatalf("%d bits: %v", bits, err)
		}
		sent := &sender{link: link, random: newRandom("windows")}
		if err := (Message{Op: opBinary, Payload: twice}).take(sent); err != nil {
			t.Fatal(err)
		}
		r := &reader{from: link.from, role: Client, inflate: link.Terms.inflater(Client)}
		f, err := r.notPing()
		link.Close()
		if err != nil || len(f.Payload) < len(twice)*9/10 {
			t.Errorf("%d bits: %d bytes became %d, %v: the window is larger", bits, len(twice), len(f.Payload), err)
		}
	}
}
