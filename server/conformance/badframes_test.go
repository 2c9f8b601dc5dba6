package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// badFrames are rows 24 to 59, as far as they are a matter of the frames sent.
func badFrames() (all []input) {
	reasons := map[string]string{"24": "unmasked", "25": "rsv", "26": "opcode", "27": "length", "28": "too-large", "29": "", "30": "length",
		"42": "too-large", "57": "too-large", "58": "rsv", "59": "deflate"}
	for _, c := range BadFrames(64 << 10) {
		number, _, _ := strings.Cut(c.ID, " ")
		server, reason := byDefault, reasons[number]
		if c.Terms != nil {
			server = compressing
		}
		if c.Code == 1007 && c.ID == "59 not UTF-8" {
			reason = "utf8"
		}
		all = append(all, conversation(rowOf(c), server, "", c, reason, heardOf(c)...))
	}
	all = append(all, conversation(33, byDefault, "/echo?type=text",
		failing("33", "binary where only text is taken, after text", Whole, 1003, steps(text("on"), binaryOf("off"), text("late")), said(text("on"))...), "binary"))
	return slices.Concat(all, endless(), badControls(), badFragments(), badText(), badCloses())
}

// rowOf is the number that the case's name begins with.
func rowOf(c Case) (row int) {
	if _, err := fmt.Sscan(c.ID, &row); err != nil {
		panic(err)
	}
	return row
}

// heardOf is what the room hears of a case: the data messages that come back.
func heardOf(c Case) (heard []string) {
	for _, m := range c.Wants {
		if m.Op != opPong {
			heard = append(heard, string(m.Payload))
		}
	}
	return heard
}

// inRoom makes inputs of cases that are all counted for the same reason.
func inRoom(counted string, cases ...Case) (all []input) {
	for _, c := range cases {
		all = append(all, conversation(rowOf(c), byDefault, "", c, counted, heardOf(c)...))
	}
	return all
}

// endless are rows 31, 34 and 43: frames that do not end, or too many of them.
func endless() (all []input) {
	frame := Frame{Op: opBinary, Payload: content(opBinary, 64<<10)}.append(nil, Client, newRandom("31"))
	for n := 1; n <= 14; n++ {
		c := failing(fmt.Sprintf("31 after %d bytes", n), "the end within a header of 14 bytes", Whole, NoClose, []Step{Bytes(frame[:n]), End{}})
		all = append(all, inRoom("truncated", c)...)
	}
	const many = 10_000
	pongs := failing("34 pongs", "10,000 empty pongs", Whole, 1008, slices.Repeat(steps(pong("")), many))
	all = append(all, conversation(34, public, "", pongs, "message-rate"))
	// How many of these come back depends on the clock.
	messages := conversation(34, public, "", failing("34 messages", "10,000 empty messages", Whole, 1008, slices.Repeat(steps(text("")), many)), "message-rate")
	messages.run = func(s *program, _ string, cut Cut) error {
		link, err := Dial(s.listen, "/echo", nil)
		if err != nil {
			return err
		}
		link.Foreign = func(m Message) bool { return m.Op == opText && len(m.Payload) == 0 }
		return link.Play(Case{ID: "34", Cut: cut, Sends: slices.Repeat(steps(text("")), many), Code: 1008})
	}
	all = append(all, messages)
	for _, payload := range []string{"", "x"} {
		c := failing(fmt.Sprintf("43 of %d bytes", len(payload)), "endless fragments", Whole, 1008, append(steps(begin("")), slices.Repeat(steps(more(payload)), 2000)...))
		all = append(all, inRoom("fragments", c)...)
	}
	return all
}

// badControls are rows 35, 36 and 38.
func badControls() []input {
	full := string(content(opBinary, 125))
	open := func(f Frame) Frame { f.More = true; return f }
	return slices.Concat(
		inRoom("", orderly("35 125", "ping of 125 bytes", Whole, steps(ping(full)), said(pong(full)))),
		inRoom("control",
			failing("35 126", "ping of 126 bytes", Whole, 1002, steps(ping(full+"x"))),
			failing("36 ping", "ping without FIN", Whole, 1002, steps(open(ping("")))),
			failing("36 close", "close without FIN", Whole, 1002, steps(open(closing(1000, ""))))),
		inRoom("", orderly("38", "pongs that nobody asked for", Whole, steps(pong(""), pong("unasked"), text("on")), said(text("on")))))
}

