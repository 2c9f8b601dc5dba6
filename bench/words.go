package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"fanbench/bench/internal/trial"
)

// words are what loadgen said after its last live line: an experiment has a line
// of its own, but only loadgen knows why it left no result.
type words struct {
	said []byte
	line []byte // not yet ended
}

// mostWords that are kept, in bytes, and mostReason of them that are told, in
// characters: the first ones say what is wrong, a crash goes on for pages.
const (
	mostWords  = 4096
	mostReason = 300
)

// live is loadgen's line of progress.
var live = regexp.MustCompile(`^\S+ +[0-9.]+s\S* \| [0-9,]+/[0-9,]+ open`)

func (w *words) Write(b []byte) (int, error) {
	for _, c := range b {
		if len(w.line) < mostWords {
			w.line = append(w.line, c)
		}
		if c == '\n' || c == '\r' { // on a terminal the next line replaces the last
			w.end()
		}
	}
	return len(b), nil
}

// end takes a line up.
func (w *words) end() {
	if live.Match(w.line) {
		w.said = w.said[:0]
	} else if len(w.said)+len(w.line) <= mostWords {
		w.said = append(append(w.said, w.line...), '\n')
	}
	w.line = w.line[:0]
}

// why says in one line why a trial left no result; "" for one that did.
func (w *words) why(out trial.Outcome, problem error) string {
	switch {
	case out.Result != nil:
		return ""
	case problem != nil:
		return oneLine(problem.Error())
	}
	w.end()
	if len(bytes.TrimSpace(w.said)) == 0 {
		return fmt.Sprintf("exit status %d, and loadgen said nothing", out.Exit)
	}
	return oneLine(fmt.Sprintf("exit status %d, %s", out.Exit, w.said))
}

// oneLine is the beginning of a text as one line that any table can hold.
func oneLine(text string) string {
	printable := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	line := []rune(strings.Join(strings.Fields(printable), " "))
	if len(line) > mostReason {
		return string(line[:mostReason]) + "…"
	}
	return string(line)
}
