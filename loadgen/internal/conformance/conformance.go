// Package conformance runs the client's side of the Autobahn test suite's
// protocol, so that loadgen's own connections can be judged from outside.
//
// The suite's server numbers its cases from 1. GET /getCaseCount opens a
// connection on which it says how many there are; on each /runCase?case=N it
// plays a case to a peer that sends every message back; /updateReports has it
// write down what it saw. It alone judges. Connections are package engine's.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/engine"
)

// Config is one run of the suite.
type Config struct {
	Address netip.AddrPort // of the suite's server
	Host    string         // for the request's Host field
	Prefix  string         // of every path, without a slash at its end
	Agent   string         // the name under which the server reports
	Cases   Selection
	// Timeout of a case, handshake included.
	Timeout time.Duration
	// MaxMessage is the largest message that is accepted, in bytes.
	MaxMessage int64
}

// Case is what became of one case, as far as this side can tell.
type Case struct {
	Number int
	Total  int // cases that the server has
	engine.Conversation
	TimedOut bool
}

// Ran says that the case was played to its end.
func (c Case) Ran() bool { return c.Opened && !c.TimedOut }

// String is the case in one line.
func (c Case) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "case %*d of %d: ", len(strconv.Itoa(c.Total)), c.Number, c.Total)
	switch {
	case !c.Opened:
		fmt.Fprintf(&b, "not opened: %s: %s", c.Ended.Bucket, c.Ended.First)
	case c.TimedOut:
		fmt.Fprintf(&b, "no end in time, echoed %d", c.Messages)
	default:
		fmt.Fprintf(&b, "echoed %d, %s: %s", c.Messages, c.Ended.Bucket, c.Ended.First)
	}
	if c.Deflated {
		b.WriteString(", deflate")
	}
	return b.String()
}

// errNoAnswer is a suite's server that cannot be reached, or is none.
var errNoAnswer = errors.New("no answer from the suite's server")

// Run plays the selected cases one after another, shows each, and has the
// server write its reports. It returns how many cases were selected and how
// many of them were played to their end. The error says that the server did not
// answer, or is ctx's.
func Run(ctx context.Context, c Config, show func(Case)) (selected, ran int, err error) {
	total, err := c.count(ctx)
	if err != nil {
		return 0, 0, err
	}
	cases, err := c.Cases.Of(total)
	if err != nil {
		return 0, 0, err
	}
	for _, number := range cases {
		done, err := c.play(ctx, number)
		done.Total = total
		if err != nil {
			return len(cases), ran, err
		}
		show(done)
		if done.Ran() {
			ran++
		}
	}
	_, err = c.converse(ctx, "/updateReports?agent="+url.QueryEscape(c.Agent), nil)
	return len(cases), ran, err
}

// count asks for the number of cases.
func (c Config) count(ctx context.Context) (int, error) {
	var said string
	talk, err := c.converse(ctx, "/getCaseCount", func(_ ws.OpCode, message []byte) bool {
		said = string(message)
		return false
	})
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(said))
	if talk.Messages != 1 || err != nil || n < 0 {
		return 0, fmt.Errorf("count cases: %w: %d messages, the last %.40q, want one number", errNoAnswer, talk.Messages, said)
	}
	return n, nil
}

// play runs one case.
func (c Config) play(ctx context.Context, number int) (Case, error) {
	path := fmt.Sprintf("/runCase?case=%d&agent=%s", number, url.QueryEscape(c.Agent))
	one, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	talk, err := c.dial(one, path, func(ws.OpCode, []byte) bool { return true })
	if err == nil && talk.Unreachable() {
		err = fmt.Errorf("play case %d: %w: %s: %s", number, errNoAnswer, talk.Ended.Bucket, talk.Ended.First)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return Case{Number: number, Conversation: talk, TimedOut: one.Err() != nil}, err
}

// converse opens a connection that is not a case's: it has to open and to end.
func (c Config) converse(ctx context.Context, path string, take func(ws.OpCode, []byte) bool) (engine.Conversation, error) {
	if take == nil {
		take = func(ws.OpCode, []byte) bool { return false }
	}
	one, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	talk, err := c.dial(one, path, take)
	switch {
	case err != nil:
		return talk, err
	case ctx.Err() != nil:
		return talk, ctx.Err()
	case !talk.Opened:
		return talk, fmt.Errorf("open %s: %w: %s: %s", path, errNoAnswer, talk.Ended.Bucket, talk.Ended.First)
	case one.Err() != nil:
		return talk, fmt.Errorf("open %s: %w: open and silent for %v", path, errNoAnswer, c.Timeout)
	}
	return talk, nil
}

func (c Config) dial(ctx context.Context, path string, take func(ws.OpCode, []byte) bool) (engine.Conversation, error) {
	return engine.Converse(ctx, engine.Dial{
		Address: c.Address, Host: c.Host, Path: c.Prefix + path,
		Timeout: c.Timeout, MaxMessage: c.MaxMessage, Deflate: true,
	}, take)
}
