package preflight

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// roomy is a host on which everything below is fine.
var roomy = Host{
	DescriptorsSoft: 1024, DescriptorsHard: 20_000,
	FilesOpen: 1_000, FilesMax: 1_000_000,
	PortLow: 32_768, PortHigh: 60_999,
	Somaxconn: 4_096, TCPPressureBytes: 1 << 30, AvailableBytes: 8 << 30,
}

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	remote   = netip.MustParseAddr("192.0.2.7")
	sixth    = netip.MustParseAddr("::1")
)

func with(change func(*Host)) Host {
	h := roomy
	change(&h)
	return h
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		host    Host
		need    Need
		fatal   string // part of the refusal; empty: none
		warning string
		sources int
	}{
		{"a thousand fit", roomy, Need{1_000, 1, 512, loopback, 0}, "", "", 0},
		{"30,000 in one process of 20,000 descriptors", roomy, Need{30_000, 1, 512, loopback, 0},
			"file descriptors: need 30064 in each of 1 worker (30000 connections and 64 more), have 20000; use --workers 2", "", 5},
		{"30,000 in two", roomy, Need{30_000, 2, 512, loopback, 0}, "", "", 5},
		{"exactly the limit", roomy, Need{19_936, 1, 512, loopback, 0}, "", "", 3},
		{"one more", roomy, Need{19_937, 1, 512, loopback, 0}, "use --workers 2", "", 3},
		{"a limit below the reserve", with(func(h *Host) { h.DescriptorsHard = 64 }), Need{10, 1, 10, loopback, 0}, "raise the hard limit of open files to 74", "", 0},
		{"a quarter of the ports needs no spreading", roomy, Need{7_058, 1, 512, loopback, 0}, "", "", 0},
		{"beyond it loopback is spread", roomy, Need{7_059, 1, 512, loopback, 0}, "", "", 2},
		{"a remote target has the port range only", roomy, Need{28_232, 2, 512, remote, 0}, "", "", 0},
		{"and is refused beyond", roomy, Need{28_233, 2, 512, remote, 0}, "local ports: need 28233, have 28232 (32768 to 60999); widen", "", 0},
		{"so is ::1, which is a single address", roomy, Need{28_233, 2, 512, sixth, 0}, "local ports", "", 0},
		{"files of the system, both ends", with(func(h *Host) { h.FilesMax = 2_999 }), Need{1_000, 1, 512, loopback, 0}, "have 1999 of 2999 left; sysctl -w fs.file-max=3000", "", 0},
		{"files of the system, one end", with(func(h *Host) { h.FilesMax = 2_999 }), Need{1_000, 1, 512, remote, 0}, "", "", 0},
		{"a short listen queue", with(func(h *Host) { h.Somaxconn = 128 }), Need{1_000, 1, 512, loopback, 0}, "", "use --in-flight 128", 0},
		{"of another host is not known", with(func(h *Host) { h.Somaxconn = 128 }), Need{1_000, 1, 512, remote, 0}, "", "", 0},
		{"little TCP memory", with(func(h *Host) { h.TCPPressureBytes = 1 << 20 }), Need{1_000, 1, 512, loopback, 0}, "", "net.ipv4.tcp_mem to 3000 pages", 0},
		{"little memory", with(func(h *Host) { h.AvailableBytes = 6 << 20 }), Need{1_000, 1, 512, loopback, 0}, "memory: need 11 MiB, have 6 MiB available; use --connections 512 or fewer", "", 0},
		{"little memory beside the records", with(func(h *Host) { h.AvailableBytes = 12 << 20 }), Need{1_000, 1, 512, loopback, 1 << 17}, "memory: need 15 MiB, have 12 MiB available; use --connections 682 or fewer", "", 0},
		{"too many records", roomy, Need{1_000, 8, 512, loopback, 16 << 24}, "memory: need 8203 MiB, have 8192 MiB available; use a shorter --duration, a lower --rate, or fewer --workers or loops", "", 0},
		{"nothing could be read", Host{}, Need{100_000, 1, 512, loopback, 0}, "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Check(c.host, c.need)
			switch err := r.Err(); {
			case c.fatal == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.fatal != "" && (err == nil || !strings.Contains(err.Error(), c.fatal)):
				t.Errorf("refusal %v, want %q", err, c.fatal)
			}
			var warnings []string
			for _, w := range r.Warnings() {
				warnings = append(warnings, w.String())
			}
			if got := strings.Join(warnings, "\n"); (c.warning == "") != (got == "") || !strings.Contains(got, c.warning) {
				t.Errorf("warnings %q, want %q", got, c.warning)
			}
			if len(r.Sources) != c.sources {
				t.Errorf("%d sources, want %d", len(r.Sources), c.sources)
			}
		})
	}
}

func TestSourcesAreLoopbackAndDistinct(t *testing.T) {
	r := Check(with(func(h *Host) {
		h.DescriptorsHard = 1 << 30
		h.FilesMax = 1 << 40
		h.TCPPressureBytes = 0
		h.AvailableBytes = 0
	}),
		Need{1_000_000, 1, 512, loopback, 0})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	seen := map[netip.Addr]bool{loopback: true}
	for _, a := range r.Sources {
		if seen[a] || !a.IsLoopback() {
			t.Errorf("source %v", a)
		}
		seen[a] = true
	}
}

func TestThisHost(t *testing.T) {
	if err := RaiseDescriptors(); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur != limit.Max {
		t.Fatalf("limit after raising: %+v, %v", limit, err)
	}
	h := ReadHost()
	if h.DescriptorsHard != limit.Max || h.PortHigh <= h.PortLow || h.AvailableBytes == 0 || h.TCPPressureBytes == 0 || h.FilesMax == 0 {
		t.Errorf("read %+v", h)
	}
}
