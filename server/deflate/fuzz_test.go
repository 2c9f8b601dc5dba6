package deflate

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"fanbench/server/internal/http1"
)

// Whatever is offered, the response is one that a client may accept: ours, and
// an independent one.
func FuzzNegotiate(f *testing.F) {
	for _, offers := range []string{
		"", "permessage-deflate", "permessage-deflate; client_max_window_bits=15; server_max_window_bits=9",
		Offer{}.String(), Offer{ServerMaxWindowBits: 8}.String(),
		`permessage-deflate; server_max_window_bits="1\0", permessage-deflate`,
		"permessage-deflate; server_max_window_bits=16, permessage-deflate; server_max_window_bits",
		"foo; bar=baz, , permessage-deflate;server_no_context_takeover", "a;=,;", `a;b="`, "\xff",
	} {
		f.Add(offers)
	}
	f.Fuzz(func(t *testing.T, offers string) {
		p, response, ok := Negotiate(offers)
		if !ok {
			if response != "" {
				t.Fatalf("declined with %q", response)
			}
			return
		}
		if !strings.Contains(offers, extensionName) {
			t.Fatalf("answered by %q", response)
		}
		if p.ServerMaxWindowBits < MinWindowBits || p.ServerMaxWindowBits > MaxWindowBits || p.ClientMaxWindowBits != MaxWindowBits {
			t.Fatalf("agreed on %+v", p)
		}
		if got, err := (Offer{}).Accept(response); err != nil || got != p {
			t.Fatalf("%q is read as %+v, %v; agreed on %+v", response, got, err, p)
		}
		theirs := acceptElsewhere(t, response)
		if !theirs.ServerNoContextTakeover || !theirs.ClientNoContextTakeover || theirs.ClientMaxWindowBits.Defined() ||
			theirs.ServerMaxWindowBits.Defined() && int(theirs.ServerMaxWindowBits) != p.ServerMaxWindowBits {
			t.Fatalf("%q is read elsewhere as %+v", response, theirs)
		}
	})
}

// acceptElsewhere has an independent client read a response.
func acceptElsewhere(t *testing.T, response string) (p wsflate.Parameters) {
	t.Helper()
	dialer := ws.Dialer{}
	dialer.Extensions = append(dialer.Extensions, wsflate.DefaultParameters.Option())
	_, handshake, err := dialer.Upgrade(&answering{extensions: response}, &url.URL{Scheme: "ws", Host: "server", Path: "/"})
	if err != nil || len(handshake.Extensions) != 1 {
		t.Fatalf("%q is read elsewhere as %+v, %v", response, handshake, err)
	}
	if err := p.Parse(handshake.Extensions[0]); err != nil {
		t.Fatalf("%q is read elsewhere: %v", response, err)
	}
	return p
}

// answering is a server that switches protocols.
type answering struct {
	extensions      string
	request, answer bytes.Buffer
}

func (a *answering) Write(p []byte) (int, error) { return a.request.Write(p) }

func (a *answering) Read(p []byte) (int, error) {
	if a.answer.Len() == 0 {
		request, err := http.ReadRequest(bufio.NewReader(&a.request))
		if err != nil {
			return 0, err
		}
		a.answer.Write(http1.AppendSwitching(nil, request.Header.Get("Sec-WebSocket-Key"), "", a.extensions))
	}
	return a.answer.Read(p)
}

// Whatever the server answers, the client reads it without a crash and agrees
// only on windows that exist, and on no more than it asked for.
func FuzzAccept(f *testing.F) {
	f.Add(plainResponse, uint8(0))
	f.Add(plainResponse+"; server_max_window_bits=10; client_max_window_bits=8", uint8(10))
	f.Add(`permessage-deflate; server_no_context_takeover; server_max_window_bits="9"`, uint8(12))
	f.Add("permessage-deflate; client_max_window_bits, foo", uint8(8))
	f.Fuzz(func(t *testing.T, response string, bits uint8) {
		offer := Offer{}
		if bits >= MinWindowBits && bits <= MaxWindowBits {
			offer.ServerMaxWindowBits = int(bits)
		}
		p, err := offer.Accept(response)
		if err != nil {
			return
		}
		most := MaxWindowBits
		if offer.ServerMaxWindowBits != 0 {
			most = offer.ServerMaxWindowBits
		}
		if p.ServerMaxWindowBits < MinWindowBits || p.ServerMaxWindowBits > most ||
			p.ClientMaxWindowBits < MinWindowBits || p.ClientMaxWindowBits > MaxWindowBits {
			t.Fatalf("agreed on %+v", p)
		}
	})
}

