package result

import (
	"cmp"
	"slices"
)

// Failure is one kind of failure of the target, or of the generator's own
// machine, with its first example.
type Failure struct {
	Bucket string `json:"bucket"` // refused, reset, timeout, handshake-status, handshake-timeout, bad-accept-key, tls-expired, closed-1008, protocol-masked, …
	Count  uint64 `json:"count"`
	First  string `json:"first"`
}

// Buckets of failures for want of something on the generator's own machine. All
// others are the target's doing, or that of the way to it.
const (
	BucketPorts       = "ports-exhausted" // EADDRNOTAVAIL
	BucketDescriptors = "descriptors"     // EMFILE, ENFILE
	BucketSocket      = "socket"          // any other error of a socket
)

// OwnMachine: the failure is the generator's machine's, and says nothing of the
// target.
func (f Failure) OwnMachine() bool {
	return slices.Contains([]string{BucketPorts, BucketDescriptors, BucketSocket}, f.Bucket)
}

// AddFailures adds more to sum by bucket and returns it, the most frequent
// first, equally frequent ones by name. Each bucket keeps its first example. sum
// is changed in place.
func AddFailures(sum []Failure, more ...Failure) []Failure {
	for _, f := range more {
		at := slices.IndexFunc(sum, func(s Failure) bool { return s.Bucket == f.Bucket })
		if at < 0 {
			sum = append(sum, f)
		} else {
			sum[at].Count += f.Count
		}
	}
	slices.SortFunc(sum, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Bucket, b.Bucket))
	})
	return sum
}
