// Package preflight says, before the first connect, whether this host can hold
// the run: descriptors, ports, listen queue, kernel and process memory.
//
// [Check] is arithmetic on a [Host]; [ReadHost] is the only function that looks
// at the machine. What may be fixed is fixed: the soft descriptor limit is
// raised ([RaiseDescriptors]) and, for a loopback target, sources are spread
// over 127.0.0.x ([Report.Sources]). Anything else is refused with what is
// needed, what there is and what to do.
package preflight

import (
	"fmt"
	"net/netip"
	"strings"
)

// Host is what the machine offers. A value that could not be read is 0 and is
// not checked.
type Host struct {
	DescriptorsSoft, DescriptorsHard uint64 // of each process
	FilesOpen, FilesMax              uint64 // of the whole system
	PortLow, PortHigh                int    // inclusive range of ephemeral ports
	Somaxconn                        int    // longest listen queue, connections
	TCPPressureBytes                 uint64 // tcp_mem: the kernel saves memory from here on
	AvailableBytes                   uint64 // memory that can be had without swapping
}

// Need is what the run will ask for.
type Need struct {
	Connections int // over all workers, publishers included
	Workers     int
	InFlight    int // handshakes under way at once
	Target      netip.Addr
	Records     int // of a fan-out's publications, over all loops of all workers
}

// Descriptors is how many one worker needs.
func (n Need) Descriptors() int { return n.PerWorker() + reservedDescriptors }

// loopback reports whether the target is on this host, so that both ends of a
// connection take from it.
func (n Need) loopback() bool { return n.Target.IsLoopback() }

// PerWorker is the most connections that one worker holds.
func (n Need) PerWorker() int { return ceilDivide(n.Connections, max(1, n.Workers)) }

const (
	// reservedDescriptors of a process are not connections: standard streams,
	// epolls, timers, the runtime's own.
	reservedDescriptors = 64

	// sourceShare leaves most ports of a source address free, so that
	// connect finds one at once and ports of an earlier run may rest in
	// TIME_WAIT: a quarter of the range.
	sourceShare = 4

	// endBytes is what one end of an established connection costs the kernel:
	// socket, file, inode and epoll entry, measured at 3 to 4 KiB, plus the
	// generator's or server's own bookkeeping.
	endBytes = 6 << 10

	// recordBytes is what a receive loop keeps of a publication.
	recordBytes = 32
)

// A Problem is one thing that this host lacks. Fatal ones forbid the run.
type Problem struct {
	What   string // "file descriptors"
	Need   string
	Have   string
	Remedy string
	Fatal  bool
}

func (p Problem) String() string {
	return fmt.Sprintf("%s: need %s, have %s; %s", p.What, p.Need, p.Have, p.Remedy)
}

// Report is the outcome of a check.
type Report struct {
	Problems []Problem
	// Sources are the local addresses to connect from in turn; empty leaves the
	// choice to the kernel.
	Sources []netip.Addr
}

