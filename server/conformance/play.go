package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// patience is how long a conversation may take.
	patience = 60 * time.Second
	// dripPause lies between the bytes of a [Drip].
	dripPause = 20 * time.Millisecond
	// settling is how long a player that is the server gives the client to do what it must not: to end the connection before
	// the server has.
	settling = 5 * time.Millisecond
)

// A Link is a connection after the opening handshake.
type Link struct {
	net.Conn
	// Terms are what was agreed on; nil without permessage-deflate.
	Terms *Terms
	// Foreign says which messages have nothing to do with the case and are passed over; nil: none.
	Foreign func(Message) bool
	// Lingers leaves the connection open at the player's end after the case.
	Lingers bool

	role Role
	from *bufio.Reader
}

// Play plays the case and returns how the other end erred. It closes the connection.
func (l *Link) Play(c Case) error {
	if !l.Lingers {
		defer l.Close()
	}
	if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	s := &sender{link: l, cut: c.Cut, random: newRandom(c.ID), arrived: make(chan struct{}, len(c.Wants)+1)}
	r := &reader{from: l.from, role: l.role}
	if l.Terms != nil {
		s.deflate, r.inflate = l.Terms.deflater(l.role), l.Terms.inflater(l.role)
	}
	sent := make(chan error, 1)
	go func() { sent <- s.all(c.Sends) }()
	err := l.hear(c, r, s)
	s.over.Store(true)
	if err != nil {
		l.Close()
	}
	close(s.arrived)
	if failed := <-sent; err == nil {
		err = failed
	}
	return err
}

// newRandom is the same for the same name, in every run.
func newRandom(name string) *rand.Rand {
	seed := fnv.New64a()
	_, _ = io.WriteString(seed, name)
	return rand.New(rand.NewPCG(seed.Sum64(), 6455))
}

// hear judges everything that arrives.
func (l *Link) hear(c Case, r *reader, s *sender) error {
	var unfinished Message
	next := func() (Message, error) {
		for {
			m, err := r.next(&unfinished)
			if err != nil || l.Foreign == nil || !l.Foreign(m) {
				return m, err
			}
		}
	}
	for i, want := range c.Wants {
		m, err := next()
		if err != nil {
			return fmt.Errorf("message %d of %d: %w", i+1, len(c.Wants), err)
		}
		if m.Op != want.Op || !bytes.Equal(m.Payload, want.Payload) {
			return fmt.Errorf("message %d of %d is %v, want %v", i+1, len(c.Wants), m, want)
		}
		s.arrived <- struct{}{}
	}
	if c.Code != NoClose {
		m, err := next()
		if err != nil {
			return fmt.Errorf("close frame: %w", err)
		}
		code, err := 0, error(nil)
		if m.Op == opClose {
			code, err = closeCode(m.Payload)
		}
		if err != nil || m.Op != opClose || code != c.Code {
			return fmt.Errorf("after %d messages %v, %v; want close %d", len(c.Wants), m, err, c.Code)
		}
		s.arrived <- struct{}{}
	}
	s.over.Store(true)
	if l.role == Server && c.Code != NoClose {
		if err := l.endFirst(c, s); err != nil {
			return err
		}
	}
	// In order, and not by a reset: that could have overtaken the last frames.
	if m, err := next(); err != io.EOF {
		return fmt.Errorf("after the close frame %v, %v; want the end", m, err)
	}
	return nil
}

// endFirst is the server's part after the client's close frame: it ends the connection first (RFC 6455 §7.1.1). A client that
// answered a close frame waits for that.
func (l *Link) endFirst(c Case, s *sender) error {
	if s.closed.Load() {
		_ = l.SetReadDeadline(time.Now().Add(settling))
		if _, err := l.from.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("after the close frame, before the server's end: %v", err)
		}
		_ = l.SetReadDeadline(time.Now().Add(patience))
	} else {
		_, _ = l.Write(closing(c.Code, "").append(nil, Server, s.random))
	}
	if tcp, ok := l.Conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	return nil
}

