package engine

import (
	"cmp"
	"slices"

	"fanbench/loadgen/scenario"
)

const (
	cacheBytes   = 4 << 20 // over all sizes at most, and touched only as they fill
	cacheEntries = 4096    // of one size at most, a power of two
	envelope     = 64      // bytes that a protocol may wrap a payload in and still be cached
)

// A cache remembers messages of up to a size, by a hash.
type cache struct {
	entries []seen
	slots   []byte
	slot    int // bytes
	shift   uint
}

// newCaches returns one cache for each size of a scenario's publications,
// smallest first, so that a few large ones do not take the place of many small.
// Only a fan-out's publications arrive more than once.
func newCaches(s scenario.Scenario) []cache {
	if s.Workload != scenario.Fanout {
		return nil
	}
	sizes := slices.SortedFunc(slices.Values(s.Distribution()), func(a, b scenario.WeightedSize) int { return cmp.Compare(a.Size, b.Size) })
	caches := make([]cache, len(sizes))
	for i, w := range sizes {
		caches[i] = newCache(int(w.Size)+envelope, cacheBytes/len(sizes))
	}
	return caches
}

func newCache(slot, bytes int) cache {
	c := cache{slot: slot, shift: 64}
	n := 1
	for ; n < cacheEntries && 2*n*slot <= bytes; n *= 2 {
		c.shift--
	}
	c.entries, c.slots = make([]seen, n), make([]byte, n*slot)
	return c
}

// at is the entry for a hash.
func (c *cache) at(hash uint64) *seen { return &c.entries[hash>>c.shift] }

// keep puts what a message says at the entry for its hash.
func (c *cache) keep(hash uint64, message []byte, said seen) *seen {
	i := int(hash >> c.shift)
	said.message = c.slots[i*c.slot:][:len(message):c.slot]
	copy(said.message, message)
	c.entries[i] = said
	return &c.entries[i]
}
