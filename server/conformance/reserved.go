package conformance

import "fmt"

// reservedBits is section 3: bits that no extension gave a meaning (RFC 6455 §5.2). What came before is answered.
func reservedBits() []Case {
	hello := text("Hello, world!")
	after := func(bits byte) []Step { return steps(hello, reserved(bits, hello), ping("")) }
	echoed := said(hello)[0]
	return []Case{
		failing("3.1", "RSV3", ByFrame, 1002, steps(reserved(1, hello))),
		failing("3.2", "RSV2, after a message and before a ping", ByFrame, 1002, after(2), echoed),
		failing("3.3", "RSV2 and RSV3, all in one write", Whole, 1002, after(3), echoed),
		failing("3.4", "RSV1, byte by byte", 1, 1002, after(4), echoed),
		failing("3.5", "RSV1 and RSV3 on a binary message", ByFrame, 1002, steps(reserved(5, binaryOf("\x00\xff\xfe")))),
		failing("3.6", "RSV1 and RSV2 on a ping", ByFrame, 1002, steps(reserved(6, ping("Hello, world!")))),
		failing("3.7", "all three on a close frame", ByFrame, 1002, steps(reserved(7, closing(1000, "")))),
	}
}

// reservedOpcodes is section 4: opcodes 3 to 7 and 11 to 15 (RFC 6455 §5.2).
func reservedOpcodes() (cases []Case) {
	hello := text("Hello, world!")
	for kind, lowest := range []byte{3, 11} {
		for i := range byte(5) {
			bad := Frame{Op: lowest + i}
			what, cut := fmt.Sprintf("opcode %x", bad.Op), ByFrame
			sends, wants := steps(bad), []Message(nil)
			if i%2 == 1 {
				bad.Payload = []byte("reserved")
				sends, what = steps(bad), what+" with a payload"
			}
			if i >= 2 {
				sends, wants = steps(hello, bad, ping("")), said(hello)
				what += ", after a message and before a ping"
			}
			if i == 4 {
				cut, what = 1, what+", byte by byte"
			}
			cases = append(cases, failing(fmt.Sprintf("4.%d.%d", kind+1, i+1), what, cut, 1002, sends, wants...))
		}
	}
	return cases
}
