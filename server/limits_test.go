package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// TestFlagsReachTheGateway runs what an outside conformance suite runs against, and then some.
func TestFlagsReachTheGateway(t *testing.T) {
	p := serve(t, "--max-message", "16MiB", "--deflate", "--subprotocol", "other,chat", "--origin", "self", "--max-connections", "1",
		"--close-timeout", "100ms")
	dialer := websocket.Dialer{EnableCompression: true, Subprotocols: []string{"chat"}}
	c, response, err := dialer.Dial("ws://"+p.listen+"/echo", http.Header{"Origin": {"http://" + p.listen}})
	if err != nil {
		t.Fatalf("%v (%+v)", err, response)
	}
	defer c.Close()
	if got := response.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate; ") {
		t.Errorf("agreed on %q", got)
	}
	if got := c.Subprotocol(); got != "chat" {
		t.Errorf("sub-protocol %q, want chat", got)
	}
	for _, compressed := range []bool{true, false} {
		c.EnableWriteCompression(compressed)
		message := strings.Repeat("sixteen bytes . ", 1<<20) // the limit itself
		send(t, c, message)
		receive(t, c, message)
	}
	if _, response, err := dialer.Dial("ws://"+p.listen+"/echo", nil); err == nil || response == nil || response.StatusCode != 503 {
		t.Errorf("the second connection: %v, %+v, want 503", err, response)
	}
	if got := p.metric(`fanbench_server_rejected_total{reason="connections"}`); got != 1 {
		t.Errorf("%v rejected over --max-connections, want 1", got)
	}
}

func TestPublicProfile(t *testing.T) {
	p := serve(t, "--profile", "public", "--workers", "2")
	if _, response, err := websocket.DefaultDialer.Dial("ws://"+p.listen+"/echo", http.Header{"Origin": {"http://elsewhere.example"}}); err == nil || response == nil || response.StatusCode != 403 {
		t.Errorf("a page from elsewhere: %v, %+v, want 403", err, response)
	}
	c := p.dial("/echo")
	for range 10_000 {
		if err := c.WriteMessage(websocket.BinaryMessage, nil); err != nil {
			break // closed meanwhile
		}
	}
	p.eventually("closed for its rate", func() bool {
		return p.metric(`fanbench_server_rejected_total{reason="message-rate",worker="0"}`)+
			p.metric(`fanbench_server_rejected_total{reason="message-rate",worker="1"}`) == 0 // -1 of the worker without one
	})
}
