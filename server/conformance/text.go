package conformance

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// kosme is a word whose code points are of two and three bytes.
const kosme = "\u03ba\u1f79\u03c3\u03bc\u03b5" // κόσμε

// unicodes is section 6: a text message is UTF-8 (RFC 6455 §8.1, RFC 3629), wherever its fragments and writes are cut, and the
// connection fails at the first byte that makes it certain that it is not.
func unicodes() (cases []Case) {
	whole := func(s string) []Step { return steps(text(s)) }
	pieces := func(s string) []Step { return []Step{Message{Op: opText, Payload: []byte(s), Frames: 1}} }
	valid := func(id, what string, sends []Step, s string) {
		cases = append(cases, orderly(id, what, ByFrame, sends, said(text(s))))
	}
	invalid := func(id, what string, cut Cut, sends []Step) {
		cases = append(cases, failing(id, what, cut, 1007, sends))
	}
	valid("6.1.1", "empty", whole(""), "")
	valid("6.1.2", "three empty fragments", steps(begin(""), more(""), last("")), "")
	valid("6.1.3", "three fragments, the first and last empty", steps(begin(""), more("middle"), last("")), "middle")

	const mixed = "Hello-µ@ßöäüàá-UTF-8!!"
	valid("6.2.1", "code points of one and two bytes", whole(mixed), mixed)
	valid("6.2.2", "cut between code points", steps(begin(mixed[:9]), last(mixed[9:])), mixed)
	valid("6.2.3", "a fragment for each byte", pieces(mixed), mixed)
	valid("6.2.4", "a fragment for each byte, three-byte code points", pieces(kosme+kosme), kosme+kosme)

	const bad = mixed + kosme + "\xed\xa0\x80edited"
	invalid("6.3.1", "a surrogate in the middle", ByFrame, whole(bad))
	invalid("6.3.2", "a surrogate in the middle, a fragment for each byte", ByFrame, pieces(bad))

	// What would end the message is never sent: the answer must not wait for it.
	invalid("6.4.1", "invalid in the second of three fragments", ByFrame, steps(begin(kosme), more("\xf4\x90\x80\x80")))
	invalid("6.4.2", "invalid before its code point is whole, in the second of three fragments", ByFrame, steps(begin(kosme+"\xf4"), more("\x90")))
	unfinished := Frame{Op: opText, Payload: []byte(kosme + "\xf4\x90\x80\x80"), Declared: 100}
	invalid("6.4.3", "invalid in the middle of a frame", ByFrame, steps(unfinished))
	unfinished.Payload = unfinished.Payload[:len(kosme)+2]
	invalid("6.4.4", "invalid before its code point is whole, in the middle of a frame, byte by byte", 1, steps(unfinished))

	return append(cases, sequences()...)
}

// sequences are the rest of section 6: each string is a message by itself.
func sequences() (cases []Case) {
	for group, set := range sequenceSets() {
		for i, s := range set.strings {
			id, what := fmt.Sprintf("6.%d.%d", group+5, i+1), fmt.Sprintf("%s: % x", set.what, s)
			if set.valid(i) {
				cases = append(cases, orderly(id, what, ByFrame, steps(text(s)), said(text(s))))
			} else {
				cases = append(cases, failing(id, what, ByFrame, 1007, steps(text(s))))
			}
		}
	}
	return cases
}

// A sequenceSet is a group of strings, and which of them are UTF-8.
type sequenceSet struct {
	what    string
	valid   func(i int) bool
	strings []string
}

func all(int) bool  { return true }
func none(int) bool { return false }
func but(last int) func(int) bool {
	return func(i int) bool { return i != last }
}

func sequenceSets() []sequenceSet {
	// One continuation byte too few, for each length and the lowest and highest lead byte.
	short := []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}
	return []sequenceSet{
		{"words", all, []string{"Grüße", kosme, "Привет", "世界", "𝄞 clef"}},
		{"start of a word", func(i int) bool { return utf8.ValidString(kosme[:i+1]) }, prefixes(kosme)},
		{"first code point of a length", all, []string{"\x00", "\u0080", "\u0800", "\U00010000"}},
		{"first code point of a length that UTF-8 has not", none, []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
		{"last code point of a length", all, []string{"\x7f", "\u07ff", "\uffff", "\U0010ffff"}},
		{"last code point of a length, beyond the last there is", none,
			[]string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
		{"around a limit", but(4), []string{"\ud7ff", "\ue000", "\ufffd", "\U0010ffff", "\xf4\x90\x80\x80"}},
		{"continuation bytes alone", none, []string{"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf",
			"\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", consecutive(0x80, 0xbf, "")}},
		{"lead bytes alone", none, []string{consecutive(0xc0, 0xdf, " "), consecutive(0xe0, 0xef, " "), consecutive(0xf0, 0xf7, " "),
			consecutive(0xf8, 0xfb, " "), consecutive(0xfc, 0xfd, " ")}},
		{"last continuation byte missing", none, short},
		{"last continuation byte missing, again and again", none, []string{strings.Join(short, "")}},
		{"bytes that never occur", none, []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
		{"slash in more bytes than it needs", none,
			[]string{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},
		{"highest code point in a byte more than it needs", none,
			[]string{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},
		{"NUL in more bytes than it needs", none,
			[]string{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},
		{"surrogate", none, []string{surrogate(0xd800), surrogate(0xdb7f), surrogate(0xdb80), surrogate(0xdbff),
			surrogate(0xdc00), surrogate(0xdf80), surrogate(0xdfff)}},
		{"pair of surrogates", none, []string{surrogate(0xd800, 0xdc00), surrogate(0xd800, 0xdfff), surrogate(0xdb7f, 0xdc00),
			surrogate(0xdb7f, 0xdfff), surrogate(0xdb80, 0xdc00), surrogate(0xdb80, 0xdfff), surrogate(0xdbff, 0xdc00), surrogate(0xdbff, 0xdfff)}},
		{"code point that is no character", all, nonCharacters()},
		{"special code point", all, []string{"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"}},
	}
}

// prefixes of s, of one byte and more.
func prefixes(s string) (all []string) {
	for i := range len(s) {
		all = append(all, s[:i+1])
	}
	return all
}

// consecutive are the bytes from first to last, each followed by after.
func consecutive(first, last int, after string) string {
	var s []byte
	for b := first; b <= last; b++ {
		s = append(append(s, byte(b)), after...)
	}
	return string(s)
}

// surrogate encodes surrogates as if they were code points.
func surrogate(halves ...int) string {
	var s []byte
	for _, half := range halves {
		s = append(s, 0xed, 0x80|byte(half>>6&0x3f), 0x80|byte(half&0x3f))
	}
	return string(s)
}

// nonCharacters are the last two code points of each of the 17 planes.
func nonCharacters() (all []string) {
	for plane := range rune(17) {
		all = append(all, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	return all
}
