package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxMessage bounds one message, in bytes. The largest has the closing counts:
// some 40 bytes for each publisher.
const MaxMessage = 256 << 20

// Lines is a [Link] over byte streams: one JSON document on each line.
type Lines struct {
	reader *bufio.Reader
	source io.Closer // of what reader reads
	max    int

	mu     sync.Mutex
	writer io.WriteCloser
}

// NewLines returns a link that reads from r and writes to w. Close closes both.
func NewLines(r io.ReadCloser, w io.WriteCloser) *Lines {
	return &Lines{reader: bufio.NewReaderSize(r, 64<<10), source: r, max: MaxMessage, writer: w}
}

// Send writes a message. It may be called from several goroutines.
func (l *Lines) Send(m Message) error {
	if !m.valid() {
		return fmt.Errorf("send message: %w", errFields)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	if len(text) >= l.max {
		return fmt.Errorf("send message: %d bytes, at most %d", len(text), l.max)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.writer.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// Receive reads the next message. A line that is too long, is not JSON, has an
// unknown field or does not hold exactly one thing is an error, and so is an
// end in the middle of a line; the link is then of no more use.
func (l *Lines) Receive() (Message, error) {
	line, err := l.line()
	if err != nil {
		if err == io.EOF {
			return Message{}, io.EOF
		}
		return Message{}, fmt.Errorf("receive message: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var m Message
	if err := decoder.Decode(&m); err != nil {
		return Message{}, fmt.Errorf("receive message: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Message{}, errors.New("receive message: more than one document on a line")
	}
	if !m.valid() {
		return Message{}, fmt.Errorf("receive message: %w", errFields)
	}
	return m, nil
}

// line reads up to the next line feed and leaves it out. What it returns is
// valid until the next call.
func (l *Lines) line() ([]byte, error) {
	var whole []byte
	for {
		part, err := l.reader.ReadSlice('\n')
		if len(whole)+len(part) > l.max {
			return nil, fmt.Errorf("longer than %d bytes", l.max)
		}
		switch {
		case err == nil && whole == nil:
			return part[:len(part)-1], nil
		case err == nil:
			return append(whole, part[:len(part)-1]...), nil
		case err == bufio.ErrBufferFull:
			whole = append(whole, part...)
		case err == io.EOF && len(whole)+len(part) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// Close closes both directions: the other end reads the end, and so does a
// Receive under way, as far as the reader's own Close lets it.
func (l *Lines) Close() error { return errors.Join(l.writer.Close(), l.source.Close()) }
