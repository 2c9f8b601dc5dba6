// Tiny is another project's server, as small as one can be: a message on
// /rooms/{room} goes to every member. It keeps to the parts of RFC 6455 that it
// is spoken to in, and takes no module but the standard library.
package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
)

// lost says that every so many messages are not passed on; 0 for none.
var lost = 0

var (
	mu       sync.Mutex
	rooms    = map[string]map[net.Conn]bool{}
	messages int
)

func main() {
	http.HandleFunc("GET /rooms/{room}", join)
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

func join(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	room := r.PathValue("room")
	mu.Lock()
	if rooms[room] == nil {
		rooms[room] = map[net.Conn]bool{}
	}
	rooms[room][conn] = true
	mu.Unlock()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(key[:]))
	for {
		opcode, payload, err := read(rw.Reader)
		if err != nil {
			break
		}
		if opcode == 8 {
			conn.Write(frame(opcode, payload))
			break
		}
		publish(room, frame(opcode, payload))
	}
	mu.Lock()
	delete(rooms[room], conn)
	mu.Unlock()
}

func publish(room string, frame []byte) {
	mu.Lock()
	defer mu.Unlock()
	messages++
	if lost > 0 && messages%lost == 0 {
		return
	}
	for member := range rooms[room] {
		member.Write(frame)
	}
}

// read takes one frame, of less than 64 KiB, and takes its mask off.
func read(r *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	size := int(head[1] & 127)
	if size == 126 {
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return 0, nil, err
		}
		size = int(head[2])<<8 | int(head[3])
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= head[4+i%4]
	}
	return head[0] & 15, payload, nil
}

func frame(opcode byte, payload []byte) []byte {
	f := []byte{0x80 | opcode, byte(len(payload))}
	if len(payload) > 125 {
		f = []byte{0x80 | opcode, 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	return append(f, payload...)
}
