package engine

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"fanbench/loadgen/result"
	"fanbench/server/deflate"
	"fanbench/server/frame"
)

// Buckets of failures that are the target's doing, or that of the way to it;
// package result has those of this machine. Their number is bounded: the close
// codes that a Close frame may have are some 2,000.
const (
	bucketRefused         = "refused"                 // connect: ECONNREFUSED
	bucketReset           = "reset"                   // the target reset the connection
	bucketTimeout         = "timeout"                 // no TCP connection in time
	bucketShakeTimeout    = "handshake-timeout"       // connected, and no whole answer in time
	bucketStatus          = "handshake-status"        // an answer other than 101
	bucketAcceptKey       = "bad-accept-key"          // Sec-WebSocket-Accept is wrong
	bucketShakeClosed     = "closed-during-handshake" // the end instead of an answer
	bucketTLSTimeout      = "tls-timeout"             // connected, and no whole TLS handshake in time
	bucketTLSExpired      = "tls-expired"             // the certificate is of another time
	bucketTLSName         = "tls-name"                // the certificate is for another name
	bucketTLSAuthority    = "tls-authority"           // the certificate is of an authority that is not trusted
	bucketTLSCertificate  = "tls-certificate"         // anything else that is wrong with the certificate
	bucketTLS             = "tls"                     // any other failure of TLS, in the handshake or after it
	bucketNoName          = "dns-no-such-name"        // the target's name is not known
	bucketNameTimeout     = "dns-timeout"             // no answer to the look-up in time
	bucketName            = "dns"                     // any other failure of the look-up
	bucketUnreachable     = "unreachable"             // no route to the target
	bucketAnswer          = "handshake-answer"        // an answer that breaks RFC 6455 §4.1
	bucketProtocol        = "protocol-"               // the target broke RFC 6455; the reason follows
	bucketClosed          = "closed"                  // the end of an open connection without a Close frame
	bucketClosedWith      = "closed-"                 // the target's Close frame; its code follows
	bucketCloseTimeout    = "close-timeout"           // no answer to our Close frame in time
	bucketSlow            = "slow-ended"              // the target ended a slow subscriber's connection
	bucketSilent          = "silent-ended"            // the target ended a silent peer's connection
	bucketInterrupted     = "interrupted"             // the ramp was ended from outside
	withoutClose          = "connection ended without a Close frame"
	unansweredConnect     = "no TCP connection within "
	unansweredShake       = "no answer to the handshake within "
	unansweredClose       = "no answer to the Close frame within "
	unansweredTLS         = "no end of the TLS handshake within "
	interruptedConnection = "the ramp ended before its answer"
)

// failures counts by bucket and keeps the first example of each.
type failures []result.Failure

func (f *failures) add(bucket, example string) {
	*f = result.AddFailures(*f, result.Failure{Bucket: bucket, Count: 1, First: example})
}

// note counts a failure of a connection, without its secrets.
func (r *receiver) note(c *conn, bucket, example string) {
	r.failures.add(bucket, r.dialer.credentials.scrub(example, r.index[c.slot]))
}

// closedWith is the bucket of a Close frame.
func closedWith(code ws.StatusCode) string {
	if code == ws.StatusNoStatusRcvd {
		return bucketClosedWith + "without-code"
	}
	return bucketClosedWith + strconv.Itoa(int(code))
}

// violationOf is the bucket of a break of the protocol, by its kind: the token
// of package frame, or for a message that is too large only once it is inflated
// a name of its own.
func violationOf(fault error) string {
	reason := "other"
	var known *frame.Error
	if errors.As(fault, &known) {
		reason = known.Reason
	}
	if fault == error(deflate.ErrTooLarge) {
		reason = "inflates-too-large"
	}
	return bucketProtocol + reason
}

// ResolveFailure sorts a failure of looking the target's name up.
func ResolveFailure(err error) result.Failure {
	bucket := bucketName
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		bucket = bucketNameTimeout
	case errors.As(err, &dns) && dns.IsNotFound:
		bucket = bucketNoName
	}
	return result.Failure{Bucket: bucket, Count: 1, First: err.Error()}
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
		{unix.EADDRNOTAVAIL, result.BucketPorts},
		{unix.EMFILE, result.BucketDescriptors},
		{unix.ENFILE, result.BucketDescriptors},
		{unix.ENETUNREACH, bucketUnreachable},
		{unix.EHOSTUNREACH, bucketUnreachable},
	} {
		if errors.Is(err, b.errno) {
			return b.bucket
		}
	}
	return result.BucketSocket
}