func addPayloads(f *testing.F, add func(payload []byte)) {
	for _, example := range examples {
		add(bytesOf(f, example.payload))
	}
	for _, test := range legal {
		add(bitsOf(f, test.bits))
	}
	add(bitsOf(f, emptyCode))
	add(compressInFinalBlocks(f, textBytes(2000), 700))
	for _, test := range corrupt {
		add(append(bytesOf(f, test.bytes), bitsOf(f, test.bits)...))
	}
	for _, kind := range sampleKinds {
		add(Compress(nil, kind(2000), MaxWindowBits))
		add(compressIndependently(f, kind(2000)))
	}
}

// A payload inflates here if and only if it does so with the standard library,
// and to the same message; except for the blocks that use an empty code.
func FuzzInflateAgainstStandard(f *testing.F) {
	addPayloads(f, func(payload []byte) { f.Add(payload) })
	f.Fuzz(func(t *testing.T, payload []byte) {
		const limit = 4 << 20
		got, err := Inflate(nil, payload, MaxWindowBits, limit)
		if errors.Is(err, ErrTooLarge) {
			return
		}
		want, independent := inflateIndependently(payload)
		if err == nil && independent != nil {
			if _, problem := reach(payload); errors.Is(problem, errEmptyCode) {
				return
			}
		}
		if (err == nil) != (independent == nil) || !bytes.Equal(got, want) {
			t.Fatalf("inflates to %d bytes, %v; elsewhere to %d, %v", len(got), err, len(want), independent)
		}
	})
}

// Row 57: what is refused costs at most 1 MiB, and what is accepted keeps to
// its limit.
func FuzzInflateCap(f *testing.F) {
	addPayloads(f, func(payload []byte) {
		f.Add(payload, uint32(4))
		f.Add(payload, uint32(1<<24))
	})
	f.Add(Compress(nil, make([]byte, 8<<20), MaxWindowBits), uint32(1<<16))
	f.Add(Compress(nil, make([]byte, 8<<20), MaxWindowBits), uint32(8<<20-1))
	f.Fuzz(func(t *testing.T, payload []byte, limit uint32) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := Inflate(nil, payload, MaxWindowBits, int64(limit))
		runtime.ReadMemStats(&after)
		if int64(len(got)) > int64(limit) {
			t.Fatalf("%d bytes with a limit of %d", len(got), limit)
		}
		if used := after.TotalAlloc - before.TotalAlloc; err != nil && used > 1<<20 {
			t.Fatalf("%v after %d bytes of memory", err, used)
		}
		// Less by one is too little, and that much is enough.
		if err == nil && len(got) > 0 {
			if _, err := Inflate(nil, payload, MaxWindowBits, int64(len(got)-1)); !errors.Is(err, ErrTooLarge) {
				t.Fatalf("%d bytes with a limit of one less: %v", len(got), err)
			}
			if _, err := Inflate(got[:0], payload, MaxWindowBits, int64(len(got))); err != nil {
				t.Fatalf("%d bytes with that limit: %v", len(got), err)
			}
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, kind := range sampleKinds {
		for _, size := range []int{0, 1, 33, 1000} {
			f.Add(kind(size), uint8(size), uint16(size))
		}
	}
	f.Fuzz(func(t *testing.T, message []byte, window uint8, repeats uint16) {
		bits := MinWindowBits + int(window)%(MaxWindowBits-MinWindowBits+1)
		if size := len(message) * (int(repeats) + 1); size < 1<<16 {
			message = bytes.Repeat(message, int(repeats)+1)
		}
		payload := Compress(nil, message, bits)
		got, err := Inflate(nil, payload, bits, int64(len(message)))
		if err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes in a window of %d bits: %d, %v", len(message), bits, len(got), err)
		}
		if got, err := inflateIndependently(payload); err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes in a window of %d bits: elsewhere %d, %v", len(message), bits, len(got), err)
		}
		if farthest, err := reach(payload); err != nil || farthest > 1<<bits {
			t.Fatalf("%d bytes in a window of %d bits: reaches %d bytes back, %v", len(message), bits, farthest, err)
		}
	})
}
