package preflight

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadHost reads the limits of this machine and process. What the kernel does
// not offer stays 0.
func ReadHost() Host {
	var h Host
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		h.DescriptorsSoft, h.DescriptorsHard = limit.Cur, limit.Max
	}
	if f := numbers("/proc/sys/fs/file-nr"); len(f) == 3 {
		h.FilesOpen, h.FilesMax = f[0], f[2]
	}
	if f := numbers("/proc/sys/net/ipv4/ip_local_port_range"); len(f) == 2 {
		h.PortLow, h.PortHigh = int(f[0]), int(f[1])
	}
	if f := numbers("/proc/sys/net/core/somaxconn"); len(f) == 1 {
		h.Somaxconn = int(f[0])
	}
	if f := numbers("/proc/sys/net/ipv4/tcp_mem"); len(f) == 3 {
		h.TCPPressureBytes = f[1] * uint64(os.Getpagesize())
	}
	h.AvailableBytes = available("/proc/meminfo")
	return h
}

// RaiseDescriptors lifts this process's soft limit of open files to the hard
// one. The Go runtime does the same for itself at start, but gives the lower
// limit back to the programs that it runs.
func RaiseDescriptors() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read descriptor limit: %w", err)
	}
	if limit.Cur >= limit.Max {
		return nil
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise descriptor limit to %d: %w", limit.Max, err)
	}
	return nil
}

// numbers reads a file of whitespace-separated numbers; nil when it cannot. A
// number beyond 64 bits (an unlimited file-max) reads as the largest.
func numbers(path string) []uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var all []uint64
	for field := range strings.FieldsSeq(string(text)) {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil && n == 0 {
			return nil
		}
		all = append(all, n)
	}
	return all
}

func available(path string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
