package doctor_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"fanbench/bench/internal/doctor"
	"fanbench/bench/scenarios"
	"fanbench/loadgen/scenario"
)

func catalogue(t *testing.T) []scenario.Scenario {
	t.Helper()
	var all []scenario.Scenario
	for _, name := range scenarios.Default() {
		source, err := scenarios.Source(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Parse(name+".yaml", source)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// capable is a host on which everything is fine.
func capable() doctor.Host {
	none := 0.0
	return doctor.Host{
		Kernel: "6.1.0", DescriptorsHard: 20_000, PortFirst: 32_768, PortLast: 60_999,
		MemoryAvailable: 8 << 30, TCPMemPressure: 2 << 30, ReceiveBufferMax: 6 << 20, SendBufferMax: 4 << 20,
		Somaxconn: 4096, SynBacklog: 4096, CPUs: 2, Governor: "performance", Steal: &none, Busy: &none,
	}
}

func TestExamine(t *testing.T) {
	share := func(v float64) *float64 { return &v }
	all := scenarios.Default()
	for _, c := range []struct {
		name   string
		change func(*doctor.Host)
		row    string
		status doctor.Status
		blocks []string
	}{
		{"capable", func(*doctor.Host) {}, "", "", nil},
		{"old kernel", func(h *doctor.Host) { h.Kernel = "4.9.0" }, "kernel", doctor.Fail, all},
		{"few descriptors", func(h *doctor.Host) { h.DescriptorsHard = 12_000 }, "descriptors", doctor.Fail, []string{"fanout-30k", "connect-storm"}},
		{"hardly any descriptors", func(h *doctor.Host) { h.DescriptorsHard = 256 }, "descriptors", doctor.Fail, all},
		{"few ports", func(h *doctor.Host) { h.PortFirst, h.PortLast = 60_000, 60_099 }, "local ports", doctor.Fail, []string{"fanout-30k"}},
		{"little memory", func(h *doctor.Host) { h.MemoryAvailable = 900 << 20 }, "memory", doctor.Fail, []string{"fanout-30k", "connect-storm"}},
		{"little socket memory", func(h *doctor.Host) { h.TCPMemPressure = 1 << 20 }, "tcp_mem", doctor.Warn, nil},
		{"small buffers", func(h *doctor.Host) { h.SendBufferMax = 64 << 10 }, "tcp_rmem, tcp_wmem", doctor.Warn, nil},
		{"short accept queue", func(h *doctor.Host) { h.Somaxconn = 128 }, "somaxconn", doctor.Warn, nil},
		{"short SYN backlog", func(h *doctor.Host) { h.SynBacklog = 128 }, "tcp_max_syn_backlog", doctor.Warn, nil},
		{"connection tracking", func(h *doctor.Host) { h.TrackingCount, h.TrackingMax = 500, 4096 }, "conntrack", doctor.Fail,
			[]string{"fanout-10k", "fanout-30k", "rooms", "overload", "flood", "connect-storm"}},
		{"one CPU", func(h *doctor.Host) { h.CPUs = 1 }, "CPUs", doctor.Warn, nil},
		{"small quota", func(h *doctor.Host) { h.CPUs, h.CPUQuota = 8, 1.5 }, "CPUs", doctor.Warn, nil},
		{"powersave", func(h *doctor.Host) { h.Governor = "powersave" }, "CPU governor", doctor.Warn, nil},
		{"steal", func(h *doctor.Host) { h.Steal = share(0.1) }, "CPU steal", doctor.Warn, nil},
		{"busy", func(h *doctor.Host) { h.Busy, h.Busiest = share(0.5), []string{"cc1, pid 7"} }, "other load", doctor.Warn, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := capable()
			c.change(&h)
			report := doctor.Examine(h, catalogue(t))
			for _, row := range report.Rows {
				want, blocks := doctor.OK, []string(nil)
				if row.Name == c.row {
					want, blocks = c.status, c.blocks
				}
				if row.Status != want || !slices.Equal(row.Blocks, blocks) {
					t.Errorf("%s: %s, blocks %v; want %s, %v", row.Name, row.Status, row.Blocks, want, blocks)
				}
				if (row.Remedy == "") != (row.Status == doctor.OK) {
					t.Errorf("%s: %s with remedy %q", row.Name, row.Status, row.Remedy)
				}
			}
			if got := len(report.Runnable()); got != len(all)-len(c.blocks) {
				t.Errorf("%d scenarios can run, want %d", got, len(all)-len(c.blocks))
			}
		})
	}
}

// What the host does not have is not judged.
func TestAbsentSources(t *testing.T) {
	h := capable()
	h.Governor, h.Steal, h.Busy, h.TrackingMax = "", nil, nil, 0
	for _, row := range doctor.Examine(h, catalogue(t)).Rows {
		if slices.Contains([]string{"CPU governor", "CPU steal", "other load", "conntrack"}, row.Name) {
			t.Errorf("%s is judged though the host has no such source", row.Name)
		}
	}
}

func TestPrint(t *testing.T) {
	h := capable()
	h.DescriptorsHard, h.Governor = 12_000, "powersave"
	var b bytes.Buffer
	if err := doctor.Print(&b, doctor.Examine(h, catalogue(t))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"descriptors", "12,000 per process", "cannot run here: fanout-30k, connect-storm", "remedy: cpupower",
		"6 of 8 scenarios can run on this host: fanout-1k,",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &b)
		}
	}
}

func TestReadHost(t *testing.T) {
	h, err := doctor.ReadHost(context.Background(), 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if h.DescriptorsHard == 0 || h.PortLast <= h.PortFirst || h.MemoryAvailable == 0 || h.CPUs == 0 || h.Kernel == "" || h.Somaxconn == 0 {
		t.Errorf("a limit that every Linux has is missing: %+v", h)
	}
}

func TestReadHostInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := doctor.ReadHost(ctx, time.Hour); err == nil {
		t.Error("want the context's error")
	}
}
