//go:build faults

package faults

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// What may not be asserted is measured here, at the server's default addresses, which must be free. Nothing else should run.

// BenchmarkPingDuringPass publishes b.N times to 18,000 members, and sends ping after ping on a connection of its own until three in
// four of them have got it. From a ping to its pong's arrival, by the kernel's stamp, it reports milliseconds.
func BenchmarkPingDuringPass(b *testing.B) {
	const members = 18_000
	start(b, "--ping-interval", "0s")
	c := newCrowd(b)
	all := c.join(members, whence{path: "/rooms/r"})
	one := c.publisher(all[0])
	other := c.join(1, whence{})
	c.pause(other) // the crowd is not to read it
	fd := int(other[0].fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		b.Fatal(err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		b.Fatal(err)
	}
	ping := masked(ws.OpPing, nil)
	for stamped := false; !stamped; _, stamped = arrival(b, fd) { // the kernel begins to stamp a little later
		if _, err := unix.Write(fd, ping); err != nil {
			b.Fatal(err)
		}
	}
	var took []time.Duration
	b.ResetTimer()
	for i := range b.N {
		one.publish(128)
		for enough := int64(i*members + members*3/4); c.received.Load() < enough; {
			sent := time.Now()
			if _, err := unix.Write(fd, ping); err != nil {
				b.Fatal(err)
			}
			arrived, ok := arrival(b, fd)
			if !ok {
				b.Fatal("a pong without a time stamp")
			}
			took = append(took, arrived.Sub(sent))
			time.Sleep(500 * time.Microsecond)
		}
		c.gotAll(all, one)
	}
	if len(took) == 0 {
		b.Fatal("no ping was sent during a pass")
	}
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
	b.ReportMetric(milliseconds(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(milliseconds(took[len(took)-1]), "max-ms")
	b.ReportMetric(float64(len(took)), "pings")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// arrival reads one empty pong and returns when the kernel received it, if that is known.
func arrival(b *testing.B, fd int) (at time.Time, ok bool) {
	b.Helper()
	pong, control := make([]byte, 2), make([]byte, 64)
	n, length, _, _, err := unix.Recvmsg(fd, pong, control, 0)
	if err != nil || n != len(pong) || pong[0] != 0x80|byte(ws.OpPong) {
		b.Fatalf("read pong: %x, %v", pong[:max(n, 0)], err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:length])
	if err != nil {
		b.Fatalf("read time stamp: %v", err)
	}
	if len(messages) != 1 || len(messages[0].Data) < int(unsafe.Sizeof(unix.Timespec{})) {
		return time.Time{}, false
	}
	stamp := (*unix.Timespec)(unsafe.Pointer(&messages[0].Data[0]))
	return time.Unix(stamp.Unix()), true
}

// BenchmarkSlowReaders runs the load generator with 9,900 subscribers, 1 KiB × 20/s, once alone and once beside 100 members that read
// nothing, each time with a fresh server, and reports both delivery p99s in milliseconds and their ratio. It also reports in how many of
// the runs the generator could not vouch for its p99, as on a host that the load fills: the ratio alone may say something then.
func BenchmarkSlowReaders(b *testing.B) {
	loadgen := filepath.Join(b.TempDir(), "loadgen")
	if out, err := exec.Command("go", "build", "-o", loadgen, "fanbench/loadgen").CombinedOutput(); err != nil {
		b.Fatalf("build loadgen: %v\n%s", err, out)
	}
	var alone, beside float64
	untrusted := 0
	b.ResetTimer()
	for i := range b.N {
		for k := range 2 {
			sum, slow := &alone, 0
			if (i+k)%2 == 1 {
				sum, slow = &beside, 100
			}
			p99, trusted := deliveryP99(b, loadgen, slow)
			*sum += p99
			if !trusted {
				untrusted++
			}
		}
	}
	b.ReportMetric(alone/float64(b.N), "p99-alone-ms")
	b.ReportMetric(beside/float64(b.N), "p99-beside-slow-ms")
	b.ReportMetric(beside/alone, "ratio")
	b.ReportMetric(float64(untrusted), "untrusted-runs")
}

func deliveryP99(b *testing.B, loadgen string, slow int) (milliseconds float64, trusted bool) {
	b.Helper()
	s := start(b, "--max-backlog", "64KiB", "--sndbuf", "32KiB")
	defer s.end()
	c := newCrowd(b)
	c.pause(c.join(slow, whence{path: "/rooms/r", receive: 4 << 10}))
	run := exec.Command(loadgen, "run", "--url", "ws://"+address+"/rooms/r", "--connections", "9900", "--rate", "20/s",
		"--size", "1KiB", "--duration", "10s", "--json", "--out", filepath.Join(b.TempDir(), "out"))
	var out bytes.Buffer
	var said bytes.Buffer
	run.Stdout, run.Stderr = &out, &said
	const noTrust = 3 // exit status
	if err := run.Run(); err != nil && run.ProcessState.ExitCode() != noTrust {
		b.Fatalf("loadgen: %v\n%s", err, said.Bytes())
	}
	type metrics map[string]struct {
		Value float64 `json:"value"` // seconds
	}
	var result struct {
		Metrics   metrics `json:"metrics"`
		Untrusted metrics `json:"untrusted"`
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		b.Fatalf("read result: %v", err)
	}
	if n := s.rejected("slow"); n != slow {
		b.Fatalf("%d closed as slow, want %d", n, slow)
	}
	p99, trusted := result.Metrics["delivery.p99"]
	if !trusted {
		p99 = result.Untrusted["delivery.p99"]
	}
	if p99.Value <= 0 {
		b.Fatalf("the run has no delivery.p99:\n%s", said.Bytes())
	}
	return 1000 * p99.Value, trusted
}
