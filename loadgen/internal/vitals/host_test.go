package vitals

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// tree is a root directory of small files.
func tree(files map[string]string) fstest.MapFS {
	root := make(fstest.MapFS)
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

const (
	twoCPUs = "cpu  30 0 30 400 0 1 2 3 0 0\n" +
		"cpu0 10 1 20 100 7 1 2 3 0 0\n" +
		"cpu1 20 0 10 300 0 0 0 0 0 0\nctxt 9\n"
	snmp = "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm MaxConn OutSegs RetransSegs\nTcp: 1 -1 1000 7\n"
	ext  = "TcpExt: SyncookiesSent ListenDrops TCPRcvQDrop TCPBacklogDrop TCPDSACKRecv\nTcpExt: 0 1 2 3 4\nMPTcpExt: MPCapableSYNRX\nMPTcpExt: 0\n"

	mountsOne = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
	mountsTwo = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
)

func ms(n int) *time.Duration { d := time.Duration(n) * time.Millisecond; return &d }

func TestHostReads(t *testing.T) {
	for _, c := range []struct {
		name   string
		files  map[string]string
		want   HostReading
		absent string // sources, in order
	}{
		{"everything, on the CPUs that this process may use",
			map[string]string{
				"proc/self/status": "Name:\ta\nCpus_allowed_list:\t0\n", "proc/stat": twoCPUs,
				"proc/pressure/cpu":   "some avg10=0.00 avg60=0.00 avg300=0.00 total=5000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9000\n",
				"proc/self/cgroup":    "0::/jobs/one\n",
				"proc/self/mountinfo": mountsTwo, "sys/fs/cgroup/jobs/one/cpu.stat": "usage_usec 9\nnr_throttled 4\nthrottled_usec 3000\n",
				"sys/fs/cgroup/jobs/cpu.stat": "nr_throttled 1\nthrottled_usec 1000\n", "sys/fs/cgroup/cpu.stat": "usage_usec 9\n",
				"proc/self/net/snmp": snmp, "proc/self/net/netstat": ext,
			},
			HostReading{
				CPU:      &CPUTimes{Busy: 370 * time.Millisecond, Tasks: 310 * time.Millisecond, Steal: 30 * time.Millisecond},
				Pressure: ms(5), Throttled: ms(4), Segments: &Segments{Sent: 1000, Retransmitted: 7, Refused: 6, Needless: 4},
			}, ""},
		{"version 1 of control groups, a part of the hierarchy mounted",
			map[string]string{
				"proc/self/cgroup":                       "4:memory:/pod/box\n1:cpu,cpuacct:/pod/box/job\n0::/\n",
				"proc/self/mountinfo":                    "32 31 0:29 /pod/box /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" + mountsTwo,
				"sys/fs/cgroup/cpu/job/cpu.stat":         "nr_periods 9\nnr_throttled 1\nthrottled_time 2000000\n",
				"sys/fs/cgroup/cpu/cpu.stat":             "nr_periods 9\nnr_throttled 1\nthrottled_time 1000000\n",
				"sys/fs/cgroup/cpu/pod/box/job/cpu.stat": "throttled_time 99000000\n",
			}, HostReading{Throttled: ms(3)}, "/proc/pressure/cpu /proc/self/net/snmp /proc/stat"},
		{"a group that was never throttled reads 0", map[string]string{
			"proc/self/cgroup": "1:cpu:/\n", "proc/self/mountinfo": mountsOne, "sys/fs/cgroup/cpu/cpu.stat": "throttled_time 0\n",
		}, HostReading{Throttled: ms(0)}, "/proc/pressure/cpu /proc/self/net/snmp /proc/stat"},
		{"the root group has no limit, which is not the same", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountsTwo, "sys/fs/cgroup/cpu.stat": "usage_usec 9\n",
		}, HostReading{}, "/proc/pressure/cpu /proc/self/net/snmp /proc/stat cgroup cpu.stat"},
		{"without an affinity all CPUs count", map[string]string{"proc/stat": twoCPUs},
			HostReading{CPU: &CPUTimes{Busy: 670 * time.Millisecond, Tasks: 610 * time.Millisecond, Steal: 30 * time.Millisecond}},
			"/proc/pressure/cpu /proc/self/net/snmp cgroup cpu.stat"},
		{"files that hold something else", map[string]string{
			"proc/stat": "cpu0 a b c d e f g h\n", "proc/pressure/cpu": "some total=x\n", "proc/self/net/snmp": "Tcp: A B\nTcp: 1\n",
			"proc/self/cgroup": "hello\n", "proc/self/mountinfo": "hello\n",
		}, HostReading{}, "/proc/pressure/cpu /proc/self/net/snmp /proc/stat cgroup cpu.stat"},
		{"nothing", nil, HostReading{}, "/proc/pressure/cpu /proc/self/net/snmp /proc/stat cgroup cpu.stat"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := NewHost(tree(c.files), 0).Read()
			if absent := strings.Join(slices.Sorted(maps.Keys(got.Absent)), " "); absent != c.absent {
				t.Errorf("absent %s, want %s", absent, c.absent)
			}
			for source, why := range got.Absent {
				if why == "" {
					t.Errorf("%s is absent without a reason", source)
				}
			}
			same(t, "CPU", got.CPU, c.want.CPU)
			same(t, "pressure", got.Pressure, c.want.Pressure)
			same(t, "throttled", got.Throttled, c.want.Throttled)
			same(t, "segments", got.Segments, c.want.Segments)
		})
	}
}

