// Package fanout is the heart of the server: one publication becomes many deliveries.
//
// A room keeps an append-only log of encoded frames (log.go). A member of the room is a cursor into that log (member.go), owned
// by one event loop. A publisher appends and marks the room dirty on each loop that has members there (room.go); the loop then
// makes a pass over just those members and offers each everything between its cursor and the head of the log in one write
// (loop.go). Publications that arrive during a pass merge into the writes still to come, so that batches grow with the load and
// an idle room adds no delay. The cursor alone decides what a member gets next: no order of events can lose or double a frame.
//
// A member that does not keep up is a cursor far from the head. What happens to it is a policy (slow.go): the cursor is given up, or
// moved over what the member is not to get, and in every case the log behind it is let go.
//
// A room may have several logs: one for each variant (variant.go) that some member takes, such as a compressed one.
//
// What does not live here: sockets, event loops' machinery, clocks, WebSocket. Frames are bytes with a sender, output goes to a
// [Sink], and a model can test the whole.
package fanout
