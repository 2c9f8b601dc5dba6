// Package gws serves echo and rooms with lxzan/gws in its best idiom: a
// publication is framed once by a Broadcaster, which queues it at every
// connection.
package gws

import (
	"net/http"

	"github.com/lxzan/gws"

	"fanbench/bench/peers/internal/room"
)

// place is where a connection's session keeps its member.
const place = "member"

// New returns the endpoints.
func New() http.Handler {
	rooms := gws.NewUpgrader(&rooms{}, &gws.ServerOption{})
	hall := &room.Hall[*gws.Conn]{}
	echo := gws.NewUpgrader(&echo{}, &gws.ServerOption{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) {
		if conn, err := echo.Upgrade(w, r); err == nil {
			go conn.ReadLoop() // a goroutine of its own lets go of the request
		}
	})
	mux.HandleFunc("GET /rooms/{room}", func(w http.ResponseWriter, r *http.Request) {
		name, self := r.PathValue("room"), r.URL.Query().Get("self") != "0"
		// Upgrade answers before there is a connection to join with, so what is
		// published within the next microseconds passes this one by.
		if conn, err := rooms.Upgrade(w, r); err == nil {
			conn.Session().Store(place, hall.Join(name, self, conn))
			go conn.ReadLoop()
		}
	})
	return mux
}

type echo struct{ gws.BuiltinEventHandler }

func (*echo) OnPing(conn *gws.Conn, payload []byte) { _ = conn.WritePong(payload) }

func (*echo) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	_ = conn.WriteMessage(message.Opcode, message.Bytes()) // a failure ends the read loop
}

type rooms struct{ gws.BuiltinEventHandler }

func (*rooms) OnPing(conn *gws.Conn, payload []byte) { _ = conn.WritePong(payload) }

func (*rooms) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	publication := gws.NewBroadcaster(message.Opcode, message.Bytes())
	defer publication.Close()
	member(conn).Each(func(other *gws.Conn) { _ = publication.Broadcast(other) })
}

func (*rooms) OnClose(conn *gws.Conn, _ error) { member(conn).Leave() }

// member is set before the read loop, which makes all the calls above.
func member(conn *gws.Conn) *room.Member[*gws.Conn] {
	m, _ := conn.Session().Load(place)
	return m.(*room.Member[*gws.Conn])
}
