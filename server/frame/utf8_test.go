package frame

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Row 46: strings in the manner of the Autobahn suite's sections 6.5 to 6.23.
// bad is the number of bytes after which a text is beyond mending; 0 means it
// never is, and then whole says whether it may also end there.
var texts = []struct {
	name  string
	text  string
	bad   int
	whole bool
}{
	{"empty", "", 0, true},
	{"ASCII", "Hello-World!", 0, true},
	{"Greek", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", 0, true},
	{"lowest of 1 byte", "\x00", 0, true},
	{"lowest of 2 bytes", "\xc2\x80", 0, true},
	{"lowest of 3 bytes", "\xe0\xa0\x80", 0, true},
	{"lowest of 4 bytes", "\xf0\x90\x80\x80", 0, true},
	{"highest of 1 byte", "\x7f", 0, true},
	{"highest of 2 bytes", "\xdf\xbf", 0, true},
	{"highest of 3 bytes", "\xef\xbf\xbf", 0, true},
	{"highest of 4 bytes", "\xf4\x8f\xbf\xbf", 0, true},
	{"before the surrogates", "\xed\x9f\xbf", 0, true},
	{"after the surrogates", "\xee\x80\x80", 0, true},
	{"replacement character", "\xef\xbf\xbd", 0, true},
	{"non-character", "\xf0\x9f\xbf\xbe", 0, true},
	{"5 bytes", "\xf8\x88\x80\x80\x80", 1, false},
	{"6 bytes", "\xfc\x84\x80\x80\x80\x80", 1, false},
	{"over 10FFFF", "\xf4\x90\x80\x80", 2, false},
	{"F5", "\xf5\x80\x80\x80", 1, false},
	{"continuation alone", "\x80", 1, false},
	{"continuation after ASCII", "a\xbf", 2, false},
	{"lead without continuation, 2", "\xc3 ", 2, false},
	{"lead without continuation, 3", "\xe2\x82 ", 3, false},
	{"lead without continuation, 4", "\xf0\x9f\x98 ", 4, false},
	{"FE", "\xfe", 1, false},
	{"FF", "aa\xff", 3, false},
	{"overlong slash, 2", "\xc0\xaf", 1, false},
	{"overlong slash, 3", "\xe0\x80\xaf", 2, false},
	{"overlong slash, 4", "\xf0\x80\x80\xaf", 2, false},
	{"overlong NUL", "\xc1\xbf", 1, false},
	{"highest overlong, 3", "\xe0\x9f\xbf", 2, false},
	{"highest overlong, 4", "\xf0\x8f\xbf\xbf", 2, false},
	{"first surrogate", "\xed\xa0\x80", 2, false},
	{"last surrogate", "\xed\xbf\xbf", 2, false},
	{"surrogate pair", "\xed\xa0\x80\xed\xb0\x80", 2, false},
	{"bad after good", "\xce\xba\xf4\x90", 4, false},
	{"cut, 2 bytes", "\xc3", 0, false},
	{"cut, 3 bytes", "ab\xe2\x82", 0, false},
	{"cut, 4 bytes", "\xf0\x9f\x98", 0, false},
}

func TestUTF8(t *testing.T) {
	for _, test := range texts {
		t.Run(test.name, func(t *testing.T) {
			for way, chunks := range splits([]byte(test.text)) {
				var u UTF8
				seen, ok := 0, true
				for _, chunk := range chunks {
					seen += len(chunk)
					if ok = u.Valid(chunk, false); !ok {
						break
					}
					if test.bad != 0 && seen >= test.bad {
						t.Fatalf("%s: %d bytes pass, beyond mending after %d", way, seen, test.bad)
					}
				}
				if !ok && (test.bad == 0 || seen < test.bad) {
					t.Fatalf("%s: refused after %d bytes", way, seen)
				}
				if ok && u.Valid(nil, true) != test.whole {
					t.Errorf("%s: may end here is %v, want %v", way, !test.whole, test.whole)
				}
			}
			var u UTF8
			if got := u.Valid([]byte(test.text), true); got != test.whole {
				t.Errorf("in one piece: %v, want %v", got, test.whole)
			}
		})
	}
}

func TestUTF8EndsReady(t *testing.T) {
	var u UTF8
	for text := range 2 {
		if !u.Valid([]byte("\xe2\x82"), false) || !u.Valid([]byte("\xac"), true) {
			t.Errorf("text %d fails", text)
		}
	}
}

func FuzzUTF8(f *testing.F) {
	for _, test := range texts {
		f.Add([]byte(test.text), uint8(1), uint8(2))
	}
	f.Add([]byte(strings.Repeat("é", 40)), uint8(3), uint8(64))
	f.Fuzz(func(t *testing.T, text []byte, first, second uint8) {
		a := min(int(first), len(text))
		b := min(a+int(second), len(text))
		var u UTF8
		got := u.Valid(text[:a], false) && u.Valid(text[a:b], false) && u.Valid(text[b:], true)
		if want := utf8.Valid(text); got != want {
			t.Errorf("%q at %d and %d: %v, want %v", text, a, b, got, want)
		}
		var early UTF8
		if got, want := early.Valid(text[:b], false), mendable(text[:b]); got != want {
			t.Errorf("%q so far: %v, want %v", text[:b], got, want)
		}
	})
}

// mendable says whether some continuation makes text valid, by trying them.
func mendable(text []byte) bool {
	for _, tail := range []string{"", "\x80", "\xa0", "\x90", "\x80\x80", "\xa0\x80", "\x90\x80", "\x80\x80\x80", "\x90\x80\x80"} {
		if utf8.Valid(append(text[:len(text):len(text)], tail...)) {
			return true
		}
	}
	return false
}
