package frame

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Rows 51 to 53.
func TestCloseCodes(t *testing.T) {
	ranges := []struct {
		from, to ws.StatusCode
		valid    bool
	}{
		{0, 999, false},
		{1000, 1003, true},
		{1004, 1006, false},
		{1007, 1014, true},
		{1015, 2999, false},
		{3000, 4999, true},
		{5000, 65535, false},
	}
	next := 0
	for _, r := range ranges {
		if int(r.from) != next {
			t.Fatalf("the table leaves out %d", next)
		}
		next = int(r.to) + 1
		for code := int(r.from); code <= int(r.to); code++ {
			payload := binary.BigEndian.AppendUint16(nil, uint16(code))
			got, reason, fail := ParseClose(append(payload, "why"...))
			if !r.valid {
				if fail == nil || fail.Code != ws.StatusProtocolError || fail.Reason != "close-code" {
					t.Errorf("%d: failure %v, want 1002 close-code", code, fail)
				}
				continue
			}
			if fail != nil || int(got) != code || string(reason) != "why" {
				t.Errorf("%d: read as %d %q, failure %v", code, got, reason, fail)
			}
		}
	}
	if next != 1<<16 {
		t.Fatalf("the table ends at %d", next)
	}
}

func TestReplyCode(t *testing.T) {
	for received, want := range map[ws.StatusCode]ws.StatusCode{1000: 1000, 1005: 1005, 1012: 1012, 4999: 4999, 1006: 1002, 5000: 1002, 0: 1002} {
		if got := ReplyCode(received); got != want {
			t.Errorf("reply to %d is %d, want %d", received, got, want)
		}
	}
}

func TestAppendClose(t *testing.T) {
	tests := []struct {
		name   string
		code   ws.StatusCode
		reason string
		want   string
	}{
		{"code and reason", 1001, "bye", "1 000 1000  0 0000101 x03e9 'bye'"},
		{"code alone", StatusServiceRestart, "", "1 000 1000  0 0000010 x03f4"},
		{"no status", ws.StatusNoStatusRcvd, "dropped", "1 000 1000  0 0000000"},
		{"reason of 123 bytes", 1000, strings.Repeat("r", 123), "1 000 1000  0 1111101 x03e8 '" + strings.Repeat("r", 123) + "'"},
		{"reason of 124 bytes", 1000, strings.Repeat("r", 124), "1 000 1000  0 1111101 x03e8 '" + strings.Repeat("r", 123) + "'"},
		{"reason cut at a code point", 1000, strings.Repeat("r", 122) + "é", "1 000 1000  0 1111100 x03e8 '" + strings.Repeat("r", 122) + "'"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, want := AppendClose(nil, test.code, test.reason), wire(t, test.want); !bytes.Equal(got, want) {
				t.Errorf("got %x, want %x", got, want)
			}
		})
	}
	buffer := make([]byte, 0, 128)
	if n := testing.AllocsPerRun(100, func() { AppendClose(buffer, 1001, "bye") }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzClose(f *testing.F) {
	for _, seed := range []string{"", "1", "\x03\xe8", "\x03\xe8bye", "\x03\xed", "\x03\xe8\xff", "\x13\x88", "\x0f\xa0\xe2\x82\xac"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		payload = payload[:min(len(payload), maxControl)]
		code, reason, fail := ParseClose(payload)
		if fail != nil {
			if len(payload) == 0 {
				t.Error("an empty payload fails")
			}
			if len(payload) >= 2 && ValidCode(ws.StatusCode(binary.BigEndian.Uint16(payload))) && utf8.Valid(payload[2:]) {
				t.Errorf("%q fails: %v", payload, fail)
			}
			return
		}
		if !utf8.Valid(reason) {
			t.Errorf("reason %q passes", reason)
		}
		if again := AppendClosePayload(nil, code, string(reason)); !bytes.Equal(again, payload) {
			t.Errorf("%q reads as %d %q, which writes %q", payload, code, reason, again)
		}
		if ReplyCode(code) != code {
			t.Errorf("a valid %d is answered with %d", code, ReplyCode(code))
		}
	})
}
