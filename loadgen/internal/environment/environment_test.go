package environment

import (
	"maps"
	"os"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func machine() fstest.MapFS {
	return fstest.MapFS{
		"proc/cpuinfo":                        file("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nflags\t\t: fpu hypervisor sse\n"),
		"proc/sys/kernel/osrelease":           file("6.12.5-generic\n"),
		"proc/meminfo":                        file("MemTotal:       16384 kB\nMemFree: 1 kB\n"),
		"proc/self/limits":                    file("Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 20000                files\n"),
		"proc/stat":                           file("cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n"),
		"proc/sys/net/ipv4/tcp_rmem":          file("4096\t131072\t6291456\n"),
		"sys/fs/cgroup/cpu.max":               file("150000 100000\n"),
		"sys/fs/cgroup/cpu/cpu.cfs_quota_us":  file("-1\n"),
		"sys/fs/cgroup/cpu/cpu.cfs_period_us": file("100000\n"),
		".dockerenv":                          file(""),
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": file("performance\n"),
	}
}

func TestRead(t *testing.T) {
	e := Read(machine())
	for name, want := range map[string]string{
		"cpu_model": "Some CPU @ 3 GHz", "kernel": "6.12", "cgroup_quota_cpus": "1.5",
	} {
		if e.Factors[name] != want {
			t.Errorf("factor %s is %q, want %q", name, e.Factors[name], want)
		}
	}
	for name, want := range map[string]string{
		"kernel_release": "6.12.5-generic", "memory_total": "16384 kB", "open_files": "1024 soft, 20000 hard",
		"governor": "performance", "steal_ticks": "88", "container": "docker", "virtual_machine": "yes",
		"net.ipv4.tcp_rmem": "4096 131072 6291456",
	} {
		if e.Detail[name] != want {
			t.Errorf("detail %s is %q, want %q", name, e.Detail[name], want)
		}
	}
	if _, ok := e.Detail["net.core.somaxconn"]; ok {
		t.Error("a setting that the machine does not show is present")
	}
}

func TestKeyHoldsTheStableFactorsOnly(t *testing.T) {
	base := Read(machine()).Key
	for name, change := range map[string]struct {
		path, text string
		same       bool
	}{
		"another patch level":  {"proc/sys/kernel/osrelease", "6.12.99", true},
		"another steal":        {"proc/stat", "cpu  1 2 3 4 5 6 7 99 9 10", true},
		"another sysctl":       {"proc/sys/net/ipv4/tcp_rmem", "1 2 3", true},
		"another kernel minor": {"proc/sys/kernel/osrelease", "6.13.0", false},
		"another CPU":          {"proc/cpuinfo", "model name : Other", false},
		"another quota":        {"sys/fs/cgroup/cpu.max", "max 100000", false},
	} {
		m := maps.Clone(machine())
		m[change.path] = file(change.text)
		if got := Read(m).Key; (got == base) != change.same {
			t.Errorf("%s: key %s, base %s", name, got, base)
		}
	}
}

func TestQuota(t *testing.T) {
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"version 2, unlimited": {fstest.MapFS{"sys/fs/cgroup/cpu.max": file("max 100000")}, "none"},
		"version 1, half":      {fstest.MapFS{"sys/fs/cgroup/cpu/cpu.cfs_quota_us": file("50000"), "sys/fs/cgroup/cpu/cpu.cfs_period_us": file("100000")}, "0.5"},
		"version 1, unlimited": {fstest.MapFS{"sys/fs/cgroup/cpu/cpu.cfs_quota_us": file("-1"), "sys/fs/cgroup/cpu/cpu.cfs_period_us": file("100000")}, "none"},
		"no controller":        {fstest.MapFS{}, ""},
	} {
		if got := quota(c.files); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestThisMachine(t *testing.T) {
	e := Read(os.DirFS("/"))
	if e.Key != Read(os.DirFS("/")).Key || e.Factors["kernel"] == "" || e.Detail["open_files"] == "" {
		t.Errorf("read %+v", e)
	}
}
