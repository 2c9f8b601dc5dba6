package engine

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/gobwas/ws"

	"fanbench/loadgen/internal/ledger"
	"fanbench/loadgen/internal/plan"
	"fanbench/loadgen/scenario"
	"fanbench/server/deflate"
)

const agreeing = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9"

// TestOffer: the answers of RFC 7692 §7.1 to our offer, and to none.
func TestOffer(t *testing.T) {
	for _, c := range []struct {
		name    string
		offered bool
		answers []string
		bucket  string
		agreed  deflate.Params
	}{
		{name: "declined", offered: true},
		{name: "not offered"},
		{name: "agreed", offered: true, answers: []string{agreeing}, agreed: deflate.Params{ServerMaxWindowBits: 9, ClientMaxWindowBits: 9}},
		{name: "windows left open", offered: true, answers: []string{"permessage-deflate; server_no_context_takeover"},
			agreed: deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}},
		{name: "chosen without an offer", answers: []string{agreeing}, bucket: bucketAnswer},
		{name: "with context takeover", offered: true, answers: []string{"permessage-deflate"}, bucket: bucketAnswer},
		{name: "another extension", offered: true, answers: []string{"x-webkit-deflate-frame"}, bucket: bucketAnswer},
		{name: "twice in one field", offered: true, answers: []string{agreeing + ", " + agreeing}, bucket: bucketAnswer},
		{name: "twice in two fields", offered: true, answers: []string{agreeing, agreeing}, bucket: bucketAnswer},
		{name: "window of 16 bits", offered: true, answers: []string{"permessage-deflate; server_no_context_takeover; server_max_window_bits=16"}, bucket: bucketAnswer},
	} {
		h := &handshake{offered: c.offered}
		copy(h.key[:], "dGhlIHNhbXBsZSBub25jZQ==")
		_, done, bucket, example := h.take(switching(string(h.key[:]), c.answers...))
		if bucket != c.bucket || done != (c.bucket == "") || h.agreed != c.agreed {
			t.Errorf("%s: done %t, %q (%s), agreed %+v", c.name, done, bucket, example, h.agreed)
		}
		if request := h.appendRequest(nil, "/", "h"); bytes.Contains(request, []byte(offer.String())) != c.offered {
			t.Errorf("%s: request %q", c.name, request)
		}
	}
}

func TestDeflatedFanout(t *testing.T) {
	for _, c := range []struct {
		name     string
		script   script
		deflated int
	}{
		{"agreed", script{deflate: agreeing}, 21},
		{"declined", script{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fanoutOf(t, 20, 1, 1)
			s.Deflate, s.Payload, s.Size = true, scenario.JSON, 1<<10
			e := startEngine(t, configOf(t, s, 0, startPeer(t, c.script).address()))
			if ramp := e.Ramp(context.Background()); ramp.Opened != 21 || ramp.Deflated != c.deflated {
				t.Fatalf("%d opened, %d with deflate, want 21 and %d", ramp.Opened, ramp.Deflated, c.deflated)
			}
			phase(t, plan.WarmUp, allDelivered, e)
			phase(t, plan.Measure, allDelivered, e)
			a := settle(e)[0]
			balanced(t, a)
			if a.Ledger.Delivered != 20*150 || a.Ledger.MeasuredDelivered != 20*100 || a.Ledger.Unknown+a.Ledger.Corrupt != 0 {
				t.Errorf("ledger %+v", a.Ledger)
			}
			// A publication is 1 KiB: what arrived says whether it was compressed.
			if small := a.ReadBytes < 800*20*150; small != (c.deflated > 0) {
				t.Errorf("%d bytes arrived for %d deliveries", a.ReadBytes, a.Ledger.Delivered)
			}
		})
	}
}

func TestDeflatedEcho(t *testing.T) {
	s := closedLoopOf(t, 5, 2)
	s.Deflate, s.Payload, s.Size = true, scenario.JSON, 1<<10
	e := startEngine(t, configOf(t, s, 0, startPeer(t, script{deflate: agreeing}).address()))
	ramped(t, e)
	phase(t, plan.WarmUp, allDelivered, e)
	phase(t, plan.Measure, allDelivered, e)
	a := settle(e)[0]
	balanced(t, a)
	if a.Ledger.Delivered == 0 || a.Ledger.Delivered != a.Ledger.Sent {
		t.Errorf("ledger %+v", a.Ledger)
	}
}

// TestTargetBreaksDeflate: rows 25 and 57 to 59 of the table of bad input,
// mirrored.
func TestTargetBreaksDeflate(t *testing.T) {
	bomb := deflate.Compress(nil, make([]byte, 64<<20), deflate.MaxWindowBits)
	for _, c := range []struct {
		name   string
		bytes  []byte
		reason string
		code   ws.StatusCode
	}{
		{"64 KiB that inflate to 64 MiB", compressedFrame(ws.OpBinary, bomb), "inflates-too-large", 1009},
		{"not DEFLATE", compressedFrame(ws.OpBinary, []byte("hello")), "deflate", 1007},
		{"cut short", compressedFrame(ws.OpBinary, deflate.Compress(nil, []byte("hello, hello, hello"), 9)[:5]), "deflate", 1007},
		{"text that inflates to no UTF-8", compressedFrame(ws.OpText, deflate.Compress(nil, []byte("\xff\xfe"), 9)), "utf8", 1007},
		{"RSV1 on a ping", []byte{0xc9, 0}, "rsv", 1002},
		{"RSV1 on a continuation", []byte{0x41, 1, 'a', 0xc0, 0}, "rsv", 1002},
		{"RSV2", []byte{0xa1, 0}, "rsv", 1002},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := startPeer(t, script{deflate: agreeing, glue: c.bytes})
			s := scenarioOf(t, "workload", "connect", "connections", "1", "deflate", "true")
			e := startEngine(t, configOf(t, s, 0, target.address()))
			e.Ramp(context.Background())
			eventually(t, "the connection to be failed", func() bool { return e.Tick().Closed == 1 })
			wantFailure(t, settle(e)[0].Failures, "protocol-"+c.reason, 1, fmt.Sprintf("(close code %d)", c.code))
		})
	}
}

// deflated are the plan's publications as compressed frames, one a read.
func deflated(r *receiver) [][]byte {
	batches := reads(r, 1)
	for i, b := range batches {
		batches[i] = compressedFrame(ws.OpText, deflate.Compress(nil, b[len(b)-128:], peerWindow))
	}
	return batches
}

// BenchmarkReceiveDeflated is BenchmarkReceive with compressed messages, one
// operation a delivery.
func BenchmarkReceiveDeflated(b *testing.B) {
	const members = 5000
	r := idleReceiver(b, members)
	for i := range r.conns {
		r.conns[i].inflate = peerWindow
	}
	batches := deflated(r)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		for _, batch := range batches {
			for i := range members {
				r.arrive(&r.conns[i], batch)
			}
			if done += members; done >= b.N {
				break
			}
		}
		r.account = ledger.New(members)
	}
}
