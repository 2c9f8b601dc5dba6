package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"fanbench/loadgen/internal/clock"
)

// greet begins the TLS handshake of a connection. No more of them are under way
// than handshakes in all.
func (r *receiver) greet(c *conn) {
	t := newTLSLayer(r.dialer.tls)
	t.push = func() { r.post(func() { r.sendGreeting(c, t) }) }
	c.tls = t
	start := clock.Now()
	r.greetings.Go(func() {
		err := t.conn.Handshake()
		took := clock.Now() - start
		r.post(func() { r.greeted(c, t, took, err) })
	})
}

// sendGreeting writes what the TLS handshake has to say.
func (r *receiver) sendGreeting(c *conn, t *tlsLayer) {
	if c.tls == t {
		r.sendFresh(c, t.take())
	}
}

// greeted takes the outcome of a TLS handshake.
func (r *receiver) greeted(c *conn, t *tlsLayer, took int64, err error) {
	if c.tls != t {
		return // given up meanwhile
	}
	if err != nil {
		bucket, example := tlsFailure(err)
		r.fail(c, bucket, example)
		return
	}
	ended := t.settle()
	r.recorded.record(tlsHandshake, took)
	if !r.writeRequest(c) {
		return
	}
	r.readAt = clock.Now()
	r.at, r.stamped = r.readAt, unstamped
	r.takeTLS(c, nil) // what came behind the handshake
	if ended != nil && c.tls == t {
		var errno unix.Errno
		_ = errors.As(ended, &errno) // 0 for an orderly end
		r.lose(c, errno)
	}
}

// takeTLS takes the ciphertext of one read.
func (r *receiver) takeTLS(c *conn, b []byte) {
	t := c.tls
	if !t.ready {
		if err := t.feed(b); err != nil {
			r.fail(c, bucketTLS, err.Error())
		}
		return
	}
	plain, edge, err := t.decrypt(r.plain[:0], b)
	if !edge && r.stamped == own {
		r.stamped = shared
	}
	if len(plain) > 0 {
		r.takePlain(c, plain)
	}
	if c.tls == t && t.owes() {
		r.relay(c)
	}
	if err != nil && c.tls == t {
		r.loseTLS(c, err)
	}
}

// relay writes what the layer has to say of itself: an alert, or the answer to
// a change of keys.
func (r *receiver) relay(c *conn) {
	if c.state == shaking {
		r.sendGreeting(c, c.tls)
		return
	}
	r.outbox(c).relay()
}

// loseTLS takes the news that a connection's TLS has ended; err is io.EOF for
// an orderly end.
func (r *receiver) loseTLS(c *conn, err error) {
	switch {
	case c.state == departed || c.state == leaving || err == io.EOF:
		r.lose(c, 0)
	case c.state == shaking:
		r.fail(c, bucketTLS, err.Error())
	default:
		r.endedByTarget(c, bucketTLS, err.Error())
		r.end(c, 0)
	}
}

// tlsFailure sorts what ended a TLS handshake.
func tlsFailure(err error) (bucket, example string) {
	var (
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		checked   *tls.CertificateVerificationError
		errno     unix.Errno
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		bucket = bucketTLSExpired
	case errors.As(err, &name):
		bucket = bucketTLSName
	case errors.As(err, &authority):
		bucket = bucketTLSAuthority
	case errors.As(err, &checked):
		bucket = bucketTLSCertificate
	case errors.As(err, &errno):
		return bucketOf(errno), "TLS handshake: " + errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return bucketShakeClosed, "connection ended during the TLS handshake"
	default:
		bucket = bucketTLS
	}
	return bucket, err.Error()
}
