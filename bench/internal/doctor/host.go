package doctor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Host is what [Examine] judges. Zero, "" and nil mean that the host has no
// such source.
type Host struct {
	Kernel          string // release, "6.1.0-13-amd64"
	DescriptorsHard uint64 // per process; programs raise their soft limit to it

	PortFirst, PortLast int

	MemoryAvailable  uint64 // bytes
	TCPMemPressure   int    // bytes of socket memory at which the kernel starts to press
	ReceiveBufferMax int    // bytes, autotuning's ceiling
	SendBufferMax    int    // bytes

	Somaxconn  int
	SynBacklog int

	TrackingCount, TrackingMax int // conntrack entries; 0 when not loaded

	CPUs     int
	CPUQuota float64 // CPUs by cgroup; 0 without quota
	Governor string
	Steal    *float64 // share of all CPUs over the sample
	Busy     *float64 // share of all CPUs, this process included
	Busiest  []string // up to three commands that used most of it
}

// ReadHost reads the limits and watches the CPUs for the length of sample.
func ReadHost(ctx context.Context, sample time.Duration) (Host, error) {
	var h Host
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return h, fmt.Errorf("read descriptor limit: %w", err)
	}
	h.DescriptorsHard = limit.Max
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return h, fmt.Errorf("read kernel release: %w", err)
	}
	h.Kernel = string(name.Release[:bytes.IndexByte(name.Release[:], 0)])

	if r := sysctl("net/ipv4/ip_local_port_range"); len(r) == 2 {
		h.PortFirst, h.PortLast = r[0], r[1]
	} else {
		return h, fmt.Errorf("read /proc/sys/net/ipv4/ip_local_port_range: want two numbers, found %d", len(r))
	}
	if m := sysctl("net/ipv4/tcp_mem"); len(m) == 3 {
		h.TCPMemPressure = m[1] * os.Getpagesize()
	}
	h.ReceiveBufferMax = last(sysctl("net/ipv4/tcp_rmem"))
	h.SendBufferMax = last(sysctl("net/ipv4/tcp_wmem"))
	h.Somaxconn = last(sysctl("net/core/somaxconn"))
	h.SynBacklog = last(sysctl("net/ipv4/tcp_max_syn_backlog"))
	h.TrackingCount = last(sysctl("net/netfilter/nf_conntrack_count"))
	h.TrackingMax = last(sysctl("net/netfilter/nf_conntrack_max"))

	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return h, fmt.Errorf("open /proc: %w", err)
	}
	memory, err := fs.Meminfo()
	if err != nil {
		return h, fmt.Errorf("read memory: %w", err)
	}
	if memory.MemAvailableBytes != nil {
		h.MemoryAvailable = *memory.MemAvailableBytes
	}
	h.CPUs = runtime.NumCPU()
	h.CPUQuota = quota()
	if b, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); err == nil {
		h.Governor = strings.TrimSpace(string(b))
	}
	return h, h.watch(ctx, fs, sample)
}

// watch fills in what the CPUs did over the sample.
func (h *Host) watch(ctx context.Context, fs procfs.FS, sample time.Duration) error {
	before, err := fs.Stat()
	if err != nil {
		return fmt.Errorf("read CPU times: %w", err)
	}
	used := processTimes(fs)
	select {
	case <-time.After(sample):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := fs.Stat()
	if err != nil {
		return fmt.Errorf("read CPU times: %w", err)
	}
	a, b := before.CPUTotal, after.CPUTotal
	all := total(b) - total(a)
	if all <= 0 {
		return nil
	}
	stolen := (b.Steal - a.Steal) / all
	busy := 1 - (b.Idle+b.Iowait-a.Idle-a.Iowait)/all - stolen
	h.Steal, h.Busy = &stolen, &busy
	h.Busiest = busiest(used, processTimes(fs))
	return nil
}

func total(c procfs.CPUStat) float64 {
	return c.User + c.Nice + c.System + c.Idle + c.Iowait + c.IRQ + c.SoftIRQ + c.Steal
}

type usage struct {
	command string
	seconds float64
}

// processTimes reads the CPU seconds of every other process.
func processTimes(fs procfs.FS) map[int]usage {
	times := map[int]usage{}
	all, err := fs.AllProcs()
	if err != nil {
		return times
	}
	for _, p := range all {
		if p.PID == os.Getpid() {
			continue
		}
		if stat, err := p.Stat(); err == nil { // else it has just ended
			times[p.PID] = usage{stat.Comm, stat.CPUTime()}
		}
	}
	return times
}

// busiest names up to three processes that used CPU between two readings.
func busiest(before, after map[int]usage) []string {
	var grown []usage
	for pid, u := range after {
		if d := u.seconds - before[pid].seconds; d > 0 {
			grown = append(grown, usage{fmt.Sprintf("%s, pid %d", u.command, pid), d})
		}
	}
	sort.Slice(grown, func(i, j int) bool { return grown[i].seconds > grown[j].seconds })
	var names []string
	for _, u := range grown[:min(3, len(grown))] {
		names = append(names, u.command)
	}
	return names
}

// sysctl reads the numbers of one setting; none if the host lacks it.
func sysctl(name string) []int {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return nil
	}
	var numbers []int
	for _, field := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(field); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func last(numbers []int) int {
	if len(numbers) == 0 {
		return 0
	}
	return numbers[len(numbers)-1]
}

// quota reads the cgroup's CPU quota, version 2 before version 1.
func quota() float64 {
	if b, err := os.ReadFile("/sys/fs/cgroup/cpu.max"); err == nil {
		var most, period float64
		if n, _ := fmt.Sscan(string(b), &most, &period); n == 2 && period > 0 {
			return most / period
		}
		return 0 // "max"
	}
	most := readNumber("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
	period := readNumber("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
	if most > 0 && period > 0 {
		return most / period
	}
	return 0
}

func readNumber(path string) float64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	f, _ := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	return f
}
