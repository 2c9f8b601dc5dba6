package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/prometheus/procfs"
)

// Vitals are the resource readings of all the server's processes, summed.
type Vitals struct {
	PIDs            []int   `json:"pids"`
	Processes       int     `json:"processes"`
	CPUSeconds      float64 `json:"cpu_seconds"` // user and system, of ended workers too; in steps of 10 ms
	ResidentBytes   uint64  `json:"resident_bytes"`
	Descriptors     int     `json:"descriptors"`
	ContextSwitches uint64  `json:"context_switches"` // voluntary and not, of all living threads
}

// clockTick is the unit of CPU times in /proc/<pid>/stat: USER_HZ is 100 on every Linux architecture that Go supports.
const clockTick = 0.01

// readVitals sums over the processes; one that has just ended is left out.
func readVitals(pids []int) (Vitals, error) {
	var v Vitals
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return v, fmt.Errorf("read vitals: %w", err)
	}
	for _, pid := range pids {
		one, err := readProcess(proc, pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return v, fmt.Errorf("read vitals of process %d: %w", pid, err)
		}
		v.PIDs = append(v.PIDs, pid)
		v.Processes++
		v.CPUSeconds += one.CPUSeconds
		v.ResidentBytes += one.ResidentBytes
		v.Descriptors += one.Descriptors
		v.ContextSwitches += one.ContextSwitches
	}
	return v, nil
}

func readProcess(proc procfs.FS, pid int) (v Vitals, err error) {
	p, err := proc.Proc(pid)
	if err != nil {
		return v, err
	}
	stat, err := p.Stat()
	if err != nil {
		return v, err
	}
	status, err := p.NewStatus()
	if err != nil {
		return v, err
	}
	v.CPUSeconds = stat.CPUTime() + float64(stat.CUTime+stat.CSTime)*clockTick
	v.ResidentBytes = status.VmRSS
	if v.Descriptors, err = p.FileDescriptorsLen(); err != nil {
		return v, err
	}
	v.ContextSwitches, err = contextSwitches(proc, pid)
	return v, err
}

// contextSwitches sums over the threads, since a process's own status counts its first thread only.
func contextSwitches(proc procfs.FS, pid int) (sum uint64, err error) {
	threads, err := proc.AllThreads(pid)
	if err != nil {
		return 0, err
	}
	for _, thread := range threads {
		status, err := thread.NewStatus()
		if err != nil {
			continue // it has just ended
		}
		sum += status.TotalCtxtSwitches()
	}
	return sum, nil
}
