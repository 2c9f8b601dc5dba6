package vitals

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Names of the sources that a [Host] reads, as [HostReading.Absent] lists them.
const (
	SourceCPU         = "/proc/stat"
	SourcePressure    = "/proc/pressure/cpu"
	SourceThrottling  = "cgroup cpu.stat"
	SourceRetransmits = "/proc/self/net/snmp"
)

// HostReading is one look at what the machine did to everything that runs on
// it. Everything counts from boot, or from the control group's start: two
// readings make a stretch. A nil field is a source that the host lacks.
type HostReading struct {
	// CPU time of the watched CPUs, of whatever ran on them.
	CPU *CPUTimes
	// Pressure is how long some task was runnable and waited for a CPU
	// (/proc/pressure/cpu, "some").
	Pressure *time.Duration
	// Throttled is how long the control groups around this process were kept
	// from running, because their CPU limit was used up.
	Throttled *time.Duration
	// Segments are TCP's in this network namespace.
	Segments *Segments
	// Absent names the sources that the host lacks, with the reason.
	Absent map[string]string
}

// CPUTimes of a set of CPUs, added up.
type CPUTimes struct {
	Busy  time.Duration // all but idle; waiting for a disk is idle
	Tasks time.Duration // of it, in processes: no interrupts, no steal
	Steal time.Duration // of it, wanted here and given to another guest
}

// Segments of TCP, of all sockets of the network namespace.
type Segments struct {
	Sent uint64
	// Retransmitted is what was sent again.
	Retransmitted uint64
	// Refused is what arrived here and found a receive or listen queue full. On
	// a path that ends on this host it is sent again, and no link lost it.
	Refused uint64
	// Needless is what was sent again though it had arrived, as the other end
	// said (DSACK, RFC 2883): a process that is stopped answers late.
	Needless uint64
}

// Lost is what a link must have lost: sent again for no other reason.
func (s Segments) Lost() uint64 {
	return s.Retransmitted - min(s.Retransmitted, s.Refused+s.Needless)
}

// Since is what happened between two readings of one host. What one of them
// lacks is absent.
func (r HostReading) Since(before HostReading) HostReading {
	d := HostReading{
		Pressure: since(r.Pressure, before.Pressure), Throttled: since(r.Throttled, before.Throttled),
		Absent: r.Absent,
	}
	if r.CPU != nil && before.CPU != nil {
		d.CPU = &CPUTimes{Busy: r.CPU.Busy - before.CPU.Busy, Tasks: r.CPU.Tasks - before.CPU.Tasks, Steal: r.CPU.Steal - before.CPU.Steal}
	}
	if s, b := r.Segments, before.Segments; s != nil && b != nil {
		d.Segments = &Segments{Sent: s.Sent - b.Sent, Retransmitted: s.Retransmitted - b.Retransmitted, Refused: s.Refused - b.Refused, Needless: s.Needless - b.Needless}
	}
	return d
}

func since(now, before *time.Duration) *time.Duration {
	if now == nil || before == nil {
		return nil
	}
	d := *now - *before
	return &d
}

// Host reads the machine's own counters. A Host may be used by one goroutine at
// a time.
type Host struct {
	root fs.FS
	cpus map[int]bool // watched; nil for all
	// TargetCPUs is how many CPUs the target may run on, 0 if that is not known.
	TargetCPUs int
}

// NewHost reads the machine whose root directory is given (os.DirFS("/")). It
// watches the CPUs that this process and the process target may run on; target
// 0 is a target on another machine, or one that nobody named.
func NewHost(root fs.FS, target int) *Host {
	h := &Host{root: root, cpus: allowed(root, "self")}
	if target == 0 || h.cpus == nil {
		return h
	}
	theirs := allowed(root, strconv.Itoa(target))
	h.TargetCPUs = len(theirs)
	maps.Copy(h.cpus, theirs)
	return h
}

// CPUs is how many CPUs are watched, 0 if that is not known.
func (h *Host) CPUs() int { return len(h.cpus) }

// allowed is the set of CPUs that a process may run on; nil if that is not known.
func allowed(root fs.FS, process string) map[int]bool {
	status, err := fs.ReadFile(root, "proc/"+process+"/status")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(status)) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return cpuList(strings.TrimSpace(list))
		}
	}
	return nil
}

// cpuList reads a list such as 0-3,8; nil if it is none.
func cpuList(list string) map[int]bool {
	cpus := make(map[int]bool)
	for part := range strings.SplitSeq(list, ",") {
		first, last, ranged := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		to := from
		if err == nil && ranged {
			to, err = strconv.Atoi(last)
		}
		if err != nil || to-from > 1<<16 {
			return nil
		}
		for n := from; n <= to; n++ {
			cpus[n] = true
		}
	}
	return cpus
}

