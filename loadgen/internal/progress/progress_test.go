package progress

import (
	"strings"
	"testing"
	"time"
)

func ptr[T any](v T) *T { return &v }

func TestLine(t *testing.T) {
	for _, c := range []struct {
		line Line
		want string
	}{
		{Line{Phase: "ramp", Elapsed: 300 * time.Millisecond, Open: 512, Connections: 10_001},
			"ramp    0.3s | 512/10,001 open"},
		{Line{Phase: "ramp", Elapsed: time.Second, Open: 0, Connections: 10, Failed: 3},
			"ramp    1.0s | 0/10 open | 3 failed"},
		{Line{Phase: "measure", Elapsed: 3 * time.Second, Planned: 10 * time.Second, Open: 10_001, Connections: 10_001,
			DeliveriesPerSec: ptr(49_999.6), P50: ptr(1_234 * time.Microsecond), P99: ptr(45_600 * time.Microsecond),
			SendLagP99: ptr(87 * time.Microsecond)},
			"measure 3.0s/10s | 10,001/10,001 open | 50,000 deliveries/s | p50 1.23ms p99 45.6ms | lost 0 | send lag p99 87.0µs"},
		{Line{Phase: "drain", Elapsed: time.Second, Planned: 30 * time.Second, Open: 9, Connections: 10,
			DeliveriesPerSec: ptr(1_000_000.0), Lost: 12, Outstanding: 1_234},
			"drain   1.0s/30s | 9/10 open | 1,000,000 deliveries/s | lost 12 | outstanding 1,234"},
	} {
		if got := c.line.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 999: "999ns", 1_500: "1.50µs", 15_000: "15.0µs", 150_000: "150µs",
		2 * time.Millisecond: "2.00ms", 12 * time.Second: "12.0s", 200 * time.Second: "200s", 2000 * time.Second: "2000s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestPlainLinesComeOncePerSecondAndAtEachPhase(t *testing.T) {
	var out strings.Builder
	p := New(&out, false, 0)
	for _, at := range []int{0, 200, 999, 1100, 1500, 2000} {
		p.Show(Line{Phase: "ramp", Elapsed: time.Duration(at) * time.Millisecond})
	}
	p.Show(Line{Phase: "idle"})
	p.Note("note")
	p.Done()
	want := "ramp    0.0s | 0/0 open\nramp    1.1s | 0/0 open\nramp    2.0s | 0/0 open\nidle    0.0s | 0/0 open\nnote\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestTerminalLineIsRewrittenInPlace(t *testing.T) {
	var out strings.Builder
	p := New(&out, true, 20)
	p.Show(Line{Phase: "ramp", Open: 1, Connections: 1_000_000})
	p.Show(Line{Elapsed: 99 * time.Millisecond, Phase: "ramp", Open: 3, Connections: 3})
	p.Show(Line{Elapsed: 100 * time.Millisecond, Phase: "ramp", Open: 2, Connections: 2})
	p.Note("refused")
	p.Done()
	want := "\r\x1b[2Kramp    0.0s | 1/1," + "\r\x1b[2Kramp    0.1s | 2/2 " + "\r\x1b[2Krefused\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}
