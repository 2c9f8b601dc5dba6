package conformance

import "fmt"

// framing is section 1: whole messages of the sizes at which the header changes (RFC 6455 §5.2), and control frames are section 2.
func framing() (cases []Case) {
	for i, op := range []byte{opText, opBinary} {
		for j, size := range []int{0, 125, 126, 127, 128, 65535, 65536, 65536} {
			id, what, cut := fmt.Sprintf("1.%d.%d", i+1, j+1), fmt.Sprintf("opcode %x, %d bytes", op, size), ByFrame
			if j == 7 {
				what, cut = what+", in writes of 997", 997
			}
			m := Message{Op: op, Payload: content(op, size)}
			cases = append(cases, orderly(id, what, cut, []Step{m}, []Message{m}))
		}
	}
	return cases
}

// controls is section 2 (RFC 6455 §5.5.2, §5.5.3).
func controls() []Case {
	full := string(content(opBinary, 125))
	var ten []Frame
	for i := range 10 {
		ten = append(ten, ping(fmt.Sprintf("ping %d", i)))
	}
	pongs := func(pings ...Frame) (messages []Message) {
		for _, f := range pings {
			messages = append(messages, Message{Op: opPong, Payload: f.Payload})
		}
		return messages
	}
	answered := func(id, what string, cut Cut, pings ...Frame) Case {
		return orderly(id, what, cut, steps(pings...), pongs(pings...))
	}
	return []Case{
		answered("2.1", "ping without a payload", ByFrame, ping("")),
		answered("2.2", "ping with text", ByFrame, ping("Hello, world!")),
		answered("2.3", "ping with bytes that are not UTF-8", ByFrame, ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")),
		answered("2.4", "ping of 125 bytes, the most there may be", ByFrame, ping(full)),
		failing("2.5", "ping of 126 bytes", ByFrame, 1002, steps(ping(full+"x"))),
		answered("2.6", "ping of 125 bytes, byte by byte", 1, ping(full)),
		orderly("2.7", "pong that nobody asked for", ByFrame, steps(pong(""), text("on")), said(text("on"))),
		orderly("2.8", "pong that nobody asked for, with a payload", ByFrame, steps(pong("unasked"), text("on")), said(text("on"))),
		orderly("2.9", "pong that nobody asked for, then a ping", ByFrame, steps(pong("unasked"), ping("asked")), pongs(ping("asked"))),
		answered("2.10", "ten pings", ByFrame, ten...),
		answered("2.11", "ten pings, byte by byte", 1, ten...),
	}
}