// badFragments are rows 40, 41, 44 and 45.
func badFragments() []input {
	first, second := begin("fragment 1, "), last("fragment 2")
	return slices.Concat(
		inRoom("fragment",
			failing("40 last", "last fragment of nothing", Whole, 1002, steps(second)),
			failing("40 first", "fragment of nothing", Whole, 1002, steps(more("orphan"))),
			failing("41", "a message within a message", Whole, 1002, steps(first, text("fragment 2")))),
		inRoom("",
			orderly("44", "ping between fragments", Whole, steps(first, ping("now"), second), said(pong("now"), text("fragment 1, fragment 2"))),
			failing("45 close", "close within a message", Whole, 1000, steps(first, closing(1000, ""), second))),
		inRoom("truncated",
			failing("45 end", "the end within a message", Whole, NoClose, append(steps(first), End{})),
			failing("45 end of payload", "the end within a frame", Whole, NoClose, []Step{Bytes("\x81\x85\x00\x00\x00\x00par"), End{}})))
}

// badText are rows 46 to 49.
func badText() []input {
	var invalid []Case
	for _, c := range sequences() {
		if c.Code == 1007 {
			c.ID = "46 as " + c.ID
			invalid = append(invalid, c)
		}
	}
	return slices.Concat(
		inRoom("utf8", invalid...),
		inRoom("utf8",
			failing("47", "invalid in the second of three fragments, and the third never sent", Whole, 1007, steps(begin(kosme), more("\xed\xa0"))),
			failing("49 whole", "the message ends within a code point", Whole, 1007, steps(text("\xe2\x82"))),
			failing("49 fragments", "the message ends within a code point, in an empty fragment", Whole, 1007, steps(begin("\xe2\x82"), last("")))),
		inRoom("", orderly("48", "a code point in three fragments", Whole, steps(begin("\xe2"), more("\x82"), last("\xac")), said(text("€")))))
}

// badCloses are rows 50 to 55.
func badCloses() (all []input) {
	longest := string(content(opText, 123))
	normal := closing(1000, "")
	all = slices.Concat(
		inRoom("", failing("50 empty", "close without a payload", Whole, NoCode, steps(closing(NoCode, "")))),
		inRoom("close-length", failing("50 half", "close with half a code", Whole, 1002, steps(Frame{Op: opClose, Payload: []byte{3}}))),
		inRoom("utf8", failing("54 UTF-8", "close with a reason that is not UTF-8", Whole, 1007, steps(closing(1000, "\xed\xa0\x80")))),
		inRoom("control", failing("54 124", "close with a reason of 124 bytes", Whole, 1002, steps(closing(1000, longest+"x")))),
		inRoom("",
			failing("55 data", "message after close", Whole, 1000, steps(normal, text("late"))),
			failing("55 ping", "ping after close", Whole, 1000, steps(normal, ping("late"))),
			failing("55 close", "second close", Whole, 1000, steps(normal, closing(1001, ""))),
			failing("55 junk", "what is no frame after close", Whole, 1000, []Step{normal, Bytes("\xff\xff\xff\xff")})))
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999} {
		all = append(all, inRoom("close-code", failing(fmt.Sprint("51 ", code), "close with a code that must not be sent", Whole, 1002, steps(closingWith(code))))...)
	}
	for _, code := range []int{5000, 65535} {
		all = append(all, inRoom("close-code", failing(fmt.Sprint("52 ", code), "close with a code in no range", Whole, 1002, steps(closingWith(code))))...)
	}
	for _, code := range []int{1012, 1013, 1014, 3000, 4999} {
		all = append(all, inRoom("", failing(fmt.Sprint("53 ", code), "close with a code in use", Whole, code, steps(closing(code, ""))))...)
	}
	return all
}
