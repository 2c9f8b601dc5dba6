// Package vitals reads the resources that a process tree uses: CPU time,
// resident memory, descriptors and context switches, from /proc or from a
// target that answers the same reading over HTTP.
//
// It reads once when asked. When to read, and what to divide by what, is for
// package run.
package vitals

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// Reading is one look at a process tree. The JSON form is what --vitals-url is
// expected to answer.
type Reading struct {
	// CPUSeconds is user plus system time since the tree's start, that of
	// descendants which have ended and were waited for included.
	CPUSeconds float64 `json:"cpu_seconds"`
	// ResidentBytes is the sum of VmRSS. Pages that several processes share
	// count once for each.
	ResidentBytes uint64 `json:"resident_bytes"`
	Processes     int    `json:"processes"`
	Descriptors   int    `json:"descriptors"`
	// ContextSwitches, voluntary or not, of all threads that are alive.
	ContextSwitches uint64 `json:"context_switches"`
}

// A Source gives readings of one process tree.
type Source interface {
	Read(ctx context.Context) (Reading, error)
}

// ErrGone is what a Tree answers once none of its processes is left.
var ErrGone = errors.New("no process of the tree is left")

// Tree is a process with all its descendants. A descendant stays a member when
// its parent ends and it is handed to another, as long as one reading saw it
// before. Not safe for concurrent use.
type Tree struct {
	fs      procfs.FS
	root    int
	started map[int]uint64 // members by pid, with their start time against reuse
	// lists is /proc where the kernel lists each thread's children there
	// (CONFIG_PROC_CHILDREN); without, a reading looks at every process of the
	// machine, which takes twenty times as long.
	lists string
}

// NewTree watches pid and its descendants. It fails when pid does not exist,
// and when this process is itself a descendant of pid: the generator's own
// CPU time would be taken for the target's.
func NewTree(pid int) (*Tree, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, fmt.Errorf("open /proc: %w", err)
	}
	lists := procfs.DefaultMountPoint
	if _, err := os.Stat(filepath.Join(lists, "thread-self", "children")); err != nil {
		lists = ""
	}
	t, err := newTree(fs, lists, pid)
	if err != nil {
		return nil, err
	}
	if _, inside := t.started[os.Getpid()]; inside && pid != os.Getpid() {
		return nil, fmt.Errorf("process %d started this one: its readings would hold the generator's; give the target's own process", pid)
	}
	return t, nil
}

func newTree(fs procfs.FS, lists string, pid int) (*Tree, error) {
	t := &Tree{fs: fs, lists: lists, root: pid, started: make(map[int]uint64)}
	proc, err := fs.Proc(pid)
	if err != nil {
		return nil, fmt.Errorf("no process %d", pid)
	}
	stat, err := proc.Stat()
	if err != nil {
		return nil, fmt.Errorf("read process %d: %w", pid, err)
	}
	t.started[pid] = stat.Starttime
	if _, err := t.members(); err != nil {
		return nil, err
	}
	return t, nil
}

// member is one process of the tree that was alive at a reading.
type member struct {
	proc procfs.Proc
	stat procfs.ProcStat
}

// members finds the tree's processes and remembers them.
func (t *Tree) members() ([]member, error) {
	look, children := t.look, t.listed
	if t.lists == "" {
		var err error
		if look, children, err = t.lookAtAll(); err != nil {
			return nil, err
		}
	}
	var queue []member
	for pid, start := range t.started {
		if m, alive := look(pid); alive && m.stat.Starttime == start {
			queue = append(queue, m)
		} else {
			delete(t.started, pid)
		}
	}
	var found []member
	seen := make(map[int]bool, len(queue))
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		if seen[m.proc.PID] {
			continue
		}
		seen[m.proc.PID] = true
		t.started[m.proc.PID] = m.stat.Starttime
		found = append(found, m)
		for _, pid := range children(m.proc.PID) {
			// It may have ended since, and its pid be a stranger's.
			if child, alive := look(pid); alive && child.stat.PPID == m.proc.PID {
				queue = append(queue, child)
			}
		}
	}
	if len(found) == 0 {
		return nil, ErrGone
	}
	return found, nil
}

// look reads one process.
func (t *Tree) look(pid int) (m member, alive bool) {
	proc, err := t.fs.Proc(pid)
	if err != nil {
		return member{}, false
	}
	stat, err := proc.Stat()
	return member{proc, stat}, err == nil
}

// listed is a process's children by its threads' lists. One of them may be
// missing while a sibling ends, and is found by the next reading.
func (t *Tree) listed(pid int) (children []int) {
	lists, _ := filepath.Glob(filepath.Join(t.lists, strconv.Itoa(pid), "task", "*", "children")) // a sound pattern
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended since
		}
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// lookAtAll reads every process, and answers from what it has read.
func (t *Tree) lookAtAll() (look func(pid int) (member, bool), children func(pid int) []int, err error) {
	procs, err := t.fs.AllProcs()
	if err != nil {
		return nil, nil, fmt.Errorf("list processes: %w", err)
	}
	alive := make(map[int]member, len(procs))
	byParent := make(map[int][]int)
	for _, p := range procs {
		stat, err := p.Stat()
		if err != nil {
			continue // ended between the listing and now
		}
		alive[p.PID] = member{p, stat}
		byParent[stat.PPID] = append(byParent[stat.PPID], p.PID)
	}
	look = func(pid int) (member, bool) {
		m, ok := alive[pid]
		return m, ok
	}
	return look, func(pid int) []int { return byParent[pid] }, nil
}

// Read sums over the processes alive now. It returns [ErrGone] when none is.
func (t *Tree) Read(context.Context) (Reading, error) {
	members, err := t.members()
	if err != nil {
		return Reading{}, err
	}
	var r Reading
	for _, m := range members {
		if m.stat.State == "Z" || m.stat.State == "X" {
			// Ended and not yet waited for: its time counts, it holds nothing.
			r.CPUSeconds += cpuSeconds(m.stat)
			continue
		}
		r.Processes++
		r.CPUSeconds += cpuSeconds(m.stat)
		if status, err := m.proc.NewStatus(); err == nil {
			r.ResidentBytes += status.VmRSS
		}
		if n, err := m.proc.FileDescriptorsLen(); err == nil {
			r.Descriptors += n
		}
		r.ContextSwitches += t.contextSwitches(m.proc.PID)
	}
	if r.Processes == 0 {
		return Reading{}, ErrGone
	}
	return r, nil
}

// ticksPerSecond is USER_HZ, the unit of /proc/<pid>/stat, which is 100 on every
// architecture that Go's linux ports run on.
const ticksPerSecond = 100

func cpuSeconds(s procfs.ProcStat) float64 {
	// The times of waited-for children are in the parent's account, so that a
	// worker that came and went between two readings is not lost.
	ticks := uint64(s.UTime) + uint64(s.STime) + uint64(max(0, s.CUTime)) + uint64(max(0, s.CSTime))
	return float64(ticks) / ticksPerSecond
}

func (t *Tree) contextSwitches(pid int) uint64 {
	threads, err := t.fs.AllThreads(pid)
	if err != nil {
		return 0
	}
	var n uint64
	for _, thread := range threads {
		if s, err := thread.NewStatus(); err == nil {
			n += s.VoluntaryCtxtSwitches + s.NonVoluntaryCtxtSwitches
		}
	}
	return n
}
