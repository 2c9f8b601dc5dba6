package servertest_test

import (
	"testing"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"fanbench/server/servertest"
)

func TestMain(m *testing.M) {
	// gnet keeps a worker pool of its own from its first import on.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestStartServesEchoAndRooms(t *testing.T) {
	s := servertest.Start(t)
	a := dial(t, s.URL+"/echo")
	if err := a.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := a.ReadMessage(); err != nil || string(got) != "hello" {
		t.Fatalf("echo: %q, %v", got, err)
	}
	members := []*websocket.Conn{dial(t, s.URL+"/rooms/lobby"), dial(t, s.URL+"/rooms/lobby"), dial(t, s.URL+"/rooms/lobby")}
	if err := members[0].WriteMessage(websocket.BinaryMessage, []byte("to all")); err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		if kind, got, err := m.ReadMessage(); err != nil || kind != websocket.BinaryMessage || string(got) != "to all" {
			t.Fatalf("member %d: %d %q, %v", i, kind, got, err)
		}
	}
	if got, want := s.Connections(), 4; got != want {
		t.Errorf("connections = %d, want %d", got, want)
	}
}

func TestServersStandSideBySide(t *testing.T) {
	a, b := servertest.Start(t), servertest.Start(t)
	if a.URL == b.URL {
		t.Fatalf("both at %s", a.URL)
	}
	inA, inB := dial(t, a.URL+"/rooms/r"), dial(t, b.URL+"/rooms/r")
	for text, c := range map[string]*websocket.Conn{"a": inA, "b": inB} {
		if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.ReadMessage(); err != nil || string(got) != text {
			t.Fatalf("read %q, %v, want %q", got, err, text)
		}
	}
}

func TestDeflate(t *testing.T) {
	s := servertest.Start(t, servertest.Deflate())
	dialer := websocket.Dialer{EnableCompression: true}
	c, response, err := dialer.Dial(s.URL+"/echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if response.Header.Get("Sec-WebSocket-Extensions") == "" {
		t.Error("the offer of compression was declined")
	}
}
