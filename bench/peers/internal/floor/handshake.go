package floor

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"strings"
)

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 §1.3

// shake answers the opening handshake once its head is whole, and returns what
// follows it.
func (l *loop) shake(c *conn, b []byte) []byte {
	head, rest, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	if !whole {
		return b
	}
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	path, query := target(string(line))
	name, inRoom := strings.CutPrefix(path, "/rooms/")
	key := field(fields, "Sec-WebSocket-Key")
	switch {
	case !inRoom && path != "/echo":
		l.send(c, []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		l.drop(c)
		return nil
	case key == "":
		l.send(c, []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
		l.drop(c)
		return nil
	case inRoom:
		c.self = query != "self=0"
		l.join(c, name)
	}
	sum := sha1.Sum([]byte(key + guid))
	c.open = true
	l.send(c, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n"))
	return rest
}

// target takes the path and the query out of a request line.
func target(line string) (path, query string) {
	_, line, _ = strings.Cut(line, " ")
	line, _, _ = strings.Cut(line, " ")
	path, query, _ = strings.Cut(line, "?")
	return path, query
}

// field finds a header field's value, "" if it is not there.
func field(fields []byte, name string) string {
	for line := range bytes.SplitSeq(fields, []byte("\r\n")) {
		if key, value, _ := bytes.Cut(line, []byte(":")); strings.EqualFold(string(key), name) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

func (l *loop) join(c *conn, name string) {
	r := l.rooms[name]
	if r == nil {
		r = &room{name: name}
		l.rooms[name] = r
	}
	c.room, c.index = r, len(r.members)
	r.members = append(r.members, c)
}