// Read looks at every source once.
func (h *Host) Read() HostReading {
	r := HostReading{Absent: make(map[string]string)}
	note := func(source string, err error) {
		if err != nil {
			r.Absent[source] = err.Error()
		}
	}
	var err error
	r.CPU, err = h.cpu()
	note(SourceCPU, err)
	r.Pressure, err = h.pressure()
	note(SourcePressure, err)
	r.Throttled, err = h.throttled()
	note(SourceThrottling, err)
	r.Segments, err = h.segments()
	note(SourceRetransmits, err)
	return r
}

// cpu sums the watched CPUs' lines of /proc/stat: user, nice, system, idle,
// iowait, irq, softirq, steal, in ticks. Time of guests is part of user.
func (h *Host) cpu() (*CPUTimes, error) {
	text, err := fs.ReadFile(h.root, "proc/stat")
	if err != nil {
		return nil, reason(err)
	}
	var t CPUTimes
	seen := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		number, isCPU := strings.CutPrefix(fields[0], "cpu")
		n, err := strconv.Atoi(number)
		if !isCPU || err != nil || len(fields) < 9 || h.cpus != nil && !h.cpus[n] {
			continue
		}
		var ticks [8]time.Duration
		for i := range ticks {
			count, err := strconv.ParseUint(fields[i+1], 10, 63)
			if err != nil {
				return nil, fmt.Errorf("no number: %q", fields[i+1])
			}
			ticks[i] = time.Duration(count) * time.Second / ticksPerSecond
		}
		seen++
		tasks := ticks[0] + ticks[1] + ticks[2]
		t.Tasks += tasks
		t.Busy += tasks + ticks[5] + ticks[6] + ticks[7]
		t.Steal += ticks[7]
	}
	if seen == 0 {
		return nil, errors.New("no CPU of this process is listed")
	}
	return &t, nil
}

// pressure is the total of the line "some", which counts microseconds.
func (h *Host) pressure() (*time.Duration, error) {
	text, err := fs.ReadFile(h.root, "proc/pressure/cpu")
	if err != nil {
		return nil, reason(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, total, found := strings.Cut(line, "total="); found && strings.HasPrefix(line, "some ") {
			return microseconds(total)
		}
	}
	return nil, errors.New("no line of some")
}

func (h *Host) segments() (*Segments, error) {
	tcp, err := h.protocol("proc/self/net/snmp", "Tcp:")
	if err != nil {
		return nil, err
	}
	sent, counted := tcp["OutSegs"]
	if _, both := tcp["RetransSegs"]; !counted || !both {
		return nil, errors.New("no OutSegs and RetransSegs")
	}
	s := &Segments{Sent: sent, Retransmitted: tcp["RetransSegs"]}
	// Without the extended counters nothing is known to have been refused.
	extended, _ := h.protocol("proc/self/net/netstat", "TcpExt:")
	for _, name := range []string{"TCPRcvQDrop", "TCPBacklogDrop", "TCPZeroWindowDrop", "ListenDrops", "TCPReqQFullDrop"} {
		s.Refused += extended[name]
	}
	s.Needless = extended["TCPDSACKRecv"]
	return s, nil
}

// protocol reads one protocol's pair of lines, names above numbers.
func (h *Host) protocol(path, prefix string) (map[string]uint64, error) {
	text, err := fs.ReadFile(h.root, path)
	if err != nil {
		return nil, reason(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		rest, ours := strings.CutPrefix(line, prefix)
		switch {
		case !ours:
		case names == nil:
			names = strings.Fields(rest)
		default:
			values := strings.Fields(rest)
			if len(values) != len(names) {
				return nil, fmt.Errorf("%d names and %d numbers of %s", len(names), len(values), prefix)
			}
			counters := make(map[string]uint64)
			for i, name := range names {
				if n, err := strconv.ParseUint(values[i], 10, 64); err == nil { // MaxConn is -1
					counters[name] = n
				}
			}
			return counters, nil
		}
	}
	return nil, fmt.Errorf("no lines of %s", prefix)
}

// microseconds reads a whole number of them.
func microseconds(text string) (*time.Duration, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("no number: %q", text)
	}
	d := time.Duration(n) * time.Microsecond
	return &d, nil
}

// reason leaves the operation and the path out of an error: the source that it
// stands beside says them.
func reason(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}
