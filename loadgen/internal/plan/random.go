package plan

import (
	"math"
	"math/bits"
)

// purpose keeps what is drawn for one thing apart from what is drawn for
// another.
type purpose uint64

const (
	forArrivals purpose = iota + 1
	forSizes
	forRooms
	forThrottled
	forChurn
)

// draw returns 64 random bits for a place in a plan. It is a function and not a
// stream, so that every worker draws the same for the same place, in any order.
func draw(seed uint64, what purpose, a, b uint64) uint64 {
	return mix(mix(mix(seed^uint64(what)<<56)+a) + b)
}

// mix is the output function of SplitMix64 (Steele, Lea and Flood, "Fast
// Splittable Pseudorandom Number Generators", 2014) with its increment.
func mix(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// below maps 64 random bits to a number from 0 to n−1.
func below(random, n uint64) uint64 {
	high, _ := bits.Mul64(random, n)
	return high
}

// exponential maps 64 random bits to a number from the exponential distribution
// with mean 1.
func exponential(random uint64) float64 {
	return -math.Log((float64(random>>11) + 0.5) / (1 << 53))
}

// shuffle puts a list in random order (Fisher and Yates).
func shuffle(list []int32, seed uint64, what purpose) {
	for i := len(list) - 1; i > 0; i-- {
		j := below(draw(seed, what, uint64(i), 0), uint64(i+1))
		list[i], list[j] = list[j], list[i]
	}
}
