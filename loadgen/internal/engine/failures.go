package engine

import (
	"cmp"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/result"
)

// Buckets of failures. What they hold is the target's or the host's doing.
const (
	bucketRefused         = "refused"                 // connect: ECONNREFUSED
	bucketReset           = "reset"                   // the target reset the connection
	bucketTimeout         = "timeout"                 // no TCP connection in time
	bucketShakeTimeout    = "handshake-timeout"       // connected, and no whole answer in time
	bucketStatus          = "handshake-status"        // an answer other than 101
	bucketAcceptKey       = "bad-accept-key"          // Sec-WebSocket-Accept is wrong
	bucketShakeClosed     = "closed-during-handshake" // the end instead of an answer
	bucketPorts           = "ports-exhausted"         // EADDRNOTAVAIL
	bucketDescriptors     = "descriptors"             // EMFILE, ENFILE
	bucketUnreachable     = "unreachable"             // no route to the target
	bucketSocket          = "socket"                  // any other error of a socket
	bucketProtocol        = "protocol"                // the target broke RFC 6455
	bucketClosed          = "closed"                  // the target closed an open connection
	bucketInterrupted     = "interrupted"             // the ramp was ended from outside
	withoutClose          = "connection ended without a Close frame"
	unansweredConnect     = "no TCP connection within "
	unansweredShake       = "no answer to the handshake within "
	interruptedConnection = "the ramp ended before its answer"
)

// failures counts by bucket and keeps the first example of each.
type failures []result.Failure

func (f *failures) add(bucket, example string) {
	f.merge(result.Failure{Bucket: bucket, Count: 1, First: example})
}

func (f *failures) merge(more ...result.Failure) {
	for _, m := range more {
		i := slices.IndexFunc(*f, func(have result.Failure) bool { return have.Bucket == m.Bucket })
		if i < 0 {
			*f = append(*f, m)
			continue
		}
		(*f)[i].Count += m.Count
	}
}

// sorted returns a copy, most frequent first.
func (f failures) sorted() []result.Failure {
	list := slices.Clone(f)
	slices.SortStableFunc(list, func(a, b result.Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Bucket, b.Bucket))
	})
	return list
}

// bucketOf sorts an error of a socket.
func bucketOf(err error) string {
	for _, b := range [...]struct {
		errno  unix.Errno
		bucket string
	}{
		{unix.ECONNREFUSED, bucketRefused},
		{unix.ECONNRESET, bucketReset},
		{unix.EPIPE, bucketReset},
		{unix.ETIMEDOUT, bucketTimeout},
		{unix.EADDRNOTAVAIL, bucketPorts},
		{unix.EMFILE, bucketDescriptors},
		{unix.ENFILE, bucketDescriptors},
		{unix.ENETUNREACH, bucketUnreachable},
		{unix.EHOSTUNREACH, bucketUnreachable},
	} {
		if errors.Is(err, b.errno) {
			return b.bucket
		}
	}
	return bucketSocket
}
