// Package environment describes the machine that a run happened on, as far as
// it may explain a number.
//
// What the machine lacks or does not show is absent.
package environment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"fanbench/loadgen/result"
)

// Read describes the machine whose root directory is given (os.DirFS("/")).
// The key hashes the stable factors only: architecture, CPU, quota, kernel
// major.minor and Go version. Two runs with one key may be compared.
func Read(root fs.FS) result.Environment {
	e := result.Environment{
		Factors: map[string]string{
			"arch":         runtime.GOARCH,
			"logical_cpus": strconv.Itoa(runtime.NumCPU()),
			"go":           runtime.Version(),
		},
		Detail: map[string]string{"gomaxprocs": strconv.Itoa(runtime.GOMAXPROCS(0))},
	}
	set := func(m map[string]string, name, value string) {
		if value != "" {
			m[name] = value
		}
	}
	cpu := text(root, "proc/cpuinfo")
	release := text(root, "proc/sys/kernel/osrelease")
	set(e.Factors, "cpu_model", field(cpu, "model name"))
	set(e.Factors, "cgroup_quota_cpus", quota(root))
	set(e.Factors, "kernel", majorMinor(release))

	set(e.Detail, "kernel_release", release)
	set(e.Detail, "memory_total", field(text(root, "proc/meminfo"), "MemTotal"))
	set(e.Detail, "open_files", limit(text(root, "proc/self/limits"), "Max open files"))
	set(e.Detail, "governor", text(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
	set(e.Detail, "clocksource", text(root, "sys/devices/system/clocksource/clocksource0/current_clocksource"))
	set(e.Detail, "steal_ticks", steal(text(root, "proc/stat")))
	set(e.Detail, "container", container(root))
	if strings.Contains(" "+field(cpu, "flags")+" ", " hypervisor ") {
		e.Detail["virtual_machine"] = "yes"
	}
	for _, name := range sysctls {
		set(e.Detail, name, text(root, "proc/sys/"+strings.ReplaceAll(name, ".", "/")))
	}
	e.Key = key(e.Factors)
	return e
}

// sysctls that change how a machine carries many connections.
var sysctls = []string{
	"fs.file-max",
	"net.core.rmem_max",
	"net.core.somaxconn",
	"net.core.wmem_max",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.tcp_max_syn_backlog",
	"net.ipv4.tcp_mem",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_tw_reuse",
	"net.ipv4.tcp_wmem",
}

func key(factors map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(factors)) {
		fmt.Fprintf(h, "%s=%s\n", name, factors[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

func text(root fs.FS, path string) string {
	b, err := fs.ReadFile(root, path)
	if err != nil {
		return ""
	}
	return strings.Join(strings.FieldsFunc(strings.TrimSpace(string(b)), func(r rune) bool { return r == '\t' }), " ")
}

// field finds "name : value" in a file of such lines.
func field(file, name string) string {
	for line := range strings.Lines(file) {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// limit finds a row of /proc/self/limits: soft and hard limit.
func limit(file, name string) string {
	for line := range strings.Lines(file) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if f := strings.Fields(rest); len(f) >= 2 {
				return f[0] + " soft, " + f[1] + " hard"
			}
		}
	}
	return ""
}

func majorMinor(release string) string {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return release
	}
	return parts[0] + "." + parts[1]
}

// quota is the control group's CPU limit in CPUs, version 2 or 1; "none" when
// there is a controller without a limit.
func quota(root fs.FS) string {
	max, period := "", ""
	if f := strings.Fields(text(root, "sys/fs/cgroup/cpu.max")); len(f) == 2 {
		max, period = f[0], f[1]
	} else {
		max = text(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
		period = text(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us")
	}
	if max == "max" || max == "-1" {
		return "none"
	}
	q, err1 := strconv.ParseFloat(max, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || p == 0 {
		return ""
	}
	return strconv.FormatFloat(q/p, 'g', 4, 64)
}

// steal is the eighth number of the cpu line: ticks since boot in which the
// hypervisor ran somebody else.
func steal(stat string) string {
	f := strings.Fields(strings.SplitN(stat, "\n", 2)[0])
	if len(f) < 9 || f[0] != "cpu" {
		return ""
	}
	return f[8]
}

func container(root fs.FS) string {
	if _, err := fs.Stat(root, ".dockerenv"); err == nil {
		return "docker"
	}
	if _, err := fs.Stat(root, "run/.containerenv"); err == nil {
		return "podman"
	}
	return ""
}
