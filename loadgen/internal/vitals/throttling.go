package vitals

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// throttled adds up how long this process's control group and those around it,
// as far as they can be seen, were throttled. The time counts for each CPU on
// which there was somebody to hold back.
func (h *Host) throttled() (*time.Duration, error) {
	groups, err := fs.ReadFile(h.root, "proc/self/cgroup")
	if err != nil {
		return nil, reason(err)
	}
	mounts, err := fs.ReadFile(h.root, "proc/self/mountinfo")
	if err != nil {
		return nil, reason(err)
	}
	for _, version := range []controller{versionOne, versionTwo} {
		if group, ok := version.group(string(groups)); ok {
			return h.climb(version, string(mounts), group)
		}
	}
	return nil, errors.New("this process is in no group")
}

// controller is where a version of control groups keeps the CPU limit.
type controller struct {
	fstype, option string
	counter        string        // of cpu.stat
	unit           time.Duration // of the counter
}

var (
	versionOne = controller{"cgroup", "cpu", "throttled_time", time.Nanosecond}
	versionTwo = controller{"cgroup2", "", "throttled_usec", time.Microsecond}
)

// group finds the process's group in /proc/self/cgroup, whose lines are
// number:controllers:path, with number 0 and no controllers for version 2.
func (c controller) group(list string) (string, bool) {
	for line := range strings.Lines(list) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 && (c.option == "" && parts[0] == "0" && parts[1] == "" || c.option != "" && listed(parts[1], c.option)) {
			return parts[2], true
		}
	}
	return "", false
}

func listed(list, item string) bool { return strings.Contains(","+list+",", ","+item+",") }

// climb adds up the counters from the group to the root of its mount.
func (h *Host) climb(c controller, mounts, group string) (*time.Duration, error) {
	root, point, ok := c.mount(mounts)
	if !ok {
		return nil, errors.New(c.fstype + " is not mounted")
	}
	if rest, inside := strings.CutPrefix(group, strings.TrimSuffix(root, "/")); inside {
		group = rest
	}
	var sum time.Duration
	counted := false
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		if n, ok := h.counter(strings.TrimPrefix(path.Join(point, at, "cpu.stat"), "/"), c.counter); ok {
			sum += time.Duration(n) * c.unit
			counted = true
		}
		if at == "/" {
			break
		}
	}
	if !counted {
		return nil, errors.New("no group around this process can have a CPU limit")
	}
	return &sum, nil
}

// mount finds the hierarchy in /proc/self/mountinfo (proc(5)): the part of it
// that is mounted, and where.
func (c controller) mount(list string) (root, point string, ok bool) {
	for line := range strings.Lines(list) {
		before, after, found := strings.Cut(line, " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(place) < 5 || len(kind) < 3 || kind[0] != c.fstype {
			continue
		}
		if c.option == "" || listed(kind[2], c.option) {
			return place[3], place[4], true
		}
	}
	return "", "", false
}

// counter reads one line of a cpu.stat.
func (h *Host) counter(file, name string) (uint64, bool) {
	text, err := fs.ReadFile(h.root, file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			n, err := strconv.ParseUint(fields[1], 10, 63)
			return n, err == nil
		}
	}
	return 0, false
}
