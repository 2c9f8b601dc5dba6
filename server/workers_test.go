package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// One of four workers is killed while publications go on: it is started again, and no member of the other three misses one.
func TestKilledWorkerLeavesNoGapElsewhere(t *testing.T) {
	const workers, before, after = 4, 100, 100
	p := serve(t, "--workers", fmt.Sprint(workers))
	upgraded := func(worker int) float64 {
		return p.metric(fmt.Sprintf(`fanbench_server_connections_upgraded{worker="%d"}`, worker))
	}
	publisher := p.dial("/rooms/r")
	home := -1 // the publisher's worker: the only one with a connection so far
	p.eventually("publisher is counted", func() bool {
		for i := range workers {
			if upgraded(i) == 1 {
				home = i
			}
		}
		return home >= 0
	})
	victim := (home + 1) % workers
	members := append(p.join("r", 40, workers), publisher)
	doomed := int(upgraded(victim))

	ends := make([]error, len(members))
	got := make([]int, len(members))
	var reading sync.WaitGroup
	for i, m := range members {
		m.SetReadDeadline(time.Now().Add(patience))
		reading.Go(func() { got[i], ends[i] = readInOrder(m, before+after) })
	}
	for i := range before {
		send(t, publisher, fmt.Sprint(i))
		if i == before/2 {
			if err := syscall.Kill(p.pids()[1+victim], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.eventually("the worker is ready again", func() bool {
		status, _ := p.get("/readyz")
		return status == http.StatusOK && p.metric(fmt.Sprintf(`fanbench_server_worker_restarts_total{worker="%d"}`, victim)) == 1
	})
	for i := range after {
		send(t, publisher, fmt.Sprint(before+i))
	}
	reading.Wait()
	cut := 0
	for i, err := range ends {
		switch {
		case err == nil && got[i] == before+after:
		case errors.Is(err, errGap), errors.Is(err, os.ErrDeadlineExceeded):
			t.Errorf("member %d, after %d publications: %v", i, got[i], err)
		default:
			cut++
		}
	}
	if cut != doomed || cut == 0 {
		t.Errorf("%d members were cut off, want the %d of the killed worker", cut, doomed)
	}
}

var errGap = errors.New("gap")

// readInOrder reads want messages that count from 0, and returns how many came in order.
func readInOrder(m *websocket.Conn, want int) (n int, err error) {
	for ; n < want; n++ {
		_, text, err := m.ReadMessage()
		if err != nil {
			return n, err
		}
		if string(text) != fmt.Sprint(n) {
			return n, fmt.Errorf("%w: received %s instead", errGap, text)
		}
	}
	return n, nil
}
