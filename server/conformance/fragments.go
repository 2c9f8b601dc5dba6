package conformance

// fragmentation is section 5 (RFC 6455 §5.4): fragments of a message follow each other without another message between them,
// control frames may come in between, and are never fragmented themselves (§5.5).
func fragmentation() []Case {
	two := []Frame{begin("fragment 1, "), last("fragment 2")}
	asked := []Frame{begin("fragment 1, "), ping("now"), last("fragment 2")}
	joined := said(text("fragment 1, fragment 2"))
	answered := append(said(pong("now")), joined...)
	open := func(f Frame) Frame { f.More = true; return f }
	orphan := func(f Frame) []Step { return steps(f, text("Hello, world!")) }

	five := []Frame{begin("1"), more("2"), ping("first"), more("3"), more("4"), ping("second"), last("5")}
	fiveWants := append(said(pong("first"), pong("second")), said(text("12345"))...)
	fiveWaits := append(append(steps(five[:3]...), After(1)), append(steps(five[3:6]...), After(2), five[6])...)

	return []Case{
		failing("5.1", "ping in two fragments", ByFrame, 1002, steps(open(ping("fragment 1")), last("fragment 2"))),
		failing("5.2", "pong in two fragments", ByFrame, 1002, steps(open(pong("fragment 1")), last("fragment 2"))),
		orderly("5.3", "text in two fragments", Whole, steps(two...), joined),
		orderly("5.4", "text in two fragments, each in a write", ByFrame, steps(two...), joined),
		orderly("5.5", "text in two fragments, byte by byte", 1, steps(two...), joined),
		orderly("5.6", "ping between two fragments", Whole, steps(asked...), answered),
		orderly("5.7", "ping between two fragments, each in a write", ByFrame, steps(asked...), answered),
		orderly("5.8", "ping between two fragments, byte by byte", 1, steps(asked...), answered),
		failing("5.9", "last fragment of nothing, and a message", Whole, 1002, orphan(last("orphan"))),
		failing("5.10", "last fragment of nothing, and a message, each in a write", ByFrame, 1002, orphan(last("orphan"))),
		failing("5.11", "last fragment of nothing, and a message, byte by byte", 1, 1002, orphan(last("orphan"))),
		failing("5.12", "fragment of nothing, and a message", Whole, 1002, orphan(more("orphan"))),
		failing("5.13", "fragment of nothing, and a message, each in a write", ByFrame, 1002, orphan(more("orphan"))),
		failing("5.14", "fragment of nothing, and a message, byte by byte", 1, 1002, orphan(more("orphan"))),
		failing("5.15", "a fragmented message, then a fragment of nothing", ByFrame, 1002,
			steps(two[0], two[1], more("orphan"), text("Hello, world!")), joined...),
		failing("5.16", "fragment of nothing before each of two fragmented messages", ByFrame, 1002,
			steps(more("orphan"), two[0], two[1], more("orphan"), two[0], two[1])),
		failing("5.17", "last fragment of nothing before each of two fragmented messages", ByFrame, 1002,
			steps(last("orphan"), two[0], two[1], last("orphan"), two[0], two[1])),
		failing("5.18", "a message within a message", ByFrame, 1002, steps(two[0], text("fragment 2"))),
		orderly("5.19", "five fragments, a ping after the second and the fourth, each answered before more is sent", ByFrame, fiveWaits, fiveWants),
		orderly("5.20", "five fragments, a ping after the second and the fourth, byte by byte", 1, steps(five...), fiveWants),
	}
}