func same[T comparable](t *testing.T, what string, got, want *T) {
	t.Helper()
	switch {
	case (got == nil) != (want == nil):
		t.Errorf("%s is there: %v, want %v", what, got != nil, want != nil)
	case got != nil && *got != *want:
		t.Errorf("%s %+v, want %+v", what, *got, *want)
	}
}

func TestSince(t *testing.T) {
	before := HostReading{CPU: &CPUTimes{Busy: 1, Tasks: 1}, Pressure: ms(1), Segments: &Segments{Sent: 1}}
	after := HostReading{CPU: &CPUTimes{Busy: 9, Tasks: 5, Steal: 2}, Pressure: ms(4), Throttled: ms(7), Segments: &Segments{10, 3, 2, 1}}
	d := after.Since(before)
	same(t, "CPU", d.CPU, &CPUTimes{Busy: 8, Tasks: 4, Steal: 2})
	same(t, "pressure", d.Pressure, ms(3))
	same(t, "throttled", d.Throttled, nil)
	same(t, "segments", d.Segments, &Segments{9, 3, 2, 1})
}

func TestWatchedCPUs(t *testing.T) {
	for _, c := range []struct {
		own, theirs  string
		cpus, target int
	}{
		{"0-3", "", 4, 0},
		{"0-3", "2-5,8", 7, 5},
		{"0", "1", 2, 1},
		{"", "1", 0, 0},
		{"0-x", "", 0, 0},
	} {
		files := map[string]string{"proc/self/status": "Cpus_allowed_list:\t" + c.own + "\n"}
		target := 0
		if c.theirs != "" {
			files["proc/42/status"], target = "Cpus_allowed_list:\t"+c.theirs+"\n", 42
		}
		h := NewHost(tree(files), target)
		if h.CPUs() != c.cpus || h.TargetCPUs != c.target {
			t.Errorf("%q and %q: %d CPUs, %d of the target; want %d and %d", c.own, c.theirs, h.CPUs(), h.TargetCPUs, c.cpus, c.target)
		}
	}
}

// This machine is Linux, so that something is there.
func TestThisMachine(t *testing.T) {
	h := NewHost(os.DirFS("/"), os.Getpid())
	r := h.Read()
	if r.CPU == nil || r.CPU.Busy <= 0 || r.CPU.Tasks > r.CPU.Busy || r.Segments == nil || h.CPUs() == 0 || h.TargetCPUs != h.CPUs() {
		t.Errorf("read %+v (absent %v) of %d CPUs", r, r.Absent, h.CPUs())
	}
}

func TestThreadsOfThisProcess(t *testing.T) {
	own, err := NewTree(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	before, err := own.Threads()
	if err != nil {
		t.Fatal(err)
	}
	if _, kernelCounts := os.Stat("/proc/self/schedstat"); kernelCounts == nil && len(before) == 0 {
		t.Error("no thread was read")
	}
}

func TestBusiest(t *testing.T) {
	one, two, gone, fresh := ThreadID{1, 1}, ThreadID{1, 2}, ThreadID{2, 3}, ThreadID{2, 4}
	before := map[ThreadID]ThreadTimes{one: {10, 1}, two: {100, 2}, gone: {5, 5}}
	after := map[ThreadID]ThreadTimes{one: {40, 3}, two: {110, 7}, fresh: {999, 999}}
	if busiest, delay, known := Busiest(before, after); busiest != 30 || delay != 5 || !known {
		t.Errorf("busiest %d, delay %d, known %v", busiest, delay, known)
	}
	if _, _, known := Busiest(nil, after); known {
		t.Error("something is known of threads that were never read before")
	}
}