// String is the message, shortened.
func (m Message) String() string {
	return fmt.Sprintf("%x %.60q (%d bytes)", m.Op, m.Payload, len(m.Payload))
}

// A sender takes a case's steps.
type sender struct {
	link    *Link
	cut     Cut
	random  *rand.Rand
	deflate *deflater
	held    []byte        // not yet written, where the cut goes across frames
	frame   []byte        // scratch
	arrived chan struct{} // one for each wanted message, and one for the close frame
	count   int           // of arrived
	closed  atomic.Bool   // a close frame was sent
	over    atomic.Bool   // the other end has had its last word: what cannot be sent any more does not matter
}

// all takes the steps. What could not be sent because the other end has closed already is no error of the sender's: the judgement
// is the reader's. But the system tells of a reset only once, to the reader or to the sender, and a server must not reset.
func (s *sender) all(steps []Step) error {
	for i, step := range steps {
		if err := step.take(s); err != nil {
			return s.forgive(fmt.Errorf("step %d: %w", i+1, err))
		}
	}
	return s.forgive(s.flush())
}

func (s *sender) forgive(err error) error {
	if s.link.role == Client && errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	var broken *net.OpError
	if s.over.Load() || errors.As(err, &broken) && !broken.Timeout() {
		return nil
	}
	return err
}

func (s *sender) write(b []byte) error {
	if s.cut == Whole || s.cut == AtRandom {
		s.held = append(s.held, b...)
		return nil
	}
	size := len(b)
	if s.cut > 0 {
		size = int(s.cut)
	}
	for len(b) > 0 {
		n := min(size, len(b))
		if _, err := s.link.Write(b[:n]); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		b = b[n:]
	}
	return nil
}

// flush writes what is held.
func (s *sender) flush() error {
	for _, part := range split(s.held, s.cut, s.random) {
		if _, err := s.link.Write(part); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	s.held = s.held[:0]
	return nil
}

// split cuts b: whole, into pieces of so many bytes, or at random places.
func split(b []byte, cut Cut, random *rand.Rand) (parts [][]byte) {
	most := max(16, len(b)/8)
	for len(b) > 0 {
		n := len(b)
		switch {
		case cut == AtRandom:
			n = min(n, 1+random.IntN(most))
		case cut > 0:
			n = min(n, int(cut))
		}
		parts, b = append(parts, b[:n]), b[n:]
	}
	return parts
}

func (f Frame) take(s *sender) error {
	s.frame = f.append(s.frame[:0], s.link.role, s.random)
	if f.Op == opClose {
		s.closed.Store(true)
	}
	return s.write(s.frame)
}

func (m Message) take(s *sender) error {
	payload, rsv := m.Payload, byte(0)
	if m.Deflate && s.deflate != nil {
		payload, rsv = s.deflate.message(payload), 4
	}
	size := len(payload)
	if m.Frames > 0 {
		size = m.Frames
	}
	op := m.Op
	for {
		n := min(size, len(payload))
		f := Frame{Op: op, RSV: rsv, Payload: payload[:n], More: n < len(payload)}
		if err := f.take(s); err != nil {
			return err
		}
		payload, op, rsv = payload[n:], opContinuation, 0
		if !f.More {
			return nil
		}
	}
}

func (b Bytes) take(s *sender) error { return s.write(b) }

func (n After) take(s *sender) error {
	if err := s.flush(); err != nil {
		return err
	}
	for ; s.count < int(n); s.count++ {
		if _, ok := <-s.arrived; !ok {
			return fmt.Errorf("wait for %d messages: only %d came", n, s.count)
		}
	}
	return nil
}

func (End) take(s *sender) error {
	if err := s.flush(); err != nil {
		return err
	}
	tcp, ok := s.link.Conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("end the sending half of a %T: not TCP", s.link.Conn)
	}
	return tcp.CloseWrite()
}

func (d Drip) take(s *sender) error {
	if err := s.flush(); err != nil {
		return err
	}
	for i := range d {
		if s.over.Load() {
			return nil
		}
		if _, err := s.link.Write(d[i : i+1]); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		time.Sleep(dripPause)
	}
	return nil
}
