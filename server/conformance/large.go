package conformance

import (
	"fmt"
	"sync"
)

const largest = 16 << 20 // bytes of the largest message of a case

// contents are what long messages consist of, by opcode. Their periods are primes, so that no part can stand for another.
var contents = sync.OnceValue(func() map[byte][]byte {
	all := map[byte][]byte{opText: make([]byte, largest), opBinary: make([]byte, largest)}
	for i := range largest {
		all[opText][i] = byte(' ' + i%89)
		all[opBinary][i] = byte(i % 251)
	}
	return all
})

// content is a payload for the opcode, size bytes long. It is shared, and not to be written to.
func content(op byte, size int) []byte { return contents()[op][:size:size] }

// large is sections 9 and 10: large messages, whole, in fragments and in small writes, and many messages one after another.
func large() (cases []Case) {
	add := func(section, i int, what string, cut Cut, m Message) {
		echoed := Message{Op: m.Op, Payload: m.Payload}
		cases = append(cases, orderly(fmt.Sprintf("9.%d.%d", section, i+1), fmt.Sprintf("opcode %x, %d bytes%s", m.Op, len(m.Payload), what),
			cut, []Step{m}, []Message{echoed}))
	}
	for kind, op := range []byte{opText, opBinary} {
		for i, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, largest} {
			add(1+kind, i, "", ByFrame, Message{Op: op, Payload: content(op, size)})
		}
		for i := range 9 {
			fragment := 64 << (2 * i)
			add(3+kind, i, fmt.Sprintf(", in fragments of %d", fragment), ByFrame, Message{Op: op, Payload: content(op, 4<<20), Frames: fragment})
		}
		for i := range 6 {
			piece := 64 << i
			add(5+kind, i, fmt.Sprintf(", in writes of %d", piece), Cut(piece), Message{Op: op, Payload: content(op, 1<<20)})
		}
		for i, size := range []int{0, 16, 64, 256, 1 << 10, 4 << 10} {
			cases = append(cases, inTurn(fmt.Sprintf("9.%d.%d", 7+kind, i+1), 1000, Message{Op: op, Payload: content(op, size)}))
		}
	}
	m := Message{Op: opText, Payload: content(opText, 65536), Frames: 1300}
	return append(cases, orderly("10.1.1", "text of 65536 bytes, in fragments of 1300", ByFrame, []Step{m}, []Message{{Op: m.Op, Payload: m.Payload}}))
}

// inTurn sends a message so many times, each once the one before has come back.
func inTurn(id string, count int, m Message) Case {
	var sends []Step
	var wants []Message
	for i := range count {
		sends = append(sends, m, After(i+1))
		wants = append(wants, Message{Op: m.Op, Payload: m.Payload})
	}
	return orderly(id, fmt.Sprintf("opcode %x, %d messages of %d bytes, one after another", m.Op, count, len(m.Payload)), ByFrame, sends, wants)
}
