//go:build faults

package faults

import (
	"math"
	"net"
	"sync"
	"testing"
	"time"
)

// A delayed proxy hands on what it reads, either way, half a round trip later on
// average, give or take the jitter. The delays are evenly spread, so that their
// median is the round trip after few publications already. They differ by less
// than the publications' gap, so that none waits for the one before.
const (
	roundTrip = 200 * time.Millisecond
	jitter    = 20 * time.Millisecond
)

// delayed returns the proxy's address.
func delayed(t *testing.T, target string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	done := make(chan struct{})
	running.Go(func() {
		for n := 0; ; n++ {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer near.Close()
				far, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer far.Close()
				var ways sync.WaitGroup
				ways.Go(func() { delay(far, near, spread(math.Phi, n), done) })
				ways.Go(func() { delay(near, far, spread(math.Sqrt2, n), done) })
				ways.Wait()
			})
		}
	})
	t.Cleanup(func() { listener.Close(); close(done); running.Wait() })
	return listener.Addr().String()
}

// spread is the delay of each piece in turn on one connection: evenly spread
// over half a round trip ± jitter, by the multiples of an irrational number.
func spread(irrational float64, connection int) func() time.Duration {
	at := float64(connection) * math.Sqrt(3)
	return func() time.Duration {
		at += irrational
		_, fraction := math.Modf(at)
		return roundTrip/2 + time.Duration((2*fraction-1)*float64(jitter))
	}
}

// delay hands on what from says until it ends or done, each piece when it is due.
func delay(to, from net.Conn, next func() time.Duration, done <-chan struct{}) {
	type piece struct {
		bytes []byte
		due   time.Time
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 4096)
			n, err := from.Read(b)
			if err != nil {
				return
			}
			select {
			case pieces <- piece{b[:n], time.Now().Add(next())}:
			case <-done:
				return
			}
		}
	}()
	defer func() {
		_ = to.(*net.TCPConn).CloseWrite()
		for range pieces { // until from has ended too
			continue
		}
	}()
	for {
		select {
		case p, more := <-pieces:
			if !more {
				return
			}
			select {
			case <-time.After(time.Until(p.due)):
			case <-done:
				_ = from.Close()
				return
			}
			if _, err := to.Write(p.bytes); err != nil {
				_ = from.Close()
				return
			}
		case <-done:
			_ = from.Close()
			return
		}
	}
}
