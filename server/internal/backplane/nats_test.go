package backplane

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"
)

var silent = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startBroker(t *testing.T, maxPayload int) *Broker {
	t.Helper()
	broker, err := StartBroker(maxPayload, silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return broker
}

func connect(t *testing.T, to Address, deliver Deliver) *Link {
	t.Helper()
	link, err := Connect(to, t.Name(), deliver, silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	return link
}

// eventually waits for a state, not for a time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not reached in 10s: %s", what)
		}
	}
}

// inbox keeps what was delivered, by room.
type inbox struct {
	mu    sync.Mutex
	rooms map[string][]string
	n     uint64
}

func (i *inbox) deliver(room string, op ws.OpCode, payload []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.rooms == nil {
		i.rooms = map[string][]string{}
	}
	i.rooms[room] = append(i.rooms[room], fmt.Sprintf("%d:%s", op, payload))
	i.n++
}

func (i *inbox) count() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.n
}

func TestLinkDeliversToTheOthersInOrder(t *testing.T) {
	const publishers, each = 4, 2000
	broker := startBroker(t, 64<<10)
	var atSender, second, third inbox
	sender := connect(t, broker.Address(), atSender.deliver)
	receivers := map[*Link]*inbox{
		connect(t, broker.Address(), second.deliver): &second,
		connect(t, broker.Address(), third.deliver):  &third,
	}
	var done sync.WaitGroup
	for p := range publishers {
		done.Go(func() {
			for k := range each {
				if err := sender.Publish("room "+strconv.Itoa(p), ws.OpText, []byte(strconv.Itoa(k))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	for link, in := range receivers {
		eventually(t, "everything delivered", func() bool { return in.count() == publishers*each })
		for p := range publishers {
			for k, got := range in.rooms["room "+strconv.Itoa(p)] {
				if want := "1:" + strconv.Itoa(k); got != want {
					t.Fatalf("publisher %d, publication %d: got %q, want %q", p, k, got, want)
				}
			}
		}
		if s := link.Stats(); s.Received != publishers*each || s.Lost != 0 || s.Errors != 0 {
			t.Errorf("receiver: %+v, want %d received, none lost", s, publishers*each)
		}
	}
	if s := sender.Stats(); s.Published != publishers*each || s.Dropped != 0 || !s.Connected {
		t.Errorf("sender: %+v, want %d published, none dropped, connected", s, publishers*each)
	}
	if n := atSender.count(); n != 0 {
		t.Errorf("the sender got %d of its own publications back", n)
	}
}

func TestLinkCarriesTheLargest(t *testing.T) {
	const largest = 300 << 10
	broker := startBroker(t, largest)
	var in inbox
	sender := connect(t, broker.Address(), func(string, ws.OpCode, []byte) {})
	connect(t, broker.Address(), in.deliver)
	room := strings.Repeat("r", maxRoomName)
	if err := sender.Publish(room, ws.OpBinary, make([]byte, largest)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the largest publication delivered", func() bool { return in.count() == 1 })
	if got := len(in.rooms[room][0]); got != len("2:")+largest {
		t.Errorf("delivered %d bytes, want %d", got-len("2:"), largest)
	}
}

func TestPublishRefusesAndCounts(t *testing.T) {
	broker := startBroker(t, 1<<20)
	stalled := &Link{max: 1 << 20, wake: make(chan struct{}, 1), log: silent, conn: connect(t, broker.Address(), nil).conn}
	mebi := make([]byte, 1<<20)
	for range queueBytes / len(mebi) {
		if err := stalled.Publish("room", ws.OpText, mebi); err != nil {
			t.Fatal(err)
		}
	}
	closed := connect(t, broker.Address(), nil)
	closed.Close()
	tests := []struct {
		why     string
		link    *Link
		room    string
		payload []byte
		want    error
	}{
		{"nobody takes from the queue", stalled, "room", mebi, ErrQueueFull},
		{"room name over the limit", stalled, strings.Repeat("r", maxRoomName+1), nil, ErrRoomName},
		{"payload over the limit", stalled, "room", make([]byte, 1<<20+1), ErrTooLarge},
		{"after Close", closed, "room", nil, ErrClosed},
	}
	for _, test := range tests {
		before := test.link.Stats().Dropped
		if err := test.link.Publish(test.room, ws.OpText, test.payload); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.why, err, test.want)
		}
		if got := test.link.Stats().Dropped - before; got != 1 {
			t.Errorf("%s: counted %d dropped, want 1", test.why, got)
		}
	}
}

func TestLossAndRubbishAreCounted(t *testing.T) {
	broker := startBroker(t, 1024)
	var in inbox
	receiver := connect(t, broker.Address(), in.deliver)
	raw := connect(t, broker.Address(), nil).conn
	one := appendPublication(nil, "room", ws.OpText, []byte("x"))
	batches := [][]byte{
		append(appendBatchHeader(nil, 7, 0), one...),
		append(appendBatchHeader(nil, 7, 4), one...), // 1, 2, 3 are missing
		append(appendBatchHeader(nil, 7, 5), one[:3]...),
		appendBatchHeader(nil, 7, 6), // tells that 5 is missing
		[]byte("rubbish"),
	}
	for _, batch := range batches {
		if err := raw.Publish(subject, batch); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all batches read", func() bool { return receiver.Stats().Errors == 2 })
	if s := receiver.Stats(); s.Received != 2 || s.Lost != 4 || in.count() != 2 {
		t.Errorf("got %+v and %d delivered, want 2 received and 4 lost", s, in.count())
	}
}

func TestSilenceConfirmsTheSequence(t *testing.T) {
	broker := startBroker(t, 1024)
	sender := connect(t, broker.Address(), nil)
	if err := sender.Publish("room", ws.OpText, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "publication sent", func() bool { return sender.Stats().Published == 1 })
	late := connect(t, broker.Address(), nil) // sees only the empty batch that follows
	eventually(t, "empty batch seen", func() bool { return late.conn.Stats().InMsgs == 1 })
	if s := late.Stats(); s.Received != 0 || s.Errors != 0 {
		t.Errorf("got %+v, want nothing received and no error", s)
	}
}

func TestLinkComesBack(t *testing.T) {
	broker := startBroker(t, 1024)
	addr := broker.Address()
	var in inbox
	sender := connect(t, addr, nil)
	receiver := connect(t, addr, in.deliver)
	broker.Close()
	eventually(t, "both links down", func() bool { return !sender.Stats().Connected && !receiver.Stats().Connected })

	at, err := url.Parse(addr.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	again, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, Authorization: addr.Token, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	again.Start()
	t.Cleanup(func() { again.Shutdown(); again.WaitForShutdown() })
	eventually(t, "both links up", func() bool { return sender.Stats().Reconnects == 1 && receiver.Stats().Reconnects == 1 })
	eventually(t, "publications flow again", func() bool {
		if err := sender.Publish("room", ws.OpText, nil); err != nil {
			t.Fatal(err)
		}
		return in.count() > 0
	})
}

func TestBrokerWantsItsToken(t *testing.T) {
	addr := startBroker(t, 1024).Address()
	addr.Token = "guessed"
	if _, err := Connect(addr, "stranger", nil, silent); err == nil {
		t.Fatal("a link with a wrong token was accepted")
	}
}

func TestBrokerRefusesPayloadsThatItCannotHold(t *testing.T) {
	if broker, err := StartBroker(MaxPayload+1, silent); err == nil {
		broker.Close()
		t.Fatal("a broker for payloads over MaxPayload was started")
	}
}

func TestPublishAllocatesNothingInSteadyState(t *testing.T) {
	link := &Link{max: 1024, wake: make(chan struct{}, 1), queue: make([]byte, 0, 1<<20), log: silent}
	payload := make([]byte, 128)
	allocs := testing.AllocsPerRun(1000, func() {
		link.queue = link.queue[:0]
		if err := link.Publish("room", ws.OpText, payload); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per publication, want 0", allocs)
	}
}

func BenchmarkPublish(b *testing.B) {
	broker, err := StartBroker(1024, silent)
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	link, err := Connect(broker.Address(), "benchmark", nil, silent)
	if err != nil {
		b.Fatal(err)
	}
	defer link.Close()
	payload := make([]byte, 128)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		for errors.Is(link.Publish("room", ws.OpText, payload), ErrQueueFull) {
			time.Sleep(time.Millisecond) // the broker, not Publish, is then what is measured
		}
	}
}
