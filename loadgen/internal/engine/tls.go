package engine

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxUnread bounds what a target may send ahead of its TLS handshake, in
	// bytes: four of the largest records.
	maxUnread = 64 << 10
	// plainBuffer holds what one read can decrypt to, in bytes: the read, what
	// was unread, and the record that the reads before it had cut.
	plainBuffer = readBuffer + maxUnread + 32<<10
	// keptSealed is the largest buffer of ciphertext that a connection keeps,
	// in bytes.
	keptSealed = 64 << 10
)

// TLS is how to speak to a target of a wss URL. Each connection makes a full
// handshake: sessions are not resumed, and there are no certificates of ours.
type TLS struct {
	// ServerName is what the target's certificate must be for: a host name, or
	// an address.
	ServerName string `json:"server_name"`
	// Authorities are certificates in PEM, trusted besides the system's; empty
	// for none.
	Authorities []byte `json:"authorities,omitempty"`
	// Insecure leaves the target's certificate unchecked.
	Insecure bool `json:"insecure,omitempty"`
}

// Config is the configuration that all connections share.
func (t TLS) Config() (*tls.Config, error) {
	if t.ServerName == "" && !t.Insecure {
		return nil, errors.New("configure TLS: no server name")
	}
	c := &tls.Config{
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.Insecure,
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"http/1.1"}, // an upgrade has no place in HTTP/2
		// A publication of up to 16 KiB is one record, as most servers write.
		DynamicRecordSizingDisabled: true,
		SessionTicketsDisabled:      true,
	}
	if len(t.Authorities) == 0 {
		return c, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without certificates
	}
	if !pool.AppendCertsFromPEM(t.Authorities) {
		return nil, errors.New("configure TLS: no certificate in PEM form")
	}
	c.RootCAs = pool
	return c, nil
}

// A tlsLayer is the TLS of one connection, between its socket and its frames.
// It is the net.Conn of a crypto/tls connection and owns no descriptor: the
// loop carries its bytes both ways.
//
// The handshake runs on a goroutine, because crypto/tls cannot go on after a
// handshake's read that would block; it ends with the handshake, and the
// receiver's thread decrypts from then on. Writes are the outbox's. crypto/tls
// has its own lock for either direction; what they make, the alerts and key
// updates of the reading one among it, meets in sealed.
type tlsLayer struct {
	conn  *tls.Conn
	cut   recordCut
	ready bool   // the handshake is over, and its goroutine; the receiver's
	push  func() // tells the loop that a handshake has bytes to be written; from its goroutine

	mu      sync.Mutex
	arrived []byte    // ciphertext to be read; once ready the receiver's alone
	more    sync.Cond // of arrived and ended
	ended   error     // what follows arrived, for a handshake
	sealed  []byte    // ciphertext to be written
	spare   []byte    // backs what take returned last
}

func newTLSLayer(config *tls.Config) *tlsLayer {
	t := &tlsLayer{}
	t.more.L = &t.mu
	t.conn = tls.Client(t, config)
	return t
}

// feed hands a read's bytes to the handshake. It fails on a target that sends
// far more than one has use for.
func (t *tlsLayer) feed(b []byte) error {
	t.cut.scan(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.arrived)+len(b) > maxUnread {
		return fmt.Errorf("more than %d bytes ahead of the TLS handshake", maxUnread)
	}
	t.arrived = append(t.arrived, b...)
	t.more.Signal()
	return nil
}

// finish ends what a handshake can read: its goroutine then ends too.
func (t *tlsLayer) finish(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.ended = why
	}
	t.more.Signal()
}

// lose tells the handshake that the connection has ended; errno is 0 for an
// orderly end.
func (t *tlsLayer) lose(errno unix.Errno) {
	if errno == 0 {
		t.finish(io.EOF)
	} else {
		t.finish(errno)
	}
}

// settle makes a layer ready whose handshake has succeeded. What the target
// sent behind its handshake has yet to be decrypted. ended is not nil if the
// connection ended meanwhile.
func (t *tlsLayer) settle() (ended error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ready, t.push = true, nil
	t.sealed, t.spare = nil, nil
	return t.ended
}

