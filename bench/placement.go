package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// placement says which CPUs the two sides of a trial may run on; nil for all.
type placement struct{ target, loadgen []int }

// split gives the target the first half of the CPUs that this process may use,
// and the generator the rest: then neither takes the other's place in a queue,
// which is a good part of the noise between trials.
func split() (placement, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return placement{}, fmt.Errorf("--affinity split: read CPU affinity: %w", err)
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	if len(cpus) < 2 {
		return placement{}, fmt.Errorf("--affinity split: this process may use %d CPU; use --affinity none", len(cpus))
	}
	half := len(cpus) / 2
	return placement{cpus[:half], cpus[half:]}, nil
}