// Err lists the problems that forbid the run, one a line; nil when there is none.
func (r Report) Err() error {
	var lines []string
	for _, p := range r.Problems {
		if p.Fatal {
			lines = append(lines, p.String())
		}
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("preflight: %s", strings.Join(lines, "\npreflight: "))
}

// Warnings are the problems that do not forbid the run.
func (r Report) Warnings() []Problem {
	var w []Problem
	for _, p := range r.Problems {
		if !p.Fatal {
			w = append(w, p)
		}
	}
	return w
}

// Check compares what is needed with what there is.
func Check(h Host, n Need) Report {
	var r Report
	add := func(p Problem, ok bool) {
		if ok {
			r.Problems = append(r.Problems, p)
		}
	}
	add(descriptors(h, n))
	add(files(h, n))
	sources, p, lacking := ports(h, n)
	add(p, lacking)
	r.Sources = sources
	add(listenQueue(h, n))
	add(tcpMemory(h, n))
	add(memory(h, n))
	return r
}

func descriptors(h Host, n Need) (Problem, bool) {
	if h.DescriptorsHard == 0 {
		return Problem{}, false
	}
	need := uint64(n.Descriptors())
	if need <= h.DescriptorsHard {
		return Problem{}, false
	}
	remedy := fmt.Sprintf("raise the hard limit of open files to %d or more", need)
	if h.DescriptorsHard > reservedDescriptors {
		remedy = fmt.Sprintf("use --workers %d", ceilDivide(n.Connections, int(h.DescriptorsHard)-reservedDescriptors))
	}
	return Problem{
		What:   "file descriptors",
		Need:   fmt.Sprintf("%d in each of %s (%d connections and %d more)", need, workers(n.Workers), n.PerWorker(), reservedDescriptors),
		Have:   fmt.Sprint(h.DescriptorsHard),
		Remedy: remedy, Fatal: true,
	}, true
}

func files(h Host, n Need) (Problem, bool) {
	need := uint64(n.Connections * ends(n))
	free := h.FilesMax - min(h.FilesMax, h.FilesOpen)
	if h.FilesMax == 0 || need <= free {
		return Problem{}, false
	}
	return Problem{
		What:   "open files of the system",
		Need:   fmt.Sprintf("%d more", need),
		Have:   fmt.Sprintf("%d of %d left", free, h.FilesMax),
		Remedy: fmt.Sprintf("sysctl -w fs.file-max=%d", h.FilesOpen+need), Fatal: true,
	}, true
}

// ports chooses the sources. One (source, target) pair of addresses has as many
// connections as the range has ports.
func ports(h Host, n Need) ([]netip.Addr, Problem, bool) {
	if h.PortHigh == 0 {
		return nil, Problem{}, false
	}
	size := h.PortHigh - h.PortLow + 1
	comfortable := max(1, size/sourceShare)
	if n.Connections <= comfortable {
		return nil, Problem{}, false
	}
	if n.Target.Is4() && n.Target.IsLoopback() {
		if sources := loopbackSources(ceilDivide(n.Connections, comfortable)); sources != nil {
			return sources, Problem{}, false
		}
	}
	if n.Connections <= size {
		return nil, Problem{}, false
	}
	return nil, Problem{
		What:   "local ports",
		Need:   fmt.Sprint(n.Connections),
		Have:   fmt.Sprintf("%d (%d to %d)", size, h.PortLow, h.PortHigh),
		Remedy: "widen the range (sysctl -w net.ipv4.ip_local_port_range='1024 65535') or use fewer --connections", Fatal: true,
	}, true
}

// loopbackSources are n addresses from 127.0.0.2 on; nil when the last octet
// does not suffice. 127.0.0.1 is left to everybody else on the host.
func loopbackSources(n int) []netip.Addr {
	if n > 250 {
		return nil
	}
	sources := make([]netip.Addr, n)
	for i := range sources {
		sources[i] = netip.AddrFrom4([4]byte{127, 0, 0, byte(2 + i)})
	}
	return sources
}

func listenQueue(h Host, n Need) (Problem, bool) {
	// A queue longer than the limit is cut in silence, and a SYN that finds it
	// full is tried again after a second: the connect times would be the
	// queue's, not the target's.
	if h.Somaxconn == 0 || !n.loopback() || n.InFlight <= h.Somaxconn {
		return Problem{}, false
	}
	return Problem{
		What:   "listen queue",
		Need:   fmt.Sprintf("%d (handshakes in flight)", n.InFlight),
		Have:   fmt.Sprint(h.Somaxconn),
		Remedy: fmt.Sprintf("use --in-flight %d or sysctl -w net.core.somaxconn=%d", h.Somaxconn, n.InFlight),
	}, true
}

func tcpMemory(h Host, n Need) (Problem, bool) {
	// A connection that carries anything holds at least a page at each end.
	need := uint64(n.Connections * ends(n) * 4096)
	if h.TCPPressureBytes == 0 || need <= h.TCPPressureBytes {
		return Problem{}, false
	}
	return Problem{
		What:   "kernel memory for TCP",
		Need:   fmt.Sprintf("%d MiB", need>>20),
		Have:   fmt.Sprintf("%d MiB until the kernel throttles", h.TCPPressureBytes>>20),
		Remedy: fmt.Sprintf("raise net.ipv4.tcp_mem to %d pages or more", need/4096*3/2),
	}, true
}

func memory(h Host, n Need) (Problem, bool) {
	need := MemoryBytes(n)
	if h.AvailableBytes == 0 || need <= h.AvailableBytes {
		return Problem{}, false
	}
	records := uint64(n.Records) * recordBytes
	remedy := "use a shorter --duration, a lower --rate, or fewer --workers or loops"
	if records < h.AvailableBytes/2 {
		remedy = fmt.Sprintf("use --connections %d or fewer", (h.AvailableBytes-records)/uint64(ends(n)*endBytes))
	}
	return Problem{
		What:   "memory",
		Need:   fmt.Sprintf("%d MiB", need>>20),
		Have:   fmt.Sprintf("%d MiB available", h.AvailableBytes>>20),
		Remedy: remedy, Fatal: true,
	}, true
}

// MemoryBytes estimates what the run takes from this host: both ends of each
// connection for a loopback target, one otherwise, and the records.
func MemoryBytes(n Need) uint64 {
	return uint64(n.Connections)*uint64(ends(n))*endBytes + uint64(n.Records)*recordBytes
}

func ends(n Need) int {
	if n.loopback() {
		return 2
	}
	return 1
}

func workers(n int) string {
	if n <= 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", n)
}

func ceilDivide(a, b int) int { return (a + b - 1) / b }
