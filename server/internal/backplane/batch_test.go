package backplane

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

func TestPublicationOnTheWire(t *testing.T) {
	tests := []struct {
		room    string
		op      ws.OpCode
		payload string
		want    string
	}{
		//                        op    r     p                   room payload
		{"a", ws.OpText, "hi", "\x01" + "\x01" + "\x00\x00\x00\x02" + "a" + "hi"},
		{"ab", ws.OpBinary, "", "\x02" + "\x02" + "\x00\x00\x00\x00" + "ab" + ""},
		{"", ws.OpText, "x", "\x01" + "\x00" + "\x00\x00\x00\x01" + "" + "x"},
		{strings.Repeat("r", 255), ws.OpText, strings.Repeat("p", 65536),
			"\x01" + "\xff" + "\x00\x01\x00\x00" + strings.Repeat("r", 255) + strings.Repeat("p", 65536)},
	}
	for _, test := range tests {
		got := appendPublication(nil, test.room, test.op, []byte(test.payload))
		if string(got) != test.want {
			t.Errorf("room %.10q payload %.10q: got %.40q, want %.40q", test.room, test.payload, got, test.want)
		}
		if size := publicationSize(test.room, []byte(test.payload)); size != len(got) {
			t.Errorf("room %.10q: publicationSize says %d bytes, encoded %d", test.room, size, len(got))
		}
	}
}

func TestPublicationMalformed(t *testing.T) {
	whole := appendPublication(nil, "room", ws.OpText, []byte("payload"))
	tests := map[string][]byte{
		"cut in the header":     whole[:publicationHeader-1],
		"cut in the room":       whole[:publicationHeader+2],
		"cut in the payload":    whole[:len(whole)-1],
		"length past the end":   binary.BigEndian.AppendUint32([]byte{1, 0}, 1<<32-1),
		"opcode of a control":   append([]byte{byte(ws.OpPing)}, whole[1:]...),
		"opcode continuation":   append([]byte{byte(ws.OpContinuation)}, whole[1:]...),
		"nothing but an opcode": {1},
	}
	for name, b := range tests {
		if _, _, _, _, err := takePublication(b); !errors.Is(err, errBatch) {
			t.Errorf("%s: got error %v, want errBatch", name, err)
		}
	}
}

type publication struct {
	Room    string
	Op      ws.OpCode
	Payload []byte
}

func TestPublicationsRoundTrip(t *testing.T) {
	anyOne := rapid.Custom(func(t *rapid.T) publication {
		return publication{
			string(rapid.SliceOfN(rapid.Byte(), 0, maxRoomName).Draw(t, "room")),
			rapid.SampledFrom([]ws.OpCode{ws.OpText, ws.OpBinary}).Draw(t, "op"),
			rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.SliceOf(anyOne).Draw(t, "publications")
		limit := rapid.IntRange(1, 1000).Draw(t, "limit")
		var wire []byte
		for _, p := range sent {
			wire = appendPublication(wire, p.Room, p.Op, p.Payload)
		}
		taken := 0
		for len(wire) > 0 {
			size, n := cut(wire, limit)
			if n == 0 || (size > limit && n > 1) {
				t.Fatalf("cut at %d bytes: %d publications in %d bytes", limit, n, size)
			}
			batch := wire[:size]
			wire = wire[size:]
			for range n {
				room, op, payload, rest, err := takePublication(batch)
				if err != nil {
					t.Fatalf("publication %d: %v", taken, err)
				}
				want := sent[taken]
				if string(room) != want.Room || op != want.Op || !bytes.Equal(payload, want.Payload) {
					t.Fatalf("publication %d: got %q %v %q, want %+v", taken, room, op, payload, want)
				}
				batch = rest
				taken++
			}
			if len(batch) != 0 {
				t.Fatalf("%d bytes left in a cut batch", len(batch))
			}
		}
		if taken != len(sent) {
			t.Fatalf("%d publications came out, %d went in", taken, len(sent))
		}
	})
}

func TestSequences(t *testing.T) {
	heard := sequences{}
	steps := []struct {
		why           string
		origin, first uint64
		n             int
		missed        uint64
	}{
		{"first heard of in the middle: nothing missed", 1, 100, 3, 0},
		{"goes on without a gap", 1, 103, 1, 0},
		{"two are missing", 1, 106, 2, 2},
		{"another origin counts by itself", 2, 0, 5, 0},
		{"an empty batch confirms the sequence", 1, 108, 0, 0},
		{"an empty batch tells of a lost last one", 2, 6, 0, 1},
		{"and it is told once", 2, 6, 1, 0},
	}
	for _, step := range steps {
		if missed := heard.arrive(step.origin, step.first, step.n); missed != step.missed {
			t.Errorf("%s: missed %d, want %d", step.why, missed, step.missed)
		}
	}
}

// FuzzTakePublication: what is accepted is exactly what encoding it again gives.
func FuzzTakePublication(f *testing.F) {
	f.Add(appendPublication(nil, "room", ws.OpText, []byte("payload")))
	f.Add(appendPublication(appendPublication(nil, "", ws.OpBinary, nil), "x", ws.OpText, []byte("y")))
	f.Add([]byte{1, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		room, op, payload, rest, err := takePublication(b)
		if err != nil {
			if !errors.Is(err, errBatch) {
				t.Fatalf("error %v is not errBatch", err)
			}
			return
		}
		again := append(appendPublication(nil, string(room), op, payload), rest...)
		if !bytes.Equal(again, b) {
			t.Fatalf("encoded again %q, was %q", again, b)
		}
	})
}
