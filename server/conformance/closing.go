package conformance

import "fmt"

// closings is section 7: the closing handshake (RFC 6455 §5.5.1, §7) and the codes that a close frame may carry (§7.4, and the
// IANA registry, which has added 1012 to 1014 since).
func closings() (cases []Case) {
	hello := text("Hello, world!")
	big := Message{Op: opText, Payload: content(opText, 256<<10)}
	normal := closing(1000, "")
	ends := func(id, what string, code int, sends []Step, wants ...Message) {
		cases = append(cases, failing(id, what, ByFrame, code, sends, wants...))
	}
	ends("7.1.1", "message, then close", 1000, steps(hello, normal), said(hello)...)
	ends("7.1.2", "two close frames", 1000, steps(normal, normal))
	ends("7.1.3", "ping after close", 1000, steps(normal, ping("late")))
	ends("7.1.4", "message after close", 1000, steps(normal, hello))
	ends("7.1.5", "close within a message, whose end follows", 1000, steps(begin("fragment 1, "), normal, last("fragment 2")))
	ends("7.1.6", "256 KiB, another message, close and a ping", 1000, []Step{big, hello, normal, ping("late")}, big, said(hello)[0])

	longest := string(content(opText, 123))
	ends("7.3.1", "close without a payload", NoCode, steps(closing(NoCode, "")))
	ends("7.3.2", "close with half a code", 1002, steps(Frame{Op: opClose, Payload: []byte{3}}))
	ends("7.3.3", "close with a code", 1000, steps(normal))
	ends("7.3.4", "close with a code and a reason", 1000, steps(closing(1000, "Done: ✓")))
	ends("7.3.5", "close with a reason of 123 bytes, the most there may be", 1000, steps(closing(1000, longest)))
	ends("7.3.6", "close with a reason of 124 bytes", 1002, steps(closing(1000, longest+"x")))
	ends("7.5.1", "close with a reason that is not UTF-8", 1007, steps(closing(1000, kosme+"\xed\xa0\x80edited")))

	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		ends(fmt.Sprintf("7.7.%d", i+1), fmt.Sprintf("close with %d", code), code, steps(closing(code, "")))
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		ends(fmt.Sprintf("7.9.%d", i+1), fmt.Sprintf("close with %d, which must not be sent", code), 1002, steps(closingWith(code)))
	}
	for i, code := range []int{5000, 65535} {
		ends(fmt.Sprintf("7.13.%d", i+1), fmt.Sprintf("close with %d, in no range of codes", code), 1002, steps(closingWith(code)))
	}
	for i, code := range []int{1012, 1013, 1014} {
		ends(fmt.Sprintf("7.14.%d", i+1), fmt.Sprintf("close with %d, registered after the RFC", code), code, steps(closing(code, "")))
	}
	return cases
}

// closingWith is a close frame with any code, also with 1005.
func closingWith(code int) Frame {
	return Frame{Op: opClose, Payload: []byte{byte(code >> 8), byte(code)}}
}