// decrypt appends to plain, which has the room, what the bytes b of a read
// complete. edge says that the last of it came with the last of b: no part of a
// record follows, and no record without data. err is io.EOF after the target's
// close_notify; what is appended came before it.
func (t *tlsLayer) decrypt(plain, b []byte) (whole []byte, edge bool, err error) {
	t.cut.scan(b)
	if len(b) > 0 {
		t.arrived = b
	}
	records := 0
	for err == nil && len(plain) < cap(plain) {
		var n int
		if n, err = t.conn.Read(plain[len(plain):cap(plain)]); n > 0 {
			plain = plain[:len(plain)+n]
			records++ // crypto/tls returns no two at once
		}
	}
	t.arrived = nil
	if err == errDry {
		err = nil
	}
	return plain, t.cut.edge(records), err
}

// seal returns what goes to the socket for a piece of plaintext; it is valid
// until the next seal or take. Without ok the layer has failed, as the reader
// will see.
func (t *tlsLayer) seal(plain []byte) (sealed []byte, ok bool) {
	if _, err := t.conn.Write(plain); err != nil {
		return nil, false
	}
	return t.take(), true
}

// take returns the ciphertext that has not been taken, in the order in which it
// was made.
func (t *tlsLayer) take() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.sealed
	t.sealed, t.spare = t.spare[:0], b
	if cap(b) > keptSealed {
		t.spare = nil
	}
	return b
}

// farewell is the close_notify that precedes the end of a connection
// (RFC 8446 §6.1), behind what has not been taken.
func (t *tlsLayer) farewell() []byte {
	_ = t.conn.CloseWrite() // of a layer that has failed nothing is left to say
	return t.take()
}

// owes says that there is something to take.
func (t *tlsLayer) owes() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sealed) > 0
}

// errDry ends a read that has used up what arrived. crypto/tls keeps what it
// has of a record and goes on with it, if an error is temporary.
var errDry net.Error = dry{}

type dry struct{}

func (dry) Error() string   { return "nothing left to read" }
func (dry) Timeout() bool   { return false }
func (dry) Temporary() bool { return true }

// Read is for crypto/tls. It waits only while the handshake is under way.
func (t *tlsLayer) Read(p []byte) (int, error) {
	if !t.ready {
		t.mu.Lock()
		defer t.mu.Unlock()
		for len(t.arrived) == 0 && t.ended == nil {
			t.more.Wait()
		}
		if len(t.arrived) == 0 {
			return 0, t.ended
		}
	} else if len(t.arrived) == 0 {
		return 0, errDry
	}
	n := copy(p, t.arrived)
	t.arrived = t.arrived[n:]
	return n, nil
}

// Write is for crypto/tls.
func (t *tlsLayer) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.sealed = append(t.sealed, p...)
	t.mu.Unlock()
	if !t.ready {
		t.push()
	}
	return len(p), nil
}

// The rest of net.Conn, which crypto/tls has no use for on a [tlsLayer]: its
// deadlines and its end are the receiver's.

func (t *tlsLayer) Close() error                     { return nil }
func (t *tlsLayer) LocalAddr() net.Addr              { return nil }
func (t *tlsLayer) RemoteAddr() net.Addr             { return nil }
func (t *tlsLayer) SetDeadline(time.Time) error      { return nil }
func (t *tlsLayer) SetReadDeadline(time.Time) error  { return nil }
func (t *tlsLayer) SetWriteDeadline(time.Time) error { return nil }

// recordCut knows where in a stream of TLS records (RFC 8446 §5.1) a read
// ended. The zero value is the stream's beginning.
type recordCut struct {
	header [5]byte // of the record under way: type, version, length of the rest
	had    uint8   // bytes of header
	left   uint16  // bytes of the rest
	whole  int     // records that ended since edge was asked
}

func (r *recordCut) scan(b []byte) {
	for len(b) > 0 {
		if r.left == 0 {
			n := copy(r.header[r.had:], b)
			b = b[n:]
			if r.had += uint8(n); int(r.had) < len(r.header) {
				return
			}
			r.left = binary.BigEndian.Uint16(r.header[3:])
		}
		n := min(int(r.left), len(b))
		b = b[n:]
		if r.left -= uint16(n); r.left == 0 {
			r.had = 0
			r.whole++
		}
	}
}

// edge says that the stream stands between two records and that each of those
// that ended since the last call brought data.
func (r *recordCut) edge(data int) bool {
	whole := r.whole
	r.whole = 0
	return r.had == 0 && r.left == 0 && whole == data
}
